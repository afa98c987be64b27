//! DESIGN §6: what back-ends may look at over HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{client::Client, house::House};

fn texts<'v>(list: &'v Value, field: &str) -> Vec<&'v str> {
    let all = list.as_array().expect("a list").iter();
    all.map(|one| one[field].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn section_6_channels_are_listed_by_their_beginning_with_their_subscribers() {
    let house = House::with_api(&[]);
    let [mut ada, mut bob] = [house.visit("ada").await, house.visit("bob").await];
    for channel in ["chat:b", "chat:a", "orders"] {
        ada.subscribe(channel).await;
    }
    bob.subscribe("chat:b").await;
    bob.send(json!({ "type": "subscribe", "channel": "orders", "presence": true })).await;
    assert_eq!(bob.next().await["type"], "subscribed");
    let all = json!({ "channels": [
        { "channel": "chat:a", "subscribers": 1 },
        { "channel": "chat:b", "subscribers": 2 },
        { "channel": "orders", "subscribers": 2 },
    ], "next": null });
    assert_eq!(house.look("/api/channels").await.json(), all);
    let names = async |query: &str| {
        let listed = house.look(&format!("/api/channels{query}")).await.json();
        texts(&listed["channels"], "channel").join(" ")
    };
    assert_eq!(names("?prefix=chat%3A").await, "chat:a chat:b");
    assert_eq!(names("?prefix=chat:&limit=1").await, "chat:a");
    let page = house.look("/api/channels?prefix=chat:&limit=1").await.json();
    assert_eq!(page["next"], "chat:a");
    assert_eq!(names("?prefix=chat:&limit=1&after=chat:a").await, "chat:b");
    assert_eq!(names("?after=chat:b").await, "orders");
    assert_eq!(names("?after=orders").await, "");
    assert_eq!(names("?prefix=none").await, "");
    // What the gateway keeps for itself is in no list.
    assert_eq!(names("?prefix=$").await, "");
    ada.leave().await;
    house.until("she is gone", |house| house.handler.connection_count() == 1).await;
    assert_eq!(names("?prefix=chat:a").await, "");
}

#[tokio::test]
async fn section_6_presence_counts_users_and_names_as_many_as_are_asked_for() {
    let house = House::with_api(&[]);
    let mut clients = Vec::new();
    for user in ["ada", "ada", "bob", "eve"] {
        let mut client = house.visit(user).await;
        client.send(json!({ "type": "join_room", "payload": { "room_id": "a/b" } })).await;
        assert_eq!(client.next().await["type"], "user_joined");
        clients.push(client);
    }
    let path = "/api/channels/room:a%2Fb/presence";
    let answer = house.look(path).await.json();
    assert_eq!((&answer["channel"], &answer["count"]), (&json!("room:a/b"), &json!(3)));
    let users: BTreeSet<_> = answer["users"]
        .as_array()
        .expect("a list")
        .iter()
        .collect::<Vec<_>>()
        .into_iter()
        .map(|user| user.as_str().expect("a name"))
        .collect();
    assert_eq!(users, BTreeSet::from(["ada", "bob", "eve"]));
    let two = house.look(&format!("{path}?users=2")).await.json();
    assert_eq!((&two["count"], two["users"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    let none = house.look(&format!("{path}?users=0")).await.json();
    assert_eq!((&none["count"], &none["users"]), (&json!(3), &json!([])));
    let empty = house.look("/api/channels/nothing/presence").await.json();
    assert_eq!(empty, json!({ "channel": "nothing", "count": 0, "users": [] }));
}

#[tokio::test]
async fn section_6_connections_are_listed_page_by_page() {
    let house = House::with_api(&[("MAX_CONNECTIONS_PER_USER", "0")]);
    let mut clients = Vec::new();
    for n in 0..23 {
        clients.push(house.visit(if n % 2 == 0 { "ada" } else { "bob" }).await);
    }
    for (filter, expect) in
        [("", 23_usize), ("&user=ada", 12), ("&user=bob", 11), ("&user=nobody", 0)]
    {
        let (mut seen, mut after, mut pages) = (BTreeSet::new(), String::new(), 0);
        loop {
            let page = house.look(&format!("/api/connections?limit=5{filter}{after}")).await.json();
            let ids = texts(&page["connections"], "id");
            assert!(ids.len() <= 5);
            assert!(ids.iter().all(|id| seen.insert((*id).to_owned())), "one comes twice");
            pages += 1;
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!((seen.len(), pages), (expect, expect.div_ceil(5).max(1)), "{filter}");
    }
    let all = house.look("/api/connections").await.json();
    assert_eq!(
        (all["connections"].as_array().map(Vec::len), &all["next"]),
        (Some(23), &json!(null))
    );
}

#[tokio::test]
async fn section_6_a_connection_shows_who_and_where_it_is_and_what_it_is_subscribed_to() {
    let house = House::with_api(&[("PING_INTERVAL", "60"), ("PONG_TIMEOUT", "5s")]);
    let mut ada = house.visit("ada").await;
    ada.subscribe("orders").await;
    ada.subscribe("chat:1").await;
    let reading = tokio::spawn(async move { ada.next_message().await });
    house.until("a ping was answered", |house| house.handler.stats().round_trips.count > 0).await;
    let listed = house.look("/api/connections?user=ada").await.json();
    let shown = &listed["connections"][0];
    let client = &house.handler.connections_by_user_id("ada")[0];
    let (latency, id) = (shown["latencyMs"].as_f64().expect("measured"), client.id());
    assert!(latency > 0.0 && latency < 5000.0, "{latency}");
    let expect = json!({
        "id": id.to_string(), "userId": "ada", "address": "127.0.0.1",
        "connectedAt": client.connected_at_ms(), "healthy": true, "closing": false,
        "latencyMs": shown["latencyMs"],
    });
    assert_eq!(shown, &expect);
    let one = house.look(&format!("/api/connections/{id}")).await.json();
    assert_eq!(one["channels"], json!(["chat:1", "orders"]));
    assert_eq!((&one["id"], &one["userId"]), (&expect["id"], &expect["userId"]));
    reading.abort();

    let mut stranger = Client::connect(house.address, "/ws").await;
    let named = stranger.next().await["clientId"].as_str().expect("an id").to_owned();
    let one = house.look(&format!("/api/connections/{named}")).await.json();
    let known = [&one["userId"], &one["channels"], &one["latencyMs"]];
    assert_eq!(known, [&json!(null), &json!([]), &json!(null)]);
    stranger.leave().await;
    house.until("it is gone", |house| house.handler.connection_count() <= 1).await;
    let gone = house.look(&format!("/api/connections/{named}")).await;
    assert_eq!((gone.status, &gone.json()["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn a_parameter_that_is_none_is_told_by_its_name() {
    let house = House::with_api(&[]);
    for (target, sentence) in [
        ("/api/channels?limit=1001", "limit: a number up to 1000 is expected"),
        ("/api/channels?limit=-1", "limit: a number"),
        ("/api/channels?limit=many", "limit: a number"),
        ("/api/channels?limit=", "limit: a number"),
        ("/api/connections?limit=1e3", "limit: a number"),
        ("/api/connections?after=x", "after: a connection's id is expected"),
        ("/api/connections/x", "the connection's id: a connection's id is expected"),
        ("/api/channels/a/presence?users=10001", "users: a number up to 10000"),
        ("/api/channels/a%20b/presence", "the channel's name: a channel's name must not"),
        ("/api/channels/%ff/presence", "the channel's name: UTF-8"),
        ("/api/channels/$presence:a/presence", "the channel's name: what begins with $"),
    ] {
        let response = house.look(target).await;
        assert_eq!((response.status, &response.json()["code"]), (422, &json!("invalid_field")));
        let error = response.json()["error"].as_str().expect("a sentence").to_owned();
        assert!(error.starts_with(sentence), "{target}: {error}");
    }
}
