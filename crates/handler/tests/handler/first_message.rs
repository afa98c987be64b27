//! DESIGN §4.5: whoever comes without a token authenticates with the first message.

use std::{num::NonZeroUsize, time::Duration};

use serde_json::json;
use tokio::time::Instant;
use ws_auth::TokenRequest;
use ws_handler::AuthMode;

use crate::house::{House, OPENING, PATH, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn section_4_5_the_first_message_authenticates_typed_or_untyped() {
    let house = House::open(|_| {});
    let request = TokenRequest::new("ada")
        .claim("channels", vec!["chat:1", "news"])
        .claim("permissions", vec!["read", "write"]);
    let token = house.mint(&request);
    for message in [
        json!({ "type": "auth", "token": token, "id": 1, "sessionId": "s-1",
                "channels": ["chat:1", "chat:2"] }),
        json!({ "token": token, "id": 1, "sessionId": "s-1", "channels": ["chat:1", "chat:2"] }),
    ] {
        let mut peer = house.stand_in_line().await;
        peer.send(message).await;
        let mut answer = peer.next().await;
        assert!(answer["timestamp"].take().is_u64());
        assert_eq!(
            answer,
            json!({
                "type": "authenticated", "success": true, "id": 1, "timestamp": null,
                "userId": "ada", "sessionId": "s-1", "availableChannels": ["chat:1"],
                "permissions": ["read", "write"], "expiresAt": (OPENING + 3600) * 1000,
            })
        );
        // What it asked for and may have, it is in.
        let subscribed = peer.next().await;
        assert_eq!(
            (&subscribed["type"], &subscribed["channel"]),
            (&json!("subscribed"), &json!("chat:1"))
        );
        assert_eq!(peer.ask("hello").await["payload"], "hello");
        peer.quiet_for(60 * SECOND).await;
        peer.leave().await;
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_session_without_a_name_is_named_after_its_connection() {
    let house = House::open(|_| {});
    let mut peer = house.connect(PATH, &[]).await;
    let connected = peer.next().await;
    assert_eq!(connected["heartbeatMs"], 30_000);
    peer.send(json!({ "token": house.token("ada") })).await;
    assert_eq!(peer.next().await["sessionId"], connected["clientId"]);
}

#[tokio::test(start_paused = true)]
async fn section_4_5_who_does_not_authenticate_in_time_is_told_and_closed_with_1008() {
    let house = House::open(|_| {});
    let opened = Instant::now();
    let mut peer = house.stand_in_line().await;
    assert_eq!(house.handler.stats().pending_authentications, 1);
    let error = peer.next().await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("auth_timeout")));
    assert_eq!(opened.elapsed().as_secs(), 5);
    assert_eq!(peer.closed().await, (1008, "Authentication timeout".to_owned()));
    house.emptied().await;
    let notes = house.handler.application().notes.lock();
    assert!(notes.connected.is_empty() && notes.disconnected.is_empty(), "nobody was there yet");
}

#[tokio::test(start_paused = true)]
async fn section_4_5_anything_else_as_a_first_message_is_an_error_and_1008() {
    let house = House::open(|_| {});
    for message in [
        json!({ "type": "request", "requestId": "r", "id": "i", "payload": {} }),
        json!({ "type": "subscribe", "channel": "news", "id": "i" }),
        json!({ "type": "unsubscribe", "channel": "news", "id": "i" }),
        json!({ "type": "publish", "channel": "news", "data": 1, "id": "i" }),
        json!({ "type": "ack", "messageId": "m", "id": "i" }),
    ] {
        let mut peer = house.stand_in_line().await;
        peer.send(message.clone()).await;
        let error = peer.next().await;
        assert_eq!((&error["code"], &error["id"]), (&json!("unauthorized"), &json!("i")));
        assert_eq!(error["requestId"], message["requestId"]);
        assert_eq!(peer.closed().await, (1008, "Authentication required".to_owned()));
    }
    house.emptied().await;
    assert!(house.handler.application().notes.lock().requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_bad_first_token_is_told_by_its_reason_and_closed_with_1008() {
    let house = House::open(|_| {});
    let expired = house.token_for("ada", 1);
    tokio::time::sleep(10 * SECOND).await;
    for (token, code, reason) in [
        (house.forged("ada"), "invalid_token", "Invalid token"),
        (String::new(), "invalid_token", "Invalid token"),
        (expired, "token_expired", "Token expired"),
    ] {
        let mut peer = house.stand_in_line().await;
        peer.send(json!({ "type": "auth", "token": token, "id": 9 })).await;
        let error = peer.next().await;
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(reason)));
        assert_eq!(error["id"], 9);
        assert_eq!(peer.closed().await, (1008, reason.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_5_pings_and_nonsense_are_answered_meanwhile_and_buy_no_time() {
    let house = House::open(|_| {});
    let opened = Instant::now();
    let mut peer = house.stand_in_line().await;
    tokio::time::sleep(4 * SECOND).await;
    peer.send(json!({ "type": "ping", "id": 1 })).await;
    assert_eq!(peer.next().await["type"], "pong");
    peer.send_text("{").await;
    assert_eq!(peer.next().await["code"], "bad_json");
    peer.send(json!({ "type": "auth", "id": 2 })).await;
    assert_eq!(peer.next().await["code"], "missing_field");
    assert_eq!(peer.next().await["code"], "auth_timeout");
    assert_eq!(opened.elapsed().as_secs(), 5);
    assert_eq!(peer.closed().await.0, 1008);
}

#[tokio::test(start_paused = true)]
async fn section_4_5_no_more_than_so_many_may_wait_and_more_are_answered_503() {
    let house = House::open(|config| {
        config.policy.auth_mode = AuthMode::Message { timeout: 5 * SECOND, pending_max: 2 };
    });
    let mut first = house.stand_in_line().await;
    let second = house.stand_in_line().await;
    let refusal = house.refuse(PATH, &[]).await;
    assert_eq!((refusal.status, &refusal.body["code"]), (503, &json!("overloaded")));
    assert!(refusal.head.contains("retry-after: 1\r\n"), "{}", refusal.head);
    assert_eq!(house.visit("somebody with a token").await.ask("x").await["type"], "response");

    // A place is free once somebody has authenticated, left, or waited too long.
    first.send(json!({ "token": house.token("ada") })).await;
    assert_eq!(first.next().await["type"], "authenticated");
    let third = house.stand_in_line().await;
    assert_eq!(house.refuse(PATH, &[]).await.status, 503);
    second.vanish().await;
    let fourth = house.stand_in_line().await;
    assert_eq!(house.refuse(PATH, &[]).await.status, 503);
    tokio::time::sleep(6 * SECOND).await;
    drop((third, fourth));
    settle().await;
    assert_eq!(house.handler.stats().pending_authentications, 0);
    house.stand_in_line().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_5_the_application_learns_of_a_client_once_it_is_known_who_it_is() {
    let house = House::open(|_| {});
    let mut peer = house.stand_in_line().await;
    let connected = || house.handler.application().notes.lock().connected.len();
    assert_eq!(connected(), 0);
    assert!(house.handler.connections_by_user_id("ada").is_empty());
    peer.send(json!({ "token": house.token("ada") })).await;
    assert_eq!(peer.next().await["type"], "authenticated");
    assert_eq!(connected(), 1);
    let client = house.handler.connections_by_user_id("ada").remove(0);
    assert_eq!(client.user_id().as_deref(), Some("ada"));
    peer.leave().await;
    house.emptied().await;
    assert_eq!(house.handler.application().notes.lock().disconnected.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_a_first_message_of_a_user_with_too_many_connections_is_an_error_and_1008() {
    let house = House::open(|config| {
        config.policy.limits.connections_per_user_max = NonZeroUsize::new(1);
    });
    let only = house.visit("ada").await;
    let mut peer = house.stand_in_line().await;
    peer.send(json!({ "type": "auth", "token": house.token("ada"), "id": 1 })).await;
    let error = peer.next().await;
    assert_eq!((&error["code"], &error["id"]), (&json!("too_many_connections"), &json!(1)));
    assert_eq!(peer.closed().await, (1008, "Too many connections".to_owned()));
    assert_eq!(house.handler.connections_by_user_id("ada").len(), 1);
    only.leave().await;
    house.visit("ada").await;
}

#[tokio::test(start_paused = true)]
async fn section_4_5_who_has_not_authenticated_may_send_64_kib_at_once_and_the_limit_afterwards() {
    let house = House::open(|_| {});
    let long = json!({ "type": "request", "requestId": "r", "payload": "x".repeat(70_000) });
    let mut stranger = house.stand_in_line().await;
    stranger.send(long.clone()).await;
    assert_eq!(stranger.closed().await, (1009, "Message too large".to_owned()));
    assert_eq!(house.handler.config().validator.stats().violations, 1);

    let mut peer = house.stand_in_line().await;
    peer.send(json!({ "token": house.token("ada") })).await;
    assert_eq!(peer.next().await["type"], "authenticated");
    peer.send(long).await;
    assert_eq!(peer.next().await["type"], "response");
}
