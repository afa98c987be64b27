//! Clients in a pool.

use std::{sync::Arc, time::Duration};

use ws_client::{Client, Pool, PoolConfig};

use crate::house::{LONG, house_with_connect};

#[tokio::test(start_paused = true)]
async fn clients_are_shared_and_go_when_they_have_stopped_or_are_idle() {
    let (mut house, connect) = house_with_connect();
    let connect = Arc::new(connect);
    let config = PoolConfig { idle_timeout: Duration::from_secs(20), ..PoolConfig::default() };
    let pool = Arc::new(Pool::<Client>::of_clients(config, move |builder| {
        let connect = connect.clone();
        builder.transport(move |uri| connect(uri))
    }));
    let get = |token: &'static str| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.get("ws://house.test/ws", token).await.unwrap() })
    };
    let first = get("ada");
    let mut visit = house.greet().await;
    assert_eq!(visit.authorization.as_deref(), Some("Bearer ada"));
    drop(first.await.unwrap());
    // The same connection again, until it has stopped.
    let again = get("ada").await.unwrap();
    visit.closes(1008, "No").await;
    while again.stopped().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(again);
    let other = get("ada");
    visit = house.greet().await;
    drop(other.await.unwrap());
    // Some time later nobody has wanted it.
    assert_eq!(visit.hears_close().await, 1000);
    assert!(house.knocks(LONG).await.is_none());
}
