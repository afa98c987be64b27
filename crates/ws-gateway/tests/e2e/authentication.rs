//! DESIGN §4.5 and §4.9 from outside: variables decide who comes in. (Each rule by itself is told in
//! the tests of `ws-handler`.)

use std::time::Duration;

use http::{HeaderValue, header};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tungstenite::client::IntoClientRequest;
use ws_auth::TokenRequest;
use ws_gateway::{
    Gateway,
    config::{self, Command, load},
};
use ws_transport::Connector;

use crate::{
    client::Client,
    exchange::{fetch, upgrade},
    house::{House, configured},
};

#[tokio::test]
async fn section_4_5_every_place_for_a_token_works_with_our_client() {
    let house =
        House::open(&[("AUTH_COOKIE", "session"), ("ALLOWED_ORIGINS", "https://app.example")]);
    let token = house.token("ada");
    let value = |text: String| HeaderValue::try_from(text).expect("a value");
    let in_header =
        Connector::new().with_header(header::AUTHORIZATION, value(format!("Bearer {token}")));
    let in_subprotocol =
        Connector::new().with_protocols(["ws-gateway.v1".to_owned(), format!("bearer.{token}")]);
    let in_cookie = Connector::new()
        .with_header(header::COOKIE, value(format!("session={token}")))
        .with_header(header::ORIGIN, value("https://app.example".to_owned()));
    let in_query = (Connector::new(), format!("/ws?token={token}"));
    let elsewhere = [in_header, in_subprotocol, in_cookie].map(|it| (it, "/ws".to_owned()));
    for (connector, target) in elsewhere.into_iter().chain([in_query]) {
        let mut client = Client::connect_with(&connector, house.address, &target).await;
        assert_eq!(client.next().await["userId"], "ada");
        client.leave().await;
    }
    let mut by_message = Client::connect(house.address, "/ws").await;
    assert_eq!(by_message.next().await["userId"], json!(null));
    by_message.send(json!({ "token": token, "sessionId": "s" })).await;
    assert_eq!(by_message.next().await["type"], "authenticated");
}

#[tokio::test]
async fn section_4_5_a_client_of_tungstenites_offers_its_token_as_a_browser_does() {
    let house = House::open(&[]);
    let mut request =
        format!("ws://{}/ws", house.address).into_client_request().expect("an address");
    let offer = format!("ws-gateway.v1, bearer.{}", house.token("ada"));
    request
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::try_from(offer).expect("a value"));
    let (_stream, response) = connect_async(request).await.expect("upgraded");
    assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "ws-gateway.v1");
}

#[tokio::test]
async fn section_4_5_auth_mode_and_auth_timeout_are_what_the_variables_say() {
    let strict = House::open(&[("AUTH_MODE", "upgrade")]);
    let refused = fetch(strict.address, upgrade("/ws", "")).await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("unauthorized")));
    strict.visit("ada").await;

    let hasty = House::open(&[("AUTH_TIMEOUT", "100ms")]);
    let mut client = Client::connect(hasty.address, "/ws").await;
    assert_eq!(client.next().await["type"], "connected");
    assert_eq!(client.next().await["code"], "auth_timeout");
    assert_eq!(client.closed().await, (1008, "Authentication timeout".to_owned()));

    let narrow = House::open(&[("AUTH_PENDING_MAX", "1")]);
    let _waiting = Client::connect(narrow.address, "/ws").await;
    assert_eq!(fetch(narrow.address, upgrade("/ws", "")).await.status, 503);
}

#[tokio::test]
async fn section_4_5_auth_mode_none_needs_no_keys_and_serves_anybody() {
    let house = House::open(&[("AUTH_MODE", "none"), ("JWT_SECRET_KEY", "")]);
    let mut client = Client::connect(house.address, "/ws").await;
    assert_eq!(client.next().await["type"], "connected");
    assert_eq!(client.ask(json!("hello")).await["payload"], "hello");
}

#[tokio::test]
async fn section_4_5_issuer_and_audience_are_those_of_the_variables() {
    let house = House::open(&[
        ("JWT_ISSUER", "https://a.example, https://b.example"),
        ("JWT_AUDIENCE", "us"),
    ]);
    let token = |iss: &str, aud: &str| {
        house.mint(&TokenRequest::new("ada").claim("iss", iss).claim("aud", aud))
    };
    for (iss, aud, expect) in [
        ("https://a.example", "us", 101),
        ("https://b.example", "us", 101),
        ("https://c.example", "us", 401),
        ("https://a.example", "them", 401),
    ] {
        let target = format!("/ws?token={}", token(iss, aud));
        assert_eq!(fetch(house.address, upgrade(&target, "")).await.status, expect, "{iss} {aud}");
    }
    let neither = format!("/ws?token={}", house.token("ada"));
    assert_eq!(fetch(house.address, upgrade(&neither, "")).await.status, 401);
}

#[tokio::test]
async fn section_4_5_a_token_expires_on_the_clock_of_the_system_with_the_leeway_of_the_variable() {
    let house = House::open(&[("JWT_LEEWAY", "0")]);
    let request = TokenRequest::new("ada").ttl(Duration::from_secs(2));
    let token = house.mint(&request);
    let mut client = Client::connect(house.address, &format!("/ws?token={token}")).await;
    assert_eq!(client.next().await["type"], "connected");
    assert_eq!(client.next().await["type"], "token_expiring");
    assert_eq!(client.next().await["code"], "token_expired");
    assert_eq!(client.closed().await, (3000, "Token expired".to_owned()));
    let late = fetch(house.address, upgrade(&format!("/ws?token={token}"), "")).await;
    assert_eq!((late.status, &late.json()["error"]), (401, &json!("Token expired")));
}

#[tokio::test]
async fn section_4_5_origins_are_those_of_the_variable_and_no_browser_is_asked_for_none() {
    let house = House::open(&[("ALLOWED_ORIGINS", "https://app.example, http://localhost:3000")]);
    for (origin, expect) in [
        ("https://app.example", 101),
        ("HTTPS://APP.example:443", 101),
        ("http://localhost:3000", 101),
        ("http://localhost:3001", 403),
        ("https://app.example.evil", 403),
        ("null", 403),
    ] {
        let request = upgrade("/ws", &format!("Origin: {origin}\r\n"));
        assert_eq!(fetch(house.address, request).await.status, expect, "{origin}");
    }
    assert_eq!(fetch(house.address, upgrade("/ws", "")).await.status, 101);
    assert_eq!(house.rejected("origin_not_allowed"), 3);
}

#[tokio::test]
async fn section_4_9_dev_makes_a_secret_of_its_own_and_a_token_that_works() {
    let arguments = ["ws-gateway", "--dev", "--websocket-port", "0"].map(Into::into);
    let command = load(arguments, [], |_| Ok(String::new())).expect("sound");
    let Command::Serve(loaded) = command else { panic!("no command means to serve") };
    let gateway = Gateway::start(loaded.config).expect("a free port");
    let printed = gateway.dev_address().expect("an address to try");
    tokio::spawn(gateway.run_until(std::future::pending()));
    let uri = printed.parse().expect("an address");
    let mut client = Client { stream: Connector::new().connect(uri).await.expect("upgraded") };
    assert_eq!(client.next().await["userId"], "dev-user");
    assert_eq!(client.ask(json!({ "a": 1 })).await["payload"], json!({ "a": 1 }));
}

#[tokio::test]
async fn section_4_9_two_dev_gateways_do_not_accept_each_others_tokens() {
    let without_secret = || {
        let mut config = config::Config { dev: true, ..configured(&[], "") };
        config.auth.secret = None;
        Gateway::start(config).expect("a free port")
    };
    let (one, other) = (without_secret(), without_secret());
    let printed = one.dev_address().expect("an address to try");
    let (_, token) = printed.split_once("token=").expect("with a token");
    let target = format!("/ws?token={token}");
    let address = other.address();
    tokio::spawn(other.run_until(std::future::pending()));
    assert_eq!(fetch(address, upgrade(&target, "")).await.status, 401);
}

#[tokio::test]
async fn section_4_9_where_the_operator_has_a_secret_dev_signs_with_that_and_makes_none_up() {
    let house = House::open(&[]);
    let config = config::Config { dev: true, ..configured(&[], "") };
    let gateway = Gateway::start(config).expect("a free port");
    let printed = gateway.dev_address().expect("an address to try");
    let (_, token) = printed.split_once("token=").expect("with a token");
    let target = format!("/ws?token={token}");
    assert_eq!(fetch(house.address, upgrade(&target, "")).await.status, 101);
    let plain = configured(&[], "");
    assert!(Gateway::start(plain).expect("a free port").dev_address().is_none());
}

#[tokio::test]
async fn section_4_9_a_gateway_without_keys_does_not_start_whoever_composes_it() {
    let mut config = configured(&[], "");
    config.auth.secret = None;
    let error = Gateway::start(config).expect_err("nobody could be let in").to_string();
    assert!(error.contains("no issuer is configured"), "{error}");
}
