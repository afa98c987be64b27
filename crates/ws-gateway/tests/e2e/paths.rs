//! Which paths take upgrades, and which ones only look like it.

use crate::{
    exchange::{Exchange, fetch, upgrade},
    house::House,
};

async fn status(house: &House, target: &str) -> u16 {
    fetch(house.address, upgrade(target, "")).await.status
}

#[tokio::test]
async fn section_6_upgrades_are_taken_at_the_path_and_at_the_root_whatever_the_query() {
    let house = House::open(&[]);
    for target in
        ["/ws", "/", "/ws?", "/ws?x", "/?x=/nowhere", "/ws?x=%00", "http://gateway.test/ws"]
    {
        assert_eq!(status(&house, target).await, 101, "{target}");
    }
}

#[tokio::test]
async fn section_6_a_path_that_only_resembles_it_is_not_it() {
    let house = House::open(&[]);
    for target in [
        "/ws/", "//ws", "/WS", "/%77s", "/ws/..", "/x/../ws", "/./ws", "/ws;x", "/ws%3Fx", "/wsx",
        "//", "/health",
    ] {
        let response = fetch(house.address, upgrade(target, "")).await;
        let expect = if target == "/health" { 200 } else { 404 };
        assert_eq!(response.status, expect, "{target}");
    }
    assert_eq!(house.handler.connection_count(), 0);
}

#[tokio::test]
async fn section_6_the_path_is_the_configured_one() {
    let house = House::open(&[("WEBSOCKET_PATH", "/chat/socket")]);
    assert_eq!(status(&house, "/chat/socket?x").await, 101);
    assert_eq!(status(&house, "/").await, 101);
    assert_eq!(status(&house, "/ws").await, 404);
    let sentence = fetch(house.address, upgrade("/ws", "")).await.json()["error"].to_string();
    assert!(sentence.contains("/chat/socket"), "{sentence}");
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_told_why() {
    let house = House::open(&[]);
    let good = upgrade("/ws", "");
    for (from, to, expect) in [
        ("GET ", "POST ", 405),
        ("HTTP/1.1", "HTTP/1.0", 505),
        ("Host: gateway.test\r\n", "", 400),
        ("Host: gateway.test\r\n", "Host: a\r\nHost: b\r\n", 400),
        ("Connection: Upgrade\r\n", "", 400),
        ("Connection: Upgrade\r\n", "Connection: keep-alive\r\n", 400),
        ("Version: 13", "Version: 8", 426),
        ("Version: 13", "Version: 13, 8", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "not base64, and not short", 400),
        ("Sec-WebSocket-Key: dGhl", "X: dGhl", 400),
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n", 426),
        ("Upgrade: websocket\r\n", "", 426),
    ] {
        assert!(good.contains(from));
        let response = fetch(house.address, good.replacen(from, to, 1)).await;
        assert_eq!(response.status, expect, "{from} -> {to}");
        assert!(!response.json()["error"].as_str().expect("a sentence").is_empty());
    }
    let version = fetch(house.address, good.replace("Version: 13", "Version: 8")).await;
    assert_eq!(version.header("sec-websocket-version"), Some("13"));
    assert_eq!(house.rejected("handshake"), 12);
}

#[tokio::test]
async fn headers_in_any_case_and_in_several_lines_are_understood() {
    let house = House::open(&[]);
    let request = upgrade("/ws", "")
        .replace("Upgrade: websocket", "uPGRADE: h2c, WebSocket")
        .replace("Connection: Upgrade", "CONNECTION: keep-alive\r\nconnection: x, uPgRaDe")
        .replace("Sec-WebSocket-Version", "sec-websocket-VERSION");
    let mut exchange = Exchange::open(house.address).await;
    exchange.send(request).await;
    assert_eq!(exchange.response().await.status, 101);
}
