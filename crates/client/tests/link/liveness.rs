//! Whether the server is still there.

use std::time::Duration;

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
