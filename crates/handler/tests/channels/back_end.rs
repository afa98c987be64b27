//! What an application or a back-end does with channels and users.

use std::slice::from_ref;

use serde_json::{Value, json};
use ws_close_manager::SendableCode;
use ws_handler::Publish;

use crate::{
    house::{House, settle},
    talk::{
        NOTHING, SECOND, bulletin, error, house_with, join, joined, left, name, raw_json, rule,
        say, subscribe, subscribed, unsubscribe, unsubscribed,
    },
};

#[tokio::test(start_paused = true)]
async fn a_back_end_publishes_whatever_the_rules_say_to_clients() {
    let house = house_with(&[rule("news", "subscribe"), rule("user:{user_id}:*", "subscribe")]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("news").await;
    bob.enter("news").await;
    ada.enter("user:ada:mail").await;
    let data = raw_json(&json!({ "n": 1 }));
    let sent = |channel: &str, from: Option<&str>| {
        let (channel, event) = (name(channel), Some("fresh"));
        let event_id = None;
        house.handler.publish(&Publish { channel: &channel, event, data: &data, event_id, from })
    };
    assert_eq!(sent("news", None).receivers, 2);
    assert_eq!(sent("user:ada:mail", Some("the house")).receivers, 1);
    assert_eq!(sent("nowhere", None).receivers, 0);
    let news =
        json!({ "type": "message", "channel": "news", "event": "fresh", "data": { "n": 1 } });
    let mail = json!({
        "type": "message", "channel": "user:ada:mail", "event": "fresh", "data": { "n": 1 },
        "from": "the house",
    });
    assert_eq!(ada.heard().await, [news.clone(), mail]);
    assert_eq!(bob.heard().await, [news]);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_all_who_were_let_in_and_nobody_who_has_not_said_who_it_is() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut again] = house.visit_all(["ada", "bob", "bob"]).await;
    let mut stranger = house.stand_in_line().await;
    let data = raw_json(&json!("soon"));
    assert_eq!(house.handler.broadcast(Some("maintenance"), &data), 3);
    let told = json!({ "type": "message", "event": "maintenance", "data": "soon" });
    for peer in [&mut ada, &mut bob, &mut again] {
        assert_eq!(peer.heard().await, from_ref(&told));
    }
    assert_eq!(stranger.heard().await, NOTHING);
    stranger.send(json!({ "token": house.token("eve") })).await;
    assert_eq!(stranger.next().await["type"], "authenticated");
    assert_eq!(house.handler.broadcast(None, &data), 4);
    assert_eq!(stranger.heard().await, [json!({ "type": "message", "data": "soon" })]);
}

#[tokio::test(start_paused = true)]
async fn a_message_to_a_user_reaches_its_connections_alone() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut again] = house.visit_all(["ada", "bob", "bob"]).await;
    let data = raw_json(&json!([1]));
    assert_eq!(house.handler.send_to_user("bob", Some("bill"), &data), 2);
    assert_eq!(house.handler.send_to_user("nobody", None, &data), 0);
    let told = json!({ "type": "message", "event": "bill", "data": [1] });
    assert_eq!(bob.heard().await, from_ref(&told));
    assert_eq!(again.heard().await, [told]);
    assert_eq!(ada.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_disconnected_loses_all_its_connections_and_hears_nothing_more() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut again] = house.visit_all(["ada", "bob", "bob"]).await;
    for peer in [&mut ada, &mut bob, &mut again] {
        peer.say(join("r")).await;
    }
    ada.heard().await;
    bob.heard().await;
    let code = SendableCode::POLICY;
    assert_eq!(house.handler.disconnect_user("bob", code, "Not welcome"), 2);
    assert_eq!(house.handler.disconnect_user("nobody", code, "Not welcome"), 0);
    house.bulletin("room:r", "secret");
    assert_eq!(house.handler.send_to_user("bob", None, &raw_json(&json!(1))), 0);
    for mut peer in [bob, again] {
        assert_eq!(peer.closed().await, (1008, "Not welcome".to_owned()));
    }
    settle().await;
    assert_eq!(house.handler.connection_count(), 1);
    tokio::time::sleep(16 * SECOND).await;
    let heard = ada.heard().await;
    assert_eq!(heard, [bulletin("room:r", "secret"), left("r", "bob")]);
}

#[tokio::test(start_paused = true)]
async fn channels_and_who_is_in_them_are_listed() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    for channel in ["b:2", "a", "b:1"] {
        ada.enter(channel).await;
    }
    let watch = json!({ "type": "subscribe", "channel": "b:1", "presence": true });
    bob.say(watch).await;
    let listed = |prefix: &str, max| -> Vec<(String, usize)> {
        let channels = house.handler.channels(prefix, max).into_iter();
        channels.map(|it| (it.name.to_string(), it.subscribers)).collect()
    };
    let expect = [("a", 1), ("b:1", 2), ("b:2", 1)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(listed("", 10), expect, "in order, and none that is our own");
    assert_eq!(listed("b:", 10), expect[1..]);
    assert_eq!(listed("", 2), expect[..2]);
    assert_eq!(listed("$", 10), []);
    let client = house.handler.connections_by_user_id("bob").remove(0);
    assert_eq!(house.handler.subscriptions_of(&client), [name("b:1")]);
    let subscribers: Vec<_> =
        house.handler.subscribers("b:1").iter().map(|it| it.user_id()).collect();
    assert_eq!(subscribers.len(), 2);
    assert!(house.handler.subscribers("nowhere").is_empty());
    let presence = house.handler.presence("b:1", 1);
    assert_eq!((presence.count, presence.users.len()), (2, 1));
    assert_eq!(house.handler.presence("nowhere", 9).count, 0);
}

#[tokio::test(start_paused = true)]
async fn an_application_puts_a_client_into_a_channel_that_the_rules_close_to_it() {
    let house = house_with(&[rule("open", "subscribe publish presence")]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let client = house.handler.connections_by_user_id("ada").remove(0);
    client.subscribe(&name("closed"));
    client.subscribe(&name("open"));
    assert_eq!(ada.heard().await, [subscribed("closed"), subscribed("open")]);
    house.bulletin("closed", 1);
    assert_eq!(ada.heard().await, [bulletin("closed", 1)]);
    // To publish there is for the rules to allow.
    let why = "closed: no rule allows this channel";
    assert_eq!(ada.say(crate::talk::publish("closed", 1)).await, [error("forbidden", why)]);
    client.unsubscribe(&name("closed"));
    client.unsubscribe(&name("never-there"));
    house.bulletin("closed", 2);
    let heard = ada.heard().await;
    assert_eq!(heard.last(), Some(&unsubscribed("closed")), "the last word on it");
    assert_eq!(house.bulletin("closed", 3).receivers, 0);
    assert_eq!(ada.heard().await, NOTHING);
    // The client may leave what it was put into.
    client.subscribe(&name("closed"));
    settle().await;
    ada.heard().await;
    assert_eq!(ada.say(unsubscribe("closed")).await, [unsubscribed("closed")]);
    assert_eq!(bob.say(subscribe("closed")).await[0]["code"], "forbidden");
}

#[tokio::test(start_paused = true)]
async fn an_order_to_be_in_a_room_is_told_to_the_room() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(join("r")).await;
    let client = house.handler.connections_by_user_id("bob").remove(0);
    client.subscribe(&name("room:r"));
    assert_eq!(bob.heard().await, [subscribed("room:r")]);
    assert_eq!(ada.heard().await, [joined("r", "bob")]);
    assert_eq!(bob.say(say("r", "hi")).await.len(), 1);
    ada.heard().await;
    client.unsubscribe(&name("room:r"));
    assert_eq!(ada.heard().await, [left("r", "bob")]);
    assert_eq!(bob.heard().await, [unsubscribed("room:r")]);
}

#[tokio::test(start_paused = true)]
async fn an_order_for_a_stranger_waits_until_it_has_said_who_it_is() {
    let house = House::open(|_| {});
    let mut stranger = house.stand_in_line().await;
    let client = house.handler.connections().remove(0);
    client.subscribe(&name("news"));
    settle().await;
    assert_eq!(house.bulletin("news", "secret").receivers, 0);
    stranger.send(json!({ "token": house.token("eve") })).await;
    assert_eq!(stranger.next().await["type"], "authenticated");
    assert_eq!(stranger.heard().await, [subscribed("news")]);
    let none: [Value; 0] = [];
    assert_eq!(house.bulletin("news", 1).receivers, 1);
    assert_eq!(stranger.heard().await, [bulletin("news", 1)]);
    assert_eq!(stranger.heard().await, none);
}
