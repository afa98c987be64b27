//! That a user is offline: told once, by one node.

use std::time::Duration;

use ws_handler::OfflineCause;

use crate::{
    house::House,
    street::{A_WHILE, Node, street},
};

fn told(nodes: &[Node]) -> Vec<(String, OfflineCause)> {
    let mut told: Vec<_> = nodes.iter().flat_map(Node::offline).collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    told
}

#[tokio::test(start_paused = true)]
async fn a_process_alone_tells_when_the_last_connection_is_gone() {
    let house = House::open(|_| {});
    let offline = || house.handler.application().notes.lock().offline.clone();
    let (one, two) = (house.visit("ada").await, house.visit("ada").await);
    one.leave().await;
    assert_eq!(offline(), []);
    two.vanish().await;
    let ada = ("ada".to_owned(), OfflineCause::Left);
    assert_eq!(offline(), std::slice::from_ref(&ada));
    house.visit("ada").await.leave().await;
    assert_eq!(offline(), [ada.clone(), ada]);
}

#[tokio::test(start_paused = true)]
async fn the_last_connection_on_any_node_counts() {
    let (_cluster, nodes) = street(|_| {}).await;
    let (one, two) = (nodes[0].house.visit("ada").await, nodes[1].house.visit("ada").await);
    one.leave().await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(told(&nodes), []);
    two.leave().await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(nodes[1].offline(), [("ada".to_owned(), OfflineCause::Left)]);
    assert_eq!(told(&nodes).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn users_of_a_dead_node_are_told_of_by_another() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut peers = Vec::new();
    for number in 0..20 {
        peers.push(nodes[0].house.visit(&format!("u{number}")).await);
    }
    // Two of them are elsewhere as well.
    let elsewhere = [nodes[1].house.visit("u3").await, nodes[2].house.visit("u4").await];
    nodes[0].engine.set_down("killed");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let offline = told(&nodes[1..]);
    assert_eq!(offline.len(), 18, "{offline:?}");
    assert!(
        offline.iter().all(|(user, cause)| {
            *cause == OfflineCause::NodeLost && user != "u3" && user != "u4"
        })
    );
    let [three, four] = elsewhere;
    three.leave().await;
    four.leave().await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(told(&nodes).len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_drain_tells_of_all_and_leaves_nothing_to_settle() {
    let (_cluster, nodes) = street(|_| {}).await;
    let ada = nodes[0].house.visit("ada").await;
    let leaving = tokio::spawn(async move { ada.leave().await });
    let code = ws_close_manager::SendableCode::RESTART;
    nodes[0].house.handler.drain(&ws_close_manager::CloseOptions::new(code)).await;
    leaving.await.expect("it has left");
    assert_eq!(nodes[0].offline(), [("ada".to_owned(), OfflineCause::Left)]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(told(&nodes).len(), 1);
}
