//! DESIGN §4.6: so many connections of a user, and how a place becomes free again.

use std::{num::NonZeroUsize, time::Duration};

use serde_json::json;
use tungstenite::Message;
use ws_close_manager::SendableCode;

use crate::{
    house::{House, PATH, settle},
    raw::{CLOSE, TEXT},
};

fn house_for_one() -> House {
    House::open(|config| config.policy.limits.connections_per_user_max = NonZeroUsize::new(1))
}

/// Whether the one place of the user is taken: one more is accepted, and sent away.
async fn is_taken(house: &House) -> bool {
    let target = format!("{PATH}?token={}", house.token("ada"));
    let mut peer = house.connect(&target, &[]).await;
    match peer.next_message().await {
        Some(Message::Text(text)) => {
            assert!(text.contains("connected"), "{text}");
            peer.leave().await;
            false
        }
        Some(Message::Close(Some(frame))) => {
            assert_eq!((u16::from(frame.code), &*frame.reason), (1008, "Too many connections"));
            assert!(peer.next_message().await.is_none());
            peer.task.await.expect("the connection's task ends");
            true
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_6_one_connection_too_many_is_accepted_and_closed_with_1008() {
    let house = House::open(|_| {});
    let mut peers = Vec::new();
    for _ in 0..5 {
        peers.push(house.visit("ada").await);
    }
    for _ in 0..3 {
        assert!(is_taken(&house).await, "five is the default");
    }
    house.visit("bob").await;
    assert_eq!(house.handler.connections_by_user_id("ada").len(), 5);
    // The application never learned of those who were sent away.
    assert_eq!(house.handler.application().notes.lock().connected.len(), 6);
    peers.pop().expect("five").leave().await;
    assert!(!is_taken(&house).await);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_no_limit_means_any_number() {
    let house = House::open(|config| config.policy.limits.connections_per_user_max = None);
    let mut peers = Vec::new();
    for _ in 0..50 {
        peers.push(house.visit("ada").await);
    }
    assert_eq!(house.handler.connections_by_user_id("ada").len(), 50);
    assert_eq!(house.handler.stats().online_users, 1);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_a_close_by_the_client() {
    let house = house_for_one();
    let peer = house.visit("ada").await;
    assert!(is_taken(&house).await);
    peer.leave().await;
    assert!(!is_taken(&house).await);
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_a_close_by_the_server() {
    let house = house_for_one();
    let mut peer = house.visit("ada").await;
    house.handler.connections_by_user_id("ada")[0].close(SendableCode::NORMAL, "enough");
    assert_eq!(peer.closed().await, (1000, "enough".to_owned()));
    settle().await;
    assert!(!is_taken(&house).await);
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_the_transport_ended() {
    let house = house_for_one();
    house.visit("ada").await.vanish().await;
    assert!(!is_taken(&house).await);
    assert_eq!(house.ended_by("end_of_stream") + house.ended_by("peer_reset"), 1);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_a_broken_rule() {
    let house = house_for_one();
    let mut raw = house.visit_raw("ada").await;
    raw.send_bytes(b"\x81\x02hi").await;
    assert_eq!(raw.next().await.expect("a close frame").close().0, 1002);
    drop(raw);
    settle().await;
    assert!(!is_taken(&house).await);
    assert_eq!(house.ended_by("protocol"), 1);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_a_peer_died() {
    let house = house_for_one();
    let mut raw = house.visit_raw("ada").await;
    raw.rest().await;
    assert!(!is_taken(&house).await);
    assert_eq!(house.ended_by("pong_timeout"), 1);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_a_peer_that_does_not_answer_our_close() {
    let house = house_for_one();
    let mut raw = house.visit_raw("ada").await;
    house.handler.connections()[0].close(SendableCode::NORMAL, "");
    assert_eq!(raw.next().await.expect("a close frame").first, CLOSE);
    raw.send(TEXT, br#"{"type":"request","requestId":1,"payload":1}"#).await;
    assert!(is_taken(&house).await, "it has five seconds to answer");
    tokio::time::sleep(Duration::from_secs(5)).await;
    settle().await;
    assert!(!is_taken(&house).await);
    assert!(house.handler.application().notes.lock().requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_a_kill() {
    let house = house_for_one();
    let raw = house.visit_raw("ada").await;
    house.handler.connections()[0].outbox().kill();
    settle().await;
    assert!(!is_taken(&house).await);
    assert_eq!(house.ended_by("killed"), 1);
    drop(raw);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_the_task_of_the_connection_was_aborted() {
    let house = house_for_one();
    let (raw, task) = house.visit_raw_from("192.0.2.1", "ada").await;
    assert!(is_taken(&house).await);
    task.abort();
    assert!(task.await.expect_err("aborted").is_cancelled());
    assert!(!is_taken(&house).await);
    house.emptied().await;
    let notes = house.handler.application().notes.lock();
    assert_eq!(notes.connected.len(), notes.disconnected.len());
    drop(raw);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_place_is_free_after_the_application_panicked() {
    let house = house_for_one();
    let mut peer = house.visit("ada").await;
    peer.send(json!({ "type": "request", "requestId": 1, "payload": "panic" })).await;
    assert!(peer.task.await.expect_err("a bug").is_panic());
    assert!(!is_taken(&house).await);
    house.emptied().await;
    let notes = house.handler.application().notes.lock();
    assert_eq!(notes.connected.len(), notes.disconnected.len());
}
