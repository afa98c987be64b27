//! What the variables on heartbeat, idling, sizes and compression do on the wire.

use serde_json::json;
use tokio::time::Instant;
use tungstenite::Message;
use ws_compression::{CompressionConfig, CompressionManager};
use ws_transport::Connector;

use crate::{
    client::Client,
    exchange::{Exchange, fetch, upgrade},
    house::House,
};

async fn silent(house: &House) -> Exchange {
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(upgrade(&format!("/ws?token={}", house.token("ada")), "")).await;
    assert_eq!(exchange.response().await.status, 101);
    assert_eq!(exchange.frame().await.0, 0x81, "the greeting");
    exchange
}

fn close(code: u16, reason: &str) -> (u8, Vec<u8>) {
    (0x88, [&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

#[tokio::test]
async fn section_4_1_a_silent_client_is_pinged_and_closed_with_1001_at_the_end_of_its_chances() {
    let variables = [("PING_INTERVAL", "200"), ("PONG_TIMEOUT", "100"), ("MAX_MISSED_PONGS", "2")];
    let house = House::open(&variables);
    let mut mute = silent(&house).await;
    let started = Instant::now();
    assert_eq!(mute.frame().await.0, 0x89);
    assert_eq!(mute.frame().await.0, 0x89);
    assert_eq!(mute.frame().await, close(1001, "Connection timeout"));
    let took = started.elapsed().as_millis();
    assert!((250..2000).contains(&took), "{took} ms for 200 + 2 x 100");
    assert!(mute.is_over().await);
    house.emptied().await;
    assert_eq!(house.ended("pong_timeout"), 1);
    assert_eq!(house.handler.stats().pings, 2);
}

#[tokio::test]
async fn section_4_2_json_ping_goes_out_beside_the_control_ping_and_its_pong_is_welcome() {
    let house = House::open(&[("PING_INTERVAL", "100"), ("JSON_PING", "on")]);
    let mut client = house.visit("ada").await;
    for _ in 0..3 {
        assert_eq!(client.next().await["type"], "ping");
        client.send(json!({ "type": "pong" })).await;
    }
    assert_eq!(house.handler.connection_count(), 1);
}

#[tokio::test]
async fn section_4_3_idle_timeout_ends_with_1001() {
    let house = House::open(&[("IDLE_TIMEOUT", "150"), ("PING_INTERVAL", "40")]);
    let mut client = house.visit("ada").await;
    assert_eq!(client.closed().await, (1001, "Idle timeout".to_owned()));
    house.emptied().await;
    assert_eq!(house.ended("idle"), 1);
}

#[tokio::test]
async fn section_4_4_a_message_above_max_frame_size_is_1009_and_a_counted_violation() {
    let house = House::open(&[("MAX_FRAME_SIZE", "2KiB")]);
    let mut client = house.visit("ada").await;
    let fits = "x".repeat(1900);
    assert_eq!(client.ask(json!(fits)).await["payload"], fits);
    client.send_message(Message::text("x".repeat(2049))).await;
    assert_eq!(client.closed().await, (1009, "Message too large".to_owned()));
    // In fragments it is no smaller, and nobody else suffers.
    let mut other = house.visit("bob").await;
    let mut mute = silent(&house).await;
    for first in [0x01, 0x00] {
        let mut fragment = vec![first, 0x80 | 126];
        fragment.extend_from_slice(&1025u16.to_be_bytes());
        fragment.extend_from_slice(&[0; 4]);
        fragment.extend_from_slice(&[b'x'; 1025]);
        mute.send(fragment).await;
    }
    assert_eq!(mute.frame().await, close(1009, "Message too large"));
    assert_eq!(other.ask(json!("unharmed")).await["payload"], "unharmed");
    let stats = crate::exchange::get(house.address, "/stats").await.json();
    assert_eq!(stats["frame_sizes"]["violations"], 2);
    drop((mute, client));
    house.until("both have ended", |house| house.ended("too_large") == 2).await;
}

#[tokio::test]
async fn section_4_4_what_inflates_beyond_max_frame_size_is_1009_too() {
    let house = House::open(&[("MAX_FRAME_SIZE", "64KiB")]);
    let mut client = house.visit("ada").await;
    client.send_message(Message::text("x".repeat(10 * 1024 * 1024))).await;
    assert_eq!(client.closed().await, (1009, "Message too large".to_owned()));
    assert_eq!(house.handler.config().validator.stats().violations, 1);
}

#[tokio::test]
async fn requirement_6_4_compression_is_negotiated_and_used_on_the_wire() {
    let house = House::open(&[]);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(upgrade(&format!("/ws?token={}", house.token("ada")), offer)).await;
    let response = exchange.response().await;
    let accepted = response.header("sec-websocket-extensions").expect("accepted");
    assert!(accepted.starts_with("permessage-deflate"), "{accepted}");
    assert!(accepted.contains("server_no_context_takeover"), "{accepted}");
    assert_eq!(exchange.frame().await.0, 0x81, "the greeting is small and goes out plain");
    let client = house.handler.connections().remove(0);
    client.send_text(&"compressible ".repeat(500)).expect("there is room");
    let (first, payload) = exchange.frame().await;
    assert_eq!(first, 0xc1, "RSV1 says that it is compressed");
    assert!(payload.len() < 200, "{} bytes of 6500", payload.len());
    client.send_text("short").expect("there is room");
    assert_eq!(exchange.frame().await, (0x81, b"short".to_vec()));

    let mut both = house.visit("bob").await;
    let text = "both ways ".repeat(1000);
    assert_eq!(both.ask(json!(text)).await["payload"], text);
    let stats = house.handler.config().compression.stats();
    assert_eq!((stats.compressed_messages, stats.inflated_messages), (2, 1));
}

#[tokio::test]
async fn requirement_6_4_compression_is_left_out_when_it_is_not_offered_or_switched_off() {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let house = House::open(&[]);
    assert_eq!(
        fetch(house.address, upgrade("/ws", "")).await.header("sec-websocket-extensions"),
        None
    );
    let unknown =
        "Sec-WebSocket-Extensions: x-webkit-deflate-frame, permessage-deflate; what=1\r\n";
    let response = fetch(house.address, upgrade("/ws", unknown)).await;
    assert_eq!((response.status, response.header("sec-websocket-extensions")), (101, None));
    let off = House::open(&[("COMPRESSION_ENABLED", "false")]);
    let response = fetch(off.address, upgrade("/ws", offer)).await;
    assert_eq!((response.status, response.header("sec-websocket-extensions")), (101, None));
    let plain = Connector::new().with_compression(CompressionManager::new(
        CompressionConfig::default().with_enabled(false),
    ));
    let target = format!("/ws?token={}", house.token("ada"));
    let mut client = Client::connect_with(&plain, house.address, &target).await;
    assert_eq!(client.next().await["type"], "connected");
    let text = "x".repeat(5000);
    assert_eq!(client.ask(json!(text)).await["payload"], text);
    assert_eq!(house.handler.config().compression.stats().compressed_messages, 0);
}

#[tokio::test]
async fn requirement_6_4_level_and_threshold_are_those_of_the_variables() {
    let house = House::open(&[("COMPRESSION_THRESHOLD", "0"), ("COMPRESSION_LEVEL", "1")]);
    let mut client = house.visit("ada").await;
    assert_eq!(client.ask(json!("a".repeat(100))).await["type"], "response");
    assert_eq!(house.handler.config().compression.stats().compressed_messages, 1);
    let stored = House::open(&[("COMPRESSION_LEVEL", "0")]);
    let mut client = stored.visit("ada").await;
    assert_eq!(client.ask(json!("a".repeat(5000))).await["type"], "response");
    let stats = stored.handler.config().compression.stats();
    assert_eq!((stats.compressed_messages, stats.inflated_messages), (0, 1));
}

#[tokio::test]
async fn requirement_6_3_a_ping_is_answered_at_once_with_its_payload() {
    let house = House::open(&[]);
    let mut exchange = silent(&house).await;
    let started = Instant::now();
    exchange.send([0x89, 0x84, 0, 0, 0, 0, 1, 2, 3, 4]).await;
    assert_eq!(exchange.frame().await, (0x8a, vec![1, 2, 3, 4]));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
