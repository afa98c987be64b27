//! Clients that are asked to connect again while the gateway runs.

use std::time::Duration;

use tokio::time::Instant;
use ws_broker::MemoryCluster;

use crate::house::House;

#[tokio::test]
async fn connection_lifetime_max_ends_a_connection_with_a_goodbye_in_the_last_quarter_of_it() {
    let house = House::open(&[("CONNECTION_LIFETIME_MAX", "1s")]);
    let started = Instant::now();
    let mut client = house.visit("ada").await;
    assert_eq!(client.goodbye().await, Duration::ZERO);
    assert_eq!(client.closed().await, (1012, "Connection lifetime over".to_owned()));
    assert!(started.elapsed() >= Duration::from_millis(740), "{:?}", started.elapsed());
    house.until("its end is known", |it| it.ended("lifetime") == 1).await;
}

#[tokio::test]
async fn rebalance_margin_makes_a_node_with_more_than_its_share_give_some_away() {
    let cluster = MemoryCluster::new();
    let variables = [("REBALANCE_MARGIN", "20"), ("REBALANCE_INTERVAL", "100ms")];
    let full = House::open_beside(cluster.node(), &variables, "");
    let empty = House::open_beside(cluster.node(), &variables, "");
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..8 {
        let mut client = full.visit(&format!("user-{n}")).await;
        clients.spawn(async move {
            client.goodbye().await;
            client.closed().await
        });
    }
    let first = clients.join_next().await.expect("eight").expect("it does not panic");
    assert_eq!(first, (1012, "Connections are rebalanced".to_owned()));
    // Half of the four that are too many, and then half of what is still above.
    full.until("it gave some away", |it| it.ended("rebalance") >= 2).await;
    assert_eq!(empty.ended("rebalance"), 0);
}
