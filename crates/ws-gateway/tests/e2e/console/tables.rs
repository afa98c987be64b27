//! The tables: connections, one connection, channels.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{client::Client, house::House};

fn ids(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("a list").iter();
    items.map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

fn names(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().expect("a list").iter();
    items.map(|item| item["name"].as_str().expect("a name")).collect()
}

/// All pages of a question.
async fn all_pages(viewer: &mut Client, question: &Value) -> (Vec<String>, usize) {
    let (mut seen, mut pages, mut question) = (Vec::new(), 0, question.clone());
    loop {
        let answer = viewer.ask_console(question.clone()).await;
        assert_eq!(answer["type"], question["type"], "{answer}");
        let listed = if answer["type"] == "connections" {
            ids(&answer)
        } else {
            names(&answer).into_iter().map(ToOwned::to_owned).collect()
        };
        seen.extend(listed);
        pages += 1;
        if answer["next"].is_null() {
            return (seen, pages);
        }
        question["after"] = answer["next"].clone();
    }
}

#[tokio::test]
async fn connections_come_page_by_page_each_of_them_once() {
    let house = House::with_console(&[("MAX_CONNECTIONS_PER_USER", "0")]);
    let mut clients = Vec::new();
    for n in 0..23 {
        clients.push(house.visit(if n % 2 == 0 { "ada" } else { "bob" }).await);
    }
    let (mut viewer, _) = house.look_in().await;
    for (filter, expect, total) in [
        (json!({}), 23, 23),
        (json!({ "user": "ada" }), 12, 12),
        (json!({ "user": "nobody" }), 0, 0),
        (json!({ "search": "BO" }), 11, 23),
        (json!({ "search": "127.0.0" }), 23, 23),
        // Not `ada`, which may be a part of an id.
        (json!({ "search": "some", "user": "bob" }), 0, 11),
        (json!({ "search": "zz" }), 0, 23),
        (json!({ "search": "", "user": null }), 23, 23),
    ] {
        let mut question = filter.clone();
        question["type"] = "connections".into();
        question["limit"] = 5.into();
        let (seen, pages) = all_pages(&mut viewer, &question).await;
        let once: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), once.len()), (expect, expect), "{filter}");
        assert_eq!(pages, expect.div_ceil(5).max(1), "{filter}");
        assert_eq!(viewer.ask_console(question).await["total"], total, "{filter}");
    }
    let id = house.handler.connections_by_user_id("bob")[0].id().to_string();
    let found = viewer.ask_console(json!({ "type": "connections", "search": id[3..20] })).await;
    assert_eq!(ids(&found), [id]);
}

#[tokio::test]
async fn a_connection_shows_who_it_is_and_what_it_has() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    let mut ada = house.visit("ada").await;
    for channel in ["orders", "chat:1"] {
        ada.subscribe(channel).await;
    }
    let client = house.handler.connections_by_user_id("ada")[0].clone();
    let listed = viewer.ask_console(json!({ "type": "connections" })).await;
    let item = json!({
        "id": client.id().to_string(), "userId": "ada", "address": "127.0.0.1",
        "connectedAt": client.connected_at_ms(), "healthy": true, "closing": false,
        "latencyMs": null,
    });
    assert_eq!(listed["items"], json!([item]));
    let question = json!({ "type": "connection", "connection": client.id().to_string() });
    let shown = viewer.ask_console(question.clone()).await;
    let mut expect = item;
    expect["channels"] = json!(["chat:1", "orders"]);
    expect["channelCount"] = 2.into();
    expect["queuedBytes"] = 0.into();
    assert_eq!(shown, json!({ "type": "connection", "connection": expect }));
    ada.leave().await;
    house.emptied().await;
    let gone = viewer.ask_console(question).await;
    assert_eq!((&gone["type"], &gone["code"]), (&json!("error"), &json!("not_found")));
}

#[tokio::test]
async fn channels_are_found_by_any_part_of_their_names() {
    let house = House::with_console(&[]);
    let (mut viewer, _) = house.look_in().await;
    let [mut ada, mut bob] = [house.visit("ada").await, house.visit("bob").await];
    for channel in ["chat:b", "chat:a", "orders"] {
        ada.subscribe(channel).await;
    }
    bob.subscribe("chat:b").await;
    let all = viewer.ask_console(json!({ "type": "channels" })).await;
    let expect = json!({ "type": "channels", "next": null, "total": 3, "items": [
        { "name": "chat:a", "subscribers": 1 },
        { "name": "chat:b", "subscribers": 2 },
        { "name": "orders", "subscribers": 1 },
    ] });
    assert_eq!(all, expect);
    for (search, expect) in [("t:", "chat:a chat:b"), ("or", "orders"), ("OR", ""), ("$", "")] {
        let found = viewer.ask_console(json!({ "type": "channels", "search": search })).await;
        assert_eq!(names(&found).join(" "), expect, "{search}");
    }
    let question = json!({ "type": "channels", "limit": 2 });
    let (seen, pages) = all_pages(&mut viewer, &question).await;
    assert_eq!((seen.join(" "), pages), ("chat:a chat:b orders".to_owned(), 2));
}

#[tokio::test]
async fn how_connections_of_a_user_ended_is_told_when_none_is_left() {
    let house = House::with_console(&[]);
    house.visit("ada").await.leave().await;
    house.until("it is counted", |it| it.ended("peer_closed") == 1).await;
    let (mut viewer, _) = house.look_in().await;
    let answer = viewer.ask_console(json!({ "type": "ends", "user": "ada" })).await;
    let [end] = &answer["ends"].as_array().expect("a list")[..] else { panic!("{answer}") };
    assert_eq!((&end["reason"], &answer["user"]), (&json!("peer_closed"), &json!("ada")));
    assert!(end["livedMs"].is_u64() && end["endedAt"].is_u64(), "{end}");
    let nobody = viewer.ask_console(json!({ "type": "ends", "user": "bob" })).await;
    assert_eq!(nobody["ends"], json!([]));
    let unsaid = viewer.ask_console(json!({ "type": "ends" })).await;
    assert_eq!(unsaid["code"], "missing_field");
}
