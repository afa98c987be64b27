//! What the path of a URL says about a connection.

use serde_json::{Value, json};

use crate::{
    client::Client,
    exchange::{Exchange, fetch, upgrade},
    house::House,
};

async fn visit(house: &House, path: &str, user: &str) -> Client {
    Client::connect(house.address, &format!("{path}?token={}", house.token(user))).await
}

#[tokio::test]
async fn section_6_the_default_types_are_served_limited_owned_and_subscribed() {
    let house = House::open(&[]);
    let mut first = visit(&house, "/ws/chat/abc", "ada").await;
    assert_eq!(first.next().await["type"], "connected");
    let subscribed = first.next().await;
    assert_eq!(
        (&subscribed["type"], &subscribed["channel"]),
        (&"subscribed".into(), &"chat:abc".into())
    );

    let mut second = visit(&house, "/ws/chat/abc", "bob").await;
    assert_eq!(second.next().await["code"], "too_many_connections");
    assert_eq!(second.closed().await, (1008, "Too many connections".to_owned()));
    let mut elsewhere = visit(&house, "/ws/chat/xyz", "bob").await;
    assert_eq!(elsewhere.next().await["type"], "connected");

    let mut stranger = visit(&house, "/ws/notifications/ada", "bob").await;
    assert_eq!(stranger.next().await["code"], "forbidden");
    assert_eq!(stranger.closed().await.0, 1008);
    let mut owner = visit(&house, "/ws/notifications/ada", "ada").await;
    assert_eq!(owner.next().await["type"], "connected");
    assert_eq!(owner.next().await["channel"], "notifications:ada");
}

#[tokio::test]
async fn section_6_types_of_the_file_replace_those_of_the_default_table() {
    let file = r#"
        [[connection_types]]
        path = "/live/{id}"
        max = 1
        per = "id"
        on_limit = "close-oldest"
    "#;
    let house = House::open_with_file(&[], file);
    let mut first = visit(&house, "/live/7", "ada").await;
    assert_eq!(first.next().await["type"], "connected");
    let mut second = visit(&house, "/live/7", "ada").await;
    assert_eq!(second.next().await["type"], "connected");
    assert_eq!(first.closed().await, (1008, "Replaced by another connection".to_owned()));
    for path in ["/ws/chat/abc", "/live", "/live/", "/live/7/8"] {
        assert_eq!(fetch(house.address, upgrade(path, "")).await.status, 404, "{path}");
    }
    let plain = fetch(house.address, "GET /live/7 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((plain.status, &plain.json()["code"]), (426, &json!("upgrade_required")));
}

#[tokio::test]
async fn a_typed_path_takes_an_upgrade_on_a_connection_that_carried_http_before() {
    let house = House::open(&[]);
    let mut exchange = Exchange::open(house.address).await;
    exchange.send("GET /ws/chat/abc HTTP/1.1\r\nHost: g\r\n\r\n").await;
    let plain = exchange.response().await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
    let target = format!("/ws/chat/abc?token={}", house.token("ada"));
    exchange.send(upgrade(&target, "")).await;
    assert_eq!(exchange.response().await.status, 101);
    let mut heard = Vec::new();
    for _ in 0..2 {
        let (_, text) = exchange.frame().await;
        let message: Value = serde_json::from_slice(&text).expect("JSON");
        heard.push((message["type"].clone(), message["channel"].clone()));
    }
    let expect = [(json!("connected"), json!(null)), (json!("subscribed"), json!("chat:abc"))];
    assert_eq!(heard, expect);
}

#[tokio::test]
async fn a_value_in_a_path_is_decoded_and_one_that_no_channel_can_have_is_told() {
    let house = House::open(&[]);
    let mut client = visit(&house, "/ws/chat/a%2Fb%3f", "ada").await;
    assert_eq!(client.next().await["type"], "connected");
    assert_eq!(client.next().await["channel"], "chat:a/b?");
    for value in ["a%20b", "%ff", "%zz", "*", &"x".repeat(201)] {
        let mut client = visit(&house, &format!("/ws/chat/{value}"), "ada").await;
        let error = client.next().await;
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!("invalid_field")),
            "{value}"
        );
        assert_eq!(client.closed().await.0, 1008);
    }
}

#[tokio::test]
async fn section_6_an_empty_array_of_types_means_none() {
    let house = House::open_with_file(&[], "connection_types = []");
    assert_eq!(fetch(house.address, upgrade("/ws/chat/abc", "")).await.status, 404);
}

#[tokio::test]
async fn section_6_a_channel_of_a_type_that_the_rules_deny_closes_the_connection() {
    let house = House::open_with_file(&[], "[[channels]]\npattern = \"news\"\nsubscribe = true\n");
    let mut client = visit(&house, "/ws/chat/abc", "ada").await;
    assert_eq!(client.next().await["code"], "forbidden");
    assert_eq!(client.closed().await.0, 1008);
}
