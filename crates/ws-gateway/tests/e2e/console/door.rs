//! Who may look.

use http::{HeaderValue, header};
use serde_json::json;
use std::time::Duration;
use ws_transport::Connector;

use super::{KEY, KEY_ENCODED, PROTOCOLS};
use crate::{
    client::Client,
    exchange::{Exchange, fetch, upgrade},
    house::House,
};

#[tokio::test]
async fn nobody_looks_without_the_key_or_from_a_page_of_another_host() {
    let house = House::with_console(&[]);
    let with_key = format!("{PROTOCOLS}{KEY_ENCODED}\r\n");
    let refused = async |further: &str| house.refused(further).await;
    for none in ["", "Sec-WebSocket-Protocol: ws-gateway.console.v1\r\n"] {
        assert_eq!(refused(none).await, (401, "unauthorized".into()));
    }
    for wrong in [
        "Sec-WebSocket-Protocol: ws-gateway.console.v1, bearer.wrong\r\n",
        "Sec-WebSocket-Protocol: bearer.\r\n",
        "Authorization: Bearer \r\n",
    ] {
        assert_eq!(refused(wrong).await, (401, "unauthorized".into()), "{wrong}");
    }
    for origin in [
        "https://evil.test",
        "http://gateway.test:8080",
        "null",
        "http://gateway.test.evil.test",
        "x",
    ] {
        let further = format!("{with_key}Origin: {origin}\r\n");
        assert_eq!(refused(&further).await, (403, "origin".into()), "{origin}");
    }
    assert_eq!((house.visits("unauthorized"), house.visits("origin")), (5, 5));
    let rejected: u64 = house.handler.stats().rejections.iter().map(|(_, count)| count).sum();
    assert_eq!(rejected, 0, "they were no clients");

    for origin in ["http://gateway.test", "https://GATEWAY.test", "https://gateway.test:443"] {
        let (_kept, response) = house.knock(&format!("{with_key}Origin: {origin}\r\n")).await;
        assert_eq!(response.status, 101, "{origin}: {response:?}");
        assert_eq!(response.header("sec-websocket-protocol"), Some("ws-gateway.console.v1"));
        assert_eq!(response.header("sec-websocket-extensions"), None);
    }
    // Programs send a header, and speak no subprotocol.
    let value = HeaderValue::from_bytes(format!("Bearer {KEY}").as_bytes()).expect("a value");
    let connector = Connector::new().with_header(header::AUTHORIZATION, value);
    let mut viewer = Client::connect_with(&connector, house.address, "/console/ws").await;
    assert_eq!(viewer.next().await["type"], "hello");
    assert_eq!(house.visits("opened"), 4);
}

#[tokio::test]
async fn without_an_upgrade_the_answer_says_whether_the_key_is_right() {
    let house = House::with_console(&[]);
    let ask = async |key: &str| {
        let head =
            format!("GET /console/ws HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {key}\r\n\r\n");
        fetch(house.address, head).await.status
    };
    assert_eq!((ask(KEY).await, ask("wrong").await), (426, 401));
}

#[tokio::test]
async fn whoever_guesses_too_often_is_not_listened_to_for_a_while() {
    let house = House::with_console(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let guess = |key: &str| format!("{PROTOCOLS}{key}\r\nX-Forwarded-For: 203.0.113.9\r\n");
    for n in 0..10 {
        assert_eq!(house.refused(&guess(&format!("guess-{n}"))).await.0, 401);
    }
    // Not even with the right one: what was said of it would be an answer to a guess.
    let (_, limited) = house.knock(&guess(KEY_ENCODED)).await;
    assert_eq!((limited.status, &limited.json()["code"]), (429, &json!("rate_limited")));
    let wait: u64 = limited.header("retry-after").and_then(|it| it.parse().ok()).expect("a number");
    assert!((1..=6).contains(&wait), "{wait}");
    assert_eq!(house.visits("limited"), 1);
    // Others are not concerned, and who has the key does not use it up.
    for _ in 0..12 {
        let elsewhere = format!("{PROTOCOLS}{KEY_ENCODED}\r\nX-Forwarded-For: 203.0.113.10\r\n");
        let (mut viewer, response) = house.knock(&elsewhere).await;
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(viewer.frame().await.0, 0x81);
    }
}

#[tokio::test]
async fn the_console_is_behind_proxies_as_all_the_rest_is() {
    let house =
        House::with_console(&[("PROXY_PROTOCOL", "true"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let mut exchange = Exchange::open(house.address).await;
    let request = upgrade("/console/ws", &format!("{PROTOCOLS}{KEY_ENCODED}\r\n"));
    exchange.send(format!("PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n{request}")).await;
    assert_eq!(exchange.response().await.status, 101);
    let (first, hello) = exchange.frame().await;
    assert_eq!(first, 0x81);
    assert!(String::from_utf8_lossy(&hello).contains("\"hello\""));
}

#[tokio::test]
async fn sixteen_may_look_and_a_place_is_free_again_when_one_goes() {
    let house = House::with_console(&[]);
    let mut viewers = Vec::new();
    for _ in 0..16 {
        viewers.push(house.look_in().await.0);
    }
    let with_key = format!("{PROTOCOLS}{KEY_ENCODED}\r\n");
    assert_eq!(house.refused(&with_key).await, (503, "full".into()));
    // A page that cannot read this asks without an upgrade.
    let head =
        format!("GET /console/ws HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    let asked = fetch(house.address, head).await;
    assert_eq!((asked.status, &asked.json()["code"]), (503, &json!("full")));
    assert_eq!(house.handler.connection_count(), 0, "viewers are no clients");
    viewers.pop().expect("one").leave().await;
    for _ in 0..100 {
        let (mut exchange, response) = house.knock(&with_key).await;
        if response.status == 101 {
            assert_eq!(exchange.frame().await.0, 0x81);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of one who went is not free");
}
