//! Nobody is told twice, and nobody is told too early.

use std::slice::from_ref;

use serde_json::json;
use ws_auth::TokenRequest;

use crate::{
    house::House,
    talk::{NOTHING, SECOND, join, message, name, publish},
};

#[tokio::test(start_paused = true)]
async fn who_watches_a_large_room_in_which_it_is_is_told_once() {
    let house = House::open(|config| config.channels.presence.batch_above = 2);
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    ada.say(json!({ "type": "subscribe", "channel": "room:r", "presence": true })).await;
    bob.say(join("r")).await;
    ada.heard().await;
    bob.heard().await;
    eve.say(join("r")).await;
    tokio::time::sleep(SECOND).await;
    let told = json!({
        "type": "presence", "channel": "room:r", "count": 3, "joined": ["eve"], "left": [],
    });
    for peer in [&mut ada, &mut bob, &mut eve] {
        assert_eq!(peer.heard().await, from_ref(&told));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_without_presence_ends_the_watch_of_a_channel_that_was_ordered() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let client = house.handler.connections_by_user_id("ada").remove(0);
    client.subscribe(&name("orders"));
    ada.heard().await;
    ada.say(json!({ "type": "subscribe", "channel": "orders", "presence": true })).await;
    let narrow = TokenRequest::new("ada").claim("permissions", json!(["write"]));
    let auth = json!({ "type": "auth", "token": house.mint(&narrow) });
    assert_eq!(ada.say(auth).await[0]["type"], "authenticated");
    bob.enter("orders").await;
    assert_eq!(ada.heard().await, NOTHING, "it is in the channel, and may not know who is");
    assert_eq!(house.bulletin("orders", 1).receivers, 2);
}

#[tokio::test(start_paused = true)]
async fn what_follows_from_a_request_comes_behind_what_was_published_before_it() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let desk = house.handler.application();
    assert!(desk.press.set(house.handler.clone()).is_ok());
    bob.enter("orders").await;
    ada.feed(&publish("orders", "before")).await;
    ada.feed(&json!({ "type": "request", "requestId": 1, "payload": "publish" })).await;
    ada.feed(&publish("orders", "behind")).await;
    ada.heard().await;
    let told = |data: &str| message("orders", "ada", data);
    assert_eq!(bob.heard().await, [told("before"), told("publish"), told("behind")]);
}
