//! Rooms.

use serde_json::json;
use ws_client::{News, Room};

use crate::house::{LONG, Visit, connected};

async fn join(client: &ws_client::Client, visit: &mut Visit, fields: serde_json::Value) -> Room {
    let client = client.clone();
    let joining = tokio::spawn(async move { client.join_room("lobby").await.unwrap() });
    let asked = visit.grants(fields).await;
    assert_eq!(asked["channel"], "room:lobby");
    joining.await.unwrap()
}

async fn said(room: &mut Room) -> String {
    match tokio::time::timeout(LONG, room.next()).await.unwrap() {
        Some(News::Message(message)) => message.json().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_is_rejoined_and_misses_no_message() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut room = join(&client, &mut visit, json!({"epoch": "e", "offset": 0})).await;
    let says = |offset: u64, text: &str| json!({"type": "room_message", "from": "bob", "room_id": "lobby", "message": text, "offset": offset});
    visit.says(says(1, "one")).await;
    assert_eq!(said(&mut room).await, "one");
    drop(visit);
    let mut visit = house.greet().await;
    let asked = visit.grants(json!({"epoch": "e", "offset": 2, "recovered": true})).await;
    assert_eq!(asked["since"]["offset"], 1);
    visit.says(says(2, "two")).await;
    assert_eq!(said(&mut room).await, "two");
    let saying = tokio::spawn(room.send("three"));
    let heard = visit.acks("room_message", json!({})).await;
    assert_eq!(heard["payload"], json!({"room_id": "lobby", "message": "three"}));
    saying.await.unwrap().unwrap();
    room.leave();
    assert_eq!(visit.hears_type("unsubscribe").await["channel"], "room:lobby");
}

#[tokio::test(start_paused = true)]
async fn who_joins_leaves_and_types_in_a_room_is_told() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut room = join(&client, &mut visit, json!({})).await;
    for kind in ["user_joined", "typing", "user_left"] {
        visit.says(json!({"type": kind, "user_id": "bob", "room_id": "lobby"})).await;
        visit.says(json!({"type": kind, "user_id": "eve", "room_id": "elsewhere"})).await;
    }
    visit.says(json!({"type": "presence", "channel": "room:lobby", "count": 60, "joined": ["x"], "left": []})).await;
    let news = [room.next().await, room.next().await, room.next().await, room.next().await];
    let [
        Some(News::Joined(a)),
        Some(News::Typing(b)),
        Some(News::Left(c)),
        Some(News::Presence(_)),
    ] = news
    else {
        panic!("{news:?}")
    };
    assert_eq!((&*a, &*b, &*c), ("bob", "bob", "bob"));
}

#[tokio::test(start_paused = true)]
async fn typing_is_not_kept() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let room = join(&client, &mut visit, json!({})).await;
    room.typing();
    assert_eq!(visit.hears_type("typing").await["payload"]["room_id"], "lobby");
    drop(visit);
    client.states().wait_for(|it| *it == ws_client::State::Reconnecting).await.unwrap();
    room.typing();
    let mut visit = house.greet().await;
    visit.grants(json!({})).await;
    assert!(visit.hears_within(std::time::Duration::from_secs(20)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_left_right_before_the_close_is_told() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let room = join(&client, &mut visit, json!({})).await;
    room.leave();
    let closing = tokio::spawn(async move { client.close().await });
    visit.hears_type("unsubscribe").await;
    assert_eq!(visit.hears_close().await, 1000);
    closing.await.unwrap();
}
