//! Events that have names: published twice or by two ways, and delivered once.

use std::num::NonZeroU16;

use serde_json::{Value, json};

use crate::{
    house::House,
    talk::{NOTHING, SECOND, acked, publish, with_id},
};

fn event(channel: &str, event_id: &str, data: impl Into<Value>) -> Value {
    let mut request = publish(channel, data);
    request["eventId"] = event_id.into();
    request
}

/// What subscribers are sent of it.
fn told(channel: &str, from: &str, event_id: &str, data: impl Into<Value>) -> Value {
    let mut message = crate::talk::message(channel, from, data);
    message["eventId"] = event_id.into();
    message
}

fn house_that_remembers(of_each_client: u16, of_all: bool) -> House {
    House::open(|config| {
        config.channels.event_cache = NonZeroU16::new(of_each_client);
        if !of_all {
            config.channels.published = None;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_published_again_is_acknowledged_and_not_delivered_again() {
    for of_each_client in [0, 1000] {
        let house = house_that_remembers(of_each_client, true);
        let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
        eve.enter("orders").await;
        assert_eq!(ada.say(with_id(event("orders", "e", 1), 1)).await, [acked(1)]);
        // Nobody asks who publishes it again.
        assert_eq!(ada.say(with_id(event("orders", "e", 1), 2)).await, [acked(2)]);
        assert_eq!(bob.say(with_id(event("orders", "e", 3), 3)).await, [acked(3)]);
        assert_eq!(eve.heard().await, [told("orders", "ada", "e", 1)]);
        // Another event, and one without a name, are.
        ada.say(event("orders", "f", 4)).await;
        ada.say(publish("orders", 5)).await;
        assert_eq!(eve.heard().await.len(), 2);
        assert_eq!(house.tallied("repeated"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_name_is_no_name_and_swallows_nothing() {
    let house = House::open(|_| {});
    let [mut ada, mut eve] = house.visit_all(["ada", "eve"]).await;
    eve.enter("orders").await;
    for n in 0..3 {
        ada.say(event("orders", "", n)).await;
    }
    assert_eq!(eve.heard().await.len(), 3);
    assert_eq!(house.tallied("repeated"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_one_write_that_comes_twice_is_delivered_once() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("orders").await;
    for n in 0..4 {
        ada.feed(&event("orders", "e", n)).await;
        ada.feed(&publish("orders", n)).await;
    }
    assert_eq!(ada.heard().await, NOTHING);
    let heard: Vec<Value> = bob.heard().await.iter().map(|it| it["data"].clone()).collect();
    assert_eq!(heard, [0, 0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn after_two_minutes_an_event_is_a_new_one_for_those_who_were_not_sent_it() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    bob.enter("orders").await;
    ada.say(event("orders", "e", 1)).await;
    assert_eq!(bob.heard().await, [told("orders", "ada", "e", 1)]);
    eve.enter("orders").await;
    let time = 119 * SECOND;
    tokio::join!(ada.quiet_for(time), bob.quiet_for(time), eve.quiet_for(time));
    ada.say(event("orders", "e", 2)).await;
    assert_eq!(eve.heard().await, NOTHING);
    tokio::time::sleep(2 * SECOND).await;
    ada.say(event("orders", "e", 3)).await;
    assert_eq!(eve.heard().await, [told("orders", "ada", "e", 3)]);
    assert_eq!(bob.heard().await, NOTHING, "who was sent it is not sent it again");
    assert_eq!(house.tallied("already_sent"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_by_two_channels_is_sent_once_to_who_is_in_both() {
    let house = House::open(|_| {});
    let [mut ada, mut both, mut one] = house.visit_all(["ada", "both", "one"]).await;
    for channel in ["orders", "orders:7"] {
        both.enter(channel).await;
    }
    one.enter("orders:7").await;
    ada.say(event("orders", "e", 1)).await;
    ada.say(event("orders:7", "e", 1)).await;
    assert_eq!(both.heard().await, [told("orders", "ada", "e", 1)]);
    assert_eq!(one.heard().await, [told("orders:7", "ada", "e", 1)]);
    // From a back-end as well; and whoever leaves and comes back has still been sent it.
    assert_eq!(house.publish_event("orders", 1, Some("e")).receivers, 1);
    assert_eq!(both.heard().await.len(), 1);
    both.say(crate::talk::unsubscribe("orders")).await;
    both.enter("orders:9").await;
    assert_eq!(house.publish_event("orders:9", 1, Some("e")).receivers, 0);
    assert_eq!(both.heard().await, NOTHING);
    // Another connection of that user has not.
    let mut again = house.visit("both").await;
    again.enter("orders:10").await;
    assert_eq!(house.publish_event("orders:10", 1, Some("e")).receivers, 1);
    assert_eq!(again.heard().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_an_event_that_comes_by_two_channels_is_sent_twice() {
    let house = house_that_remembers(0, true);
    let mut ada = house.visit("ada").await;
    ada.enter("a").await;
    ada.enter("b").await;
    ada.feed(&event("a", "e", 1)).await;
    ada.feed(&event("b", "e", 1)).await;
    let heard = ada.heard().await;
    assert_eq!(heard, [told("a", "ada", "e", 1), told("b", "ada", "e", 1)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_window_only_who_was_sent_an_event_is_not_sent_it_again() {
    let house = house_that_remembers(1000, false);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("a").await;
    assert!(!house.publish_event("a", 1, Some("e")).duplicate);
    bob.enter("a").await;
    let again = house.publish_event("a", 2, Some("e"));
    assert_eq!((again.receivers, again.duplicate), (1, false));
    assert_eq!(ada.heard().await.len(), 1);
    assert_eq!(bob.heard().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_back_end_is_told_that_it_published_an_event_again() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("a").await;
    let first = house.publish_event("a", 1, Some("e"));
    assert_eq!((first.receivers, first.duplicate), (1, false));
    let second = house.publish_event("a", 2, Some("e"));
    assert_eq!((second.receivers, second.duplicate), (0, true));
    let expect = json!({ "type": "message", "channel": "a", "data": 1, "eventId": "e" });
    assert_eq!(ada.heard().await, [expect]);
    assert_eq!(house.handler.channel_stats().remembered_events, 1);
    assert_eq!(bob.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn no_client_uses_up_the_name_of_a_back_ends_event() {
    let house = House::open(|_| {});
    let [mut eve, mut bob] = house.visit_all(["eve", "bob"]).await;
    bob.enter("orders").await;
    // Guessed, and first.
    assert_eq!(eve.say(with_id(event("orders", "order-4711", "mine"), 1)).await, [acked(1)]);
    assert_eq!(bob.heard().await.len(), 1);
    let published = house.publish_event("orders", 1, Some("order-4711"));
    assert_eq!((published.receivers, published.duplicate), (1, false));
    assert_eq!(bob.heard().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_cache_forgets_what_was_neither_sent_nor_offered_for_longest() {
    let house = house_that_remembers(2, false);
    let mut ada = house.visit("ada").await;
    ada.enter("a").await;
    let sends = |event: &str| house.publish_event("a", event, Some(event)).receivers == 1;
    assert!(sends("one") && sends("two"));
    assert!(!sends("one"), "remembered, and used again");
    assert!(sends("three"), "in the place of `two`");
    assert!(!sends("one"));
    assert!(sends("two"), "in the place of `three`");
    assert!(sends("three"));
    let heard: Vec<Value> = ada.heard().await.iter().map(|it| it["data"].clone()).collect();
    assert_eq!(heard, ["one", "two", "three", "two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn a_denied_publish_does_not_use_up_the_name_of_its_event() {
    let house = crate::talk::house_with(&[
        crate::talk::rule("a", "subscribe publish"),
        crate::talk::rule("b", "subscribe"),
    ]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("a").await;
    bob.enter("b").await;
    assert_eq!(ada.say(event("b", "e", 1)).await[0]["code"], "forbidden");
    assert_eq!(house.publish_event("b", 2, Some("e")).receivers, 1);
    assert_eq!(bob.heard().await.len(), 1);
    assert_eq!(house.handler.channel_stats().remembered_events, 1);
}
