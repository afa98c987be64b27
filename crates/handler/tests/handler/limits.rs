//! DESIGN §4.6: limits on connects and on messages answer on a ladder. (Those on connections of a
//! user are in `per_user.rs`.)

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;
use tungstenite::Message;
use ws_auth::TokenRequest;
use ws_handler::{AuthMode, HandlerConfig};
use ws_rate_limiter::{AnyLimit, KeyedLimiter, Ladder, TieredLimiter, TokenBucket};

use crate::house::{House, PATH};

const SECOND: Duration = Duration::from_secs(1);

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("not zero")
}

fn table() -> NonZeroUsize {
    NonZeroUsize::new(1000).expect("not zero")
}

fn connects_per_hour(n: u32) -> impl FnOnce(&mut HandlerConfig) {
    move |config| {
        let limit = TokenBucket::per_hour(number(n));
        config.policy.limits.connects = Some(KeyedLimiter::new(limit, table()).into());
    }
}

/// So many messages at once, one more each second; the connection ends at the denial that follows
/// on so many.
fn messages(burst: u32, denials_max: u32) -> impl FnOnce(&mut HandlerConfig) {
    move |config| {
        let limit = TokenBucket::per_second(number(1)).with_burst(number(burst));
        config.policy.limits.messages =
            Some(TieredLimiter::new("free", limit.into(), table()).into());
        config.policy.limits.ladder =
            Ladder::new(number(denials_max), 3600 * SECOND).expect("sound");
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_6_too_many_connects_are_answered_429_with_retry_after_and_a_json_body() {
    let house = House::open(connects_per_hour(3));
    for _ in 0..3 {
        house.visit("ada").await.leave().await;
    }
    let target = format!("{PATH}?token={}", house.token("ada"));
    let refusal = house.refuse(&target, &[]).await;
    assert_eq!(refusal.status, 429);
    assert!(refusal.head.contains("retry-after: 1200\r\n"), "{}", refusal.head);
    let expect = json!({
        "error": "Too many connection attempts", "code": "rate_limited", "retryAfterMs": 1_200_000,
    });
    assert_eq!(refusal.body, expect);
    // Others are not in their way, and who waits as long as it was told gets in.
    house.connect_from("192.0.2.2", &target, &[]).await;
    tokio::time::sleep(1200 * SECOND).await;
    house.visit("ada").await;
    assert_eq!(house.refuse(&target, &[]).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_a_connect_that_fails_counts_and_costs_no_verification() {
    let house = House::open(connects_per_hour(3));
    let target = format!("{PATH}?token={}", house.forged("ada"));
    for _ in 0..3 {
        assert_eq!(house.refuse(&target, &[]).await.status, 401);
    }
    let refused = |house: &House| -> u64 {
        house.handler.authenticator().stats().refused.iter().map(|(_, count)| count).sum()
    };
    assert_eq!(refused(&house), 3);
    assert_eq!(house.refuse(&target, &[]).await.status, 429);
    assert_eq!(refused(&house), 3);
}

#[tokio::test(start_paused = true)]
async fn section_4_7_ipv6_clients_are_limited_by_their_64() {
    let house = House::open(connects_per_hour(2));
    let target = format!("{PATH}?token={}", house.token("ada"));
    house.connect_from("[2001:db8:0:1::1]", &target, &[]).await;
    house.connect_from("[2001:db8:0:1:ffff::2]", &target, &[]).await;
    let refusal = house.refuse_from("[2001:db8:0:1::3]", &target, &[]).await;
    assert_eq!(refusal.status, 429);
    house.connect_from("[2001:db8:0:2::1]", &target, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn section_4_6_more_connections_than_the_server_takes_are_answered_503() {
    let house = House::open(|config| config.policy.limits.connections_max = NonZeroUsize::new(2));
    let (first, _second) = (house.visit("ada").await, house.visit("bob").await);
    let target = format!("{PATH}?token={}", house.token("eve"));
    let refusal = house.refuse(&target, &[]).await;
    assert_eq!((refusal.status, &refusal.body["code"]), (503, &json!("overloaded")));
    first.leave().await;
    house.visit("eve").await;
}

#[tokio::test(start_paused = true)]
async fn section_4_6_a_message_too_many_is_dropped_and_told_once_in_a_burst_or_by_its_name() {
    let house = House::open(messages(3, 100));
    let mut peer = house.visit("ada").await;
    for n in 0..3 {
        assert_eq!(peer.ask(&n.to_string()).await["type"], "response");
    }
    let error = peer.ask("too much").await;
    assert_eq!(error["type"], "error");
    assert_eq!(error["code"], "rate_limited");
    assert_eq!(error["message"], "Rate limit exceeded");
    assert_eq!(error["requestId"], "r");
    let wait = error["retryAfterMs"].as_u64().expect("a number");
    assert!((900..=1000).contains(&wait), "{wait}");

    // Of the rest of the burst, what has a name is told: somebody waits for it.
    for n in 0..5 {
        peer.send(json!({ "type": "ping" })).await;
        peer.send(json!({ "type": "request", "requestId": n, "payload": "too much" })).await;
    }
    for n in 0..5 {
        let error = peer.next().await;
        assert_eq!((&error["code"], &error["requestId"]), (&json!("rate_limited"), &json!(n)));
    }
    peer.quiet_for(Duration::from_millis(wait) + SECOND / 100).await;
    assert_eq!(peer.ask("patient").await["payload"], "patient");
    // And the next burst is told again.
    assert_eq!(peer.ask("too much").await["code"], "rate_limited");
    assert_eq!(house.handler.stats().rate_limited, 12);
    assert_eq!(house.handler.application().notes.lock().requests.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_who_keeps_on_is_closed_with_1008() {
    let house = House::open(messages(1, 5));
    let mut peer = house.visit("ada").await;
    assert_eq!(peer.ask("the one").await["type"], "response");
    for _ in 0..20 {
        peer.send(json!({ "type": "request", "requestId": "r", "payload": 1 })).await;
    }
    for _ in 0..5 {
        assert_eq!(peer.next().await["code"], "rate_limited");
    }
    assert_eq!(peer.closed().await, (1008, "Rate limit exceeded".to_owned()));
    house.emptied().await;
    assert_eq!(house.handler.stats().rate_limited, 6, "five were dropped, the sixth ended it");
}

#[tokio::test(start_paused = true)]
async fn section_4_6_pong_unsubscribe_ack_and_close_are_never_limited() {
    let house = House::open(messages(1, 3));
    let mut peer = house.visit("ada").await;
    assert_eq!(peer.ask("the one").await["type"], "response");
    for _ in 0..50 {
        peer.send(json!({ "type": "pong" })).await;
        peer.send(json!({ "type": "ack", "messageId": "m", "id": 1 })).await;
        peer.send(json!({ "type": "unsubscribe", "channel": "news", "id": 2 })).await;
        peer.stream.send_ping().await;
    }
    for _ in 0..50 {
        // An ack has no answer.
        assert_eq!(peer.next().await["type"], "unsubscribed");
    }
    assert_eq!(house.handler.stats().rate_limited, 0);
    assert_eq!(peer.ask("too much").await["code"], "rate_limited");
    peer.leave().await;
    assert_eq!(house.ended_by("peer_closed"), 1);
}

trait SendPing {
    async fn send_ping(&mut self);
}

impl SendPing for tokio_tungstenite::WebSocketStream<tokio::io::DuplexStream> {
    async fn send_ping(&mut self) {
        use futures_util::SinkExt;
        self.send(Message::Ping("are you there".into())).await.expect("the server reads");
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_6_pings_heartbeats_nonsense_and_binary_count_like_any_message() {
    for message in [
        Message::text(r#"{"type":"ping"}"#),
        Message::text(r#"{"type":"heartbeat"}"#),
        Message::text("{"),
        Message::binary(b"bytes".as_slice()),
    ] {
        use futures_util::SinkExt;
        let house = House::open(messages(2, 5));
        let mut peer = house.visit("ada").await;
        for _ in 0..2 {
            peer.stream.send(message.clone()).await.expect("the server reads");
        }
        assert_eq!(house.handler.stats().rate_limited, 0);
        for _ in 0..6 {
            peer.stream.send(message.clone()).await.expect("the server reads");
        }
        let mut codes = Vec::new();
        let close = loop {
            match peer.next_message().await.expect("a close frame first") {
                Message::Text(text) if text.contains("rate_limited") => codes.push(text),
                Message::Text(_) => assert!(codes.is_empty(), "served beyond the limit"),
                Message::Close(frame) => break frame.expect("with a code"),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((codes.len(), u16::from(close.code)), (1, 1008), "{message:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_6_messages_are_limited_for_a_user_over_all_its_connections_and_for_no_other() {
    let house = House::open(messages(4, 100));
    let (mut one, mut two) = (house.visit("ada").await, house.visit("ada").await);
    let mut other = house.visit("bob").await;
    for _ in 0..2 {
        assert_eq!(one.ask("x").await["type"], "response");
        assert_eq!(two.ask("x").await["type"], "response");
    }
    assert_eq!(one.ask("x").await["code"], "rate_limited");
    assert_eq!(two.ask("x").await["code"], "rate_limited");
    assert_eq!(other.ask("x").await["type"], "response");
    // Nor does it help to come back.
    one.leave().await;
    assert_eq!(house.visit("ada").await.ask("x").await["code"], "rate_limited");
}

#[tokio::test(start_paused = true)]
async fn section_4_6_where_nobody_authenticates_messages_are_limited_by_address() {
    let house = House::open(|config| {
        messages(2, 100)(config);
        config.policy.auth_mode = AuthMode::None;
    });
    let mut peers = Vec::new();
    for address in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        let mut peer = house.connect_from(address, PATH, &[]).await;
        assert_eq!(peer.next().await["type"], "connected");
        peers.push(peer);
    }
    assert_eq!(peers[0].ask("x").await["type"], "response");
    assert_eq!(peers[1].ask("x").await["type"], "response");
    assert_eq!(peers[0].ask("x").await["code"], "rate_limited");
    assert_eq!(peers[2].ask("x").await["type"], "response");
}

#[tokio::test(start_paused = true)]
async fn section_4_6_limits_are_tiered_by_a_claim_of_the_token() {
    let house = House::open(|config| {
        let limit = |burst| -> AnyLimit {
            TokenBucket::per_minute(number(1)).with_burst(number(burst)).into()
        };
        let messages = TieredLimiter::new("free", limit(2), table())
            .with_tier("pro", limit(5))
            .with_tier("unlimited", AnyLimit::Unlimited);
        config.policy.limits.messages = Some(messages.into());
    });
    for (tier, allowed) in [
        (None, 2),
        (Some("free"), 2),
        (Some("pro"), 5),
        (Some("made up"), 2),
        (Some("unlimited"), 50),
    ] {
        let mut request = TokenRequest::new(format!("user of {tier:?}"));
        if let Some(tier) = tier {
            request = request.tier(tier);
        }
        let mut peer = house.connect(&format!("{PATH}?token={}", house.mint(&request)), &[]).await;
        assert_eq!(peer.next().await["type"], "connected");
        for n in 0..allowed {
            assert_eq!(peer.ask("x").await["type"], "response", "{tier:?} {n}");
        }
        if allowed < 50 {
            assert_eq!(peer.ask("x").await["code"], "rate_limited", "{tier:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn section_4_6_a_refreshed_token_brings_its_tier_along() {
    let house = House::open(|config| {
        let limit = |burst| -> AnyLimit {
            TokenBucket::per_minute(number(1)).with_burst(number(burst)).into()
        };
        let messages = TieredLimiter::new("free", limit(1), table()).with_tier("pro", limit(9));
        config.policy.limits.messages = Some(messages.into());
    });
    let mut peer = house.visit("ada").await;
    let upgraded = house.mint(&TokenRequest::new("ada").tier("pro"));
    peer.send(json!({ "type": "auth", "token": upgraded })).await;
    assert_eq!(peer.next().await["type"], "authenticated");
    for _ in 0..9 {
        assert_eq!(peer.ask("x").await["type"], "response");
    }
    assert_eq!(peer.ask("x").await["code"], "rate_limited");
}

#[tokio::test(start_paused = true)]
async fn section_4_6_a_spray_of_addresses_costs_no_memory() {
    let house = House::open(|config| {
        let limit = TokenBucket::per_hour(number(1));
        let room = NonZeroUsize::new(64).expect("not zero");
        config.policy.limits.connects = Some(KeyedLimiter::new(limit, room).into());
    });
    for n in 0..300 {
        let peer = format!("10.0.{}.{}", n / 250, n % 250);
        assert_eq!(house.refuse_from(&peer, "/ws?token=x", &[]).await.status, 401);
    }
    let stats = house.handler.policy().limits.connects.as_ref().expect("limited").stats();
    assert!(stats.keys <= 64, "{stats:?}");
    assert_eq!(stats.evicted, 300 - stats.keys as u64);
}

#[tokio::test(start_paused = true)]
async fn section_4_6_the_wait_that_is_told_is_the_wait_that_suffices() {
    // Every 60 ms, and every 8.57.
    for per_minute in [1000, 7000] {
        let house = House::open(messages(1, per_minute));
        let mut peer = house.visit("ada").await;
        assert_eq!(peer.ask("x").await["type"], "response");
        for _ in 0..5 {
            let told = peer.ask("x").await["retryAfterMs"].as_u64().expect("a number");
            let before = Instant::now();
            peer.quiet_for(Duration::from_millis(told)).await;
            assert_eq!(before.elapsed().as_millis() as u64, told);
            assert_eq!(peer.ask("x").await["type"], "response");
        }
    }
}
