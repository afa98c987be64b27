//! DESIGN §4.6 from outside: variables and the file decide how much, how often, how many. (Each rule
//! by itself is told in the tests of `ws-handler`.)

use serde_json::json;
use tungstenite::Message;
use ws_auth::TokenRequest;

use crate::{
    client::Client,
    exchange::{Exchange, fetch, upgrade},
    house::House,
};

#[tokio::test]
async fn section_4_6_connection_rate_limit_answers_429_with_retry_after_and_json() {
    let house = House::open(&[("CONNECTION_RATE_LIMIT", "2")]);
    for _ in 0..2 {
        assert_eq!(fetch(house.address, upgrade("/ws", "")).await.status, 101);
    }
    let response = fetch(house.address, upgrade("/ws", "")).await;
    assert_eq!(response.status, 429);
    assert_eq!(response.json()["code"], "rate_limited");
    let secs: u64 = response.header("retry-after").and_then(|it| it.parse().ok()).expect("said");
    assert!((1790..=1800).contains(&secs), "{secs}");
    assert_eq!(response.json()["retryAfterMs"], secs * 1000);
    // Probes are not connects.
    assert_eq!(crate::exchange::get(house.address, "/health").await.status, 200);
    assert_eq!(house.rejected("rate_limited"), 1);
}

#[tokio::test]
async fn section_4_6_max_connections_per_user_accepts_one_more_and_closes_it_with_1008() {
    let house = House::open(&[("MAX_CONNECTIONS_PER_USER", "2")]);
    let (first, _second) = (house.visit("ada").await, house.visit("ada").await);
    let target = format!("/ws?token={}", house.token("ada"));
    let mut third = Client::connect(house.address, &target).await;
    assert_eq!(third.closed().await, (1008, "Too many connections".to_owned()));
    house.visit("bob").await;
    first.leave().await;
    house
        .until("the place is free", |it| it.handler.connections_by_user_id("ada").len() == 1)
        .await;
    house.visit("ada").await;
}

#[tokio::test]
async fn section_4_6_max_connections_answers_503() {
    let house = House::open(&[("MAX_CONNECTIONS", "1")]);
    let only = house.visit("ada").await;
    let response = fetch(house.address, upgrade("/ws", "")).await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(response.json()["code"], "overloaded");
    only.leave().await;
    house.emptied().await;
    house.visit("ada").await;
}

#[tokio::test]
async fn section_4_6_message_rate_limit_and_burst_drop_tell_and_close() {
    let house = House::open(&[("MESSAGE_RATE_LIMIT", "60"), ("MESSAGE_BURST", "3")]);
    let mut client = house.visit("ada").await;
    for n in 0..3 {
        assert_eq!(client.ask(json!(n)).await["payload"], n);
    }
    let error = client.ask(json!(3)).await;
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("rate_limited"), &json!("Rate limit exceeded"))
    );
    let wait = error["retryAfterMs"].as_u64().expect("a number");
    assert!((1..=1000).contains(&wait), "{wait}");
    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    assert_eq!(client.ask(json!("patient")).await["payload"], "patient");

    // Whoever asks by name is answered each time, others once.
    let error = client.ask(json!(4)).await;
    assert_eq!((&error["code"], &error["requestId"]), (&json!("rate_limited"), &json!("r")));
    let flood = Message::text(json!({ "type": "ping" }).to_string());
    for _ in 0..150 {
        client.send_message(flood.clone()).await;
    }
    assert_eq!(client.closed().await, (1008, "Rate limit exceeded".to_owned()));
}

#[tokio::test]
async fn section_4_6_zero_is_no_limit() {
    let house = House::open(&[
        ("MESSAGE_RATE_LIMIT", "0"),
        ("MAX_CONNECTIONS_PER_USER", "0"),
        ("CONNECTION_RATE_LIMIT", "0"),
    ]);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(house.visit("ada").await);
    }
    for n in 0..500 {
        assert_eq!(clients[0].ask(json!(n)).await["payload"], n);
    }
}

#[tokio::test]
async fn section_4_6_tiers_of_the_file_go_by_a_claim_of_the_token() {
    let file = r#"
        [auth]
        tier_claim = "app_metadata.plan"
        [limits]
        default_tier = "free"
        [tiers.free]
        messages_per_minute = 2
        [tiers.pro]
        messages_per_minute = 6
        burst = 4
        [tiers.staff]
        messages_per_minute = 0
    "#;
    let house = House::open_with_file(&[], file);
    for (plan, allowed) in [("", 2), ("free", 2), ("pro", 4), ("unknown", 2), ("staff", 30)] {
        let user = format!("user of {plan}");
        let metadata = json!({ "plan": plan });
        let request = TokenRequest::new(user.as_str()).claim("app_metadata", metadata);
        let request = if plan.is_empty() { TokenRequest::new(user.as_str()) } else { request };
        let target = format!("/ws?token={}", house.mint(&request));
        let mut client = Client::connect(house.address, &target).await;
        assert_eq!(client.next().await["type"], "connected");
        for n in 0..allowed {
            assert_eq!(client.ask(json!(n)).await["type"], "response", "{plan} {n}");
        }
        if allowed < 30 {
            assert_eq!(client.ask(json!("more")).await["code"], "rate_limited", "{plan}");
        }
    }
}

#[tokio::test]
async fn section_4_4_ping_rate_limit_ends_a_ping_flood_with_1008() {
    let house = House::open(&[("PING_RATE_LIMIT", "5")]);
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(upgrade(&format!("/ws?token={}", house.token("ada")), "")).await;
    assert_eq!(exchange.response().await.status, 101);
    assert_eq!(exchange.frame().await.0, 0x81);
    exchange.send([0x89, 0x80, 1, 2, 3, 4].repeat(6)).await;
    for _ in 0..5 {
        assert_eq!(exchange.frame().await, (0x8a, Vec::new()));
    }
    let (first, close) = exchange.frame().await;
    assert_eq!((first, &close[..2]), (0x88, &1008u16.to_be_bytes()[..]));
    assert_eq!(&close[2..], b"Too many pings");
}

#[tokio::test]
async fn section_4_10_outbox_bytes_max_sends_a_client_away_that_does_not_read() {
    let house = House::open(&[("OUTBOX_BYTES_MAX", "64KiB")]);
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(upgrade(&format!("/ws?token={}", house.token("ada")), "")).await;
    assert_eq!(exchange.response().await.status, 101);
    house.until("it is there", |house| house.handler.connection_count() == 1).await;
    let client = house.handler.connections().remove(0);
    // As much as the sockets' buffers take, and then as much as the outbox takes.
    let large = "x".repeat(16 * 1024);
    let mut sent = 0;
    while client.send_text(&large).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "nothing bounds what waits");
        tokio::task::yield_now().await;
    }
    assert!(client.outbox().queued_bytes() <= 64 * 1024);
}
