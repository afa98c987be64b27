//! How many connections a user may have, on all nodes together.

use serde_json::json;

use crate::{
    house::PATH,
    street::{A_WHILE, Node, street},
};

/// Connects, and is told that there are too many.
async fn check_refused(node: &Node) {
    let target = format!("{PATH}?token={}", node.house.token("ada"));
    let mut peer = node.house.connect(&target, &[]).await;
    assert_eq!(peer.next().await["code"], "too_many_connections");
    assert_eq!(peer.closed().await.0, 1008);
}

#[tokio::test(start_paused = true)]
async fn a_users_connections_are_counted_on_all_nodes() {
    let (_cluster, nodes) = street(|_| {}).await;
    let first = nodes[0].house.visit("ada").await;
    let _second = nodes[1].house.visit("ada").await;
    let _third = nodes[1].house.visit("ada").await;
    for node in &nodes {
        check_refused(node).await;
    }
    let _bob = nodes[2].house.visit("bob").await;
    first.leave().await;
    tokio::time::sleep(A_WHILE).await;
    let _fourth = nodes[2].house.visit("ada").await;
    check_refused(&nodes[0]).await;
}

#[tokio::test(start_paused = true)]
async fn who_says_by_message_who_it_is_is_counted_before_it_is_served() {
    let (_cluster, nodes) = street(|_| {}).await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(nodes[0].house.visit("ada").await);
    }
    let mut late = nodes[1].house.stand_in_line().await;
    late.send(json!({ "type": "auth", "token": nodes[1].house.token("ada"), "id": 7 })).await;
    late.send(json!({ "type": "ping" })).await;
    let refused = late.next().await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("too_many_connections"), &json!(7)));
    assert_eq!(late.closed().await.0, 1008);
    drop(peers);
    tokio::time::sleep(A_WHILE).await;
    let mut again = nodes[1].house.stand_in_line().await;
    again.send(json!({ "type": "auth", "token": nodes[1].house.token("ada") })).await;
    assert_eq!(again.next().await["type"], "authenticated");
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_each_node_counts_its_own() {
    let (cluster, nodes) = street(|_| {}).await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(nodes[0].house.visit("ada").await);
    }
    cluster.set_down("gone");
    for _ in 0..3 {
        peers.push(nodes[1].house.visit("ada").await);
    }
    let target = format!("{PATH}?token={}", nodes[1].house.token("ada"));
    let mut peer = nodes[1].house.connect(&target, &[]).await;
    assert_eq!(peer.closed().await.0, 1008, "its own");
    cluster.set_up();
    tokio::time::sleep(A_WHILE).await;
    check_refused(&nodes[2]).await;
}
