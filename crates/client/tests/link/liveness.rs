//! Whether the server is still there.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use tokio::time::Instant;
use ws_client::State;

use crate::house::connected;

#[tokio::test(start_paused = true)]
async fn silence_for_the_heartbeat_is_asked_about_and_silence_for_the_grace_ends_the_connection() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let began = Instant::now();
    visit.hears_type("ping").await;
    assert_eq!(began.elapsed().as_secs(), 30);
    client.states().wait_for(|state| *state == State::Reconnecting).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 35);
    let _visit = house.greet().await;
    assert_eq!(began.elapsed().as_secs(), 36);
}

#[tokio::test(start_paused = true)]
async fn anything_heard_is_a_sign_of_life() {
    let (_house, client, mut visit) = connected(|it| it).await;
    for _ in 0..5 {
        assert!(visit.hears_within(Duration::from_secs(29)).await.is_none());
        visit.says(json!({"type": "a later version's", "timestamp": 1})).await;
    }
    visit.hears_type("ping").await;
    visit.says(json!({"type": "pong", "timestamp": 1})).await;
    assert!(visit.hears_within(Duration::from_secs(29)).await.is_none());
    assert_eq!(client.state(), State::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_server_is_answered() {
    let (_house, _client, mut visit) = connected(|it| it).await;
    visit.says(json!({"type": "ping", "timestamp": 1})).await;
    visit.hears_type("pong").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_arrived_counts_however_late_the_client_comes_to_look() {
    let (_house, client, mut visit) = connected(|it| it).await;
    for _ in 0..16 {
        // It waits for the same instant as the client, and is woken before it.
        let mut at_the_last = Box::pin(tokio::time::sleep(Duration::from_secs(35)));
        assert!(at_the_last.as_mut().now_or_never().is_none());
        visit.hears_type("ping").await;
        at_the_last.await;
        visit.says(json!({"type": "pong", "timestamp": 1})).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((client.state(), client.metrics().errors), (State::Connected, 0));
}
