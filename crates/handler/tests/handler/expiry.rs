//! DESIGN §4.5: a token's last moments, and refreshing it in place.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::house::{House, OPENING, PATH};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn section_4_5_a_token_is_announced_to_expire_30_seconds_before_and_ends_with_3000_after_the_leeway()
 {
    let house = House::open(|_| {});
    let opened = Instant::now();
    let target = format!("{PATH}?token={}", house.token_for("ada", 100));
    let mut peer = house.connect(&target, &[]).await;
    assert_eq!(peer.next().await["type"], "connected");
    let warning = peer.next().await;
    assert_eq!(warning["type"], "token_expiring");
    assert_eq!(warning["expiresAt"], (OPENING + 100) * 1000);
    assert_eq!(opened.elapsed().as_secs(), 70);

    // Served up to the last moment, the leeway included.
    peer.quiet_for(34 * SECOND).await;
    assert_eq!(peer.ask("still me").await["payload"], "still me");
    let error = peer.next().await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("token_expired")));
    assert_eq!(opened.elapsed().as_secs(), 105);
    assert_eq!(peer.closed().await, (3000, "Token expired".to_owned()));
    house.emptied().await;
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_token_with_less_than_30_seconds_left_is_announced_at_once() {
    let house = House::open(|_| {});
    let token = house.token_for("ada", 20);
    let opened = Instant::now();
    let mut with_upgrade = house.connect(&format!("{PATH}?token={token}"), &[]).await;
    assert_eq!(with_upgrade.next().await["type"], "connected");
    assert_eq!(with_upgrade.next().await["type"], "token_expiring");
    let mut by_message = house.stand_in_line().await;
    by_message.send(json!({ "token": token })).await;
    assert_eq!(by_message.next().await["type"], "authenticated");
    assert_eq!(by_message.next().await["type"], "token_expiring");
    assert_eq!(opened.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_refresh_in_place_keeps_the_user_and_moves_the_expiry() {
    let house = House::open(|_| {});
    let mut peer =
        house.connect(&format!("{PATH}?token={}", house.token_for("ada", 60)), &[]).await;
    let connected = peer.next().await;
    for round in 1..=20u64 {
        assert_eq!(peer.next().await["type"], "token_expiring");
        peer.send(json!({ "type": "auth", "token": house.token_for("ada", 60), "id": round }))
            .await;
        let answer = peer.next().await;
        assert_eq!((&answer["type"], &answer["id"]), (&json!("authenticated"), &json!(round)));
        assert_eq!(answer["userId"], "ada");
        assert_eq!(answer["expiresAt"], (OPENING + round * 30 + 60) * 1000);
    }
    let clients = house.handler.connections_by_user_id("ada");
    assert_eq!(clients.len(), 1, "one connection all along");
    assert_eq!(clients[0].id().to_string(), connected["clientId"]);
    assert_eq!(house.handler.application().notes.lock().connected.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_refresh_may_never_change_the_user() {
    let house = House::open(|_| {});
    let mut peer = house.visit("ada").await;
    peer.send(json!({ "type": "auth", "token": house.token("eve"), "id": 1 })).await;
    let error = peer.next().await;
    assert_eq!((&error["code"], &error["id"]), (&json!("user_mismatch"), &json!(1)));
    assert_eq!(peer.closed().await, (1008, "The token belongs to another user".to_owned()));
    house.emptied().await;
    assert!(house.handler.connections_by_user_id("eve").is_empty());
}

#[tokio::test(start_paused = true)]
async fn section_4_5_a_refresh_that_fails_leaves_the_old_token_in_force_until_its_own_end() {
    let house = House::open(|_| {});
    let opened = Instant::now();
    let mut peer =
        house.connect(&format!("{PATH}?token={}", house.token_for("ada", 60)), &[]).await;
    assert_eq!(peer.next().await["type"], "connected");
    peer.send(json!({ "type": "auth", "token": house.forged("ada"), "id": 1 })).await;
    assert_eq!(peer.next().await["code"], "invalid_token");
    assert_eq!(peer.ask("still me").await["payload"], "still me");
    assert_eq!(peer.next().await["type"], "token_expiring");
    assert_eq!(peer.next().await["code"], "token_expired");
    assert_eq!(peer.closed().await.0, 3000);
    assert_eq!(opened.elapsed().as_secs(), 65);
}
