//! Who is there: asked, and told to those who want to know.

use serde_json::{Value, json};

use crate::{
    house::House,
    talk::{
        NOTHING, SECOND, error, house_with, join, joined, rule, subscribe, subscribed, unsubscribe,
        unsubscribed, with_id,
    },
};

fn watch(channel: &str) -> Value {
    json!({ "type": "subscribe", "channel": channel, "presence": true })
}

fn ask(channel: &str) -> Value {
    json!({ "type": "presence", "channel": channel })
}

fn change(channel: &str, count: u64, joined: &[&str], left: &[&str]) -> Value {
    json!({
        "type": "presence", "channel": channel, "count": count, "joined": joined, "left": left,
    })
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_be_told_of_presence_is_told_who_comes_and_who_goes() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut again, mut eve] =
        house.visit_all(["ada", "bob", "bob", "eve"]).await;
    eve.enter("orders").await;
    let heard = ada.say(with_id(watch("orders"), 1)).await;
    assert_eq!(heard[0], with_id(subscribed("orders"), 1));
    assert!(heard[1..].iter().all(|it| *it == change("orders", 2, &["ada"], &[])), "{heard:?}");
    bob.enter("orders").await;
    again.enter("orders").await;
    assert_eq!(ada.heard().await, [change("orders", 3, &["bob"], &[])]);
    bob.say(unsubscribe("orders")).await;
    assert_eq!(ada.heard().await, NOTHING, "bob is there with another connection");
    again.say(unsubscribe("orders")).await;
    assert_eq!(ada.heard().await, [change("orders", 2, &[], &["bob"])]);
    assert_eq!(eve.heard().await, NOTHING, "it has not asked");
    // Nobody is told of other channels.
    bob.enter("others").await;
    assert_eq!(ada.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn who_is_lost_is_told_after_its_grace_to_those_who_watch() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(watch("orders")).await;
    bob.enter("orders").await;
    ada.heard().await;
    bob.vanish().await;
    tokio::time::sleep(14 * SECOND).await;
    assert_eq!(ada.heard().await, NOTHING);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(ada.heard().await, [change("orders", 1, &[], &["bob"])]);
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_be_told_may_come_later_twice_and_ends_with_the_subscription() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("orders").await;
    for _ in 0..2 {
        assert_eq!(ada.say(watch("orders")).await, [subscribed("orders")]);
    }
    assert_eq!(house.holds()[2], 2, "a wish is a subscription");
    bob.enter("orders").await;
    assert_eq!(ada.heard().await, [change("orders", 2, &["bob"], &[])]);
    assert_eq!(ada.say(unsubscribe("orders")).await, [unsubscribed("orders")]);
    bob.say(unsubscribe("orders")).await;
    bob.enter("orders").await;
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(house.holds(), [1, 1, 1, 1, 0, 0]);
    // Coming back without the wish is without it.
    ada.enter("orders").await;
    bob.say(unsubscribe("orders")).await;
    assert_eq!(ada.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_know_who_is_there_is_neither_told_nor_subscribed() {
    let house = house_with(&[rule("orders", "subscribe publish"), rule("seen", "presence")]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let why = "orders: presence is not allowed by the rule orders";
    for request in [watch("orders"), ask("orders")] {
        let answer = ada.say(with_id(request, 1)).await;
        assert_eq!(answer, [with_id(error("forbidden", why), 1)]);
    }
    bob.enter("orders").await;
    house.bulletin("orders", "secret");
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(house.holds(), [1, 0, 1, 0, 0, 0], "nobody is counted where nobody may ask");
    let why = "seen: subscribe is not allowed by the rule seen";
    assert_eq!(ada.say(watch("seen")).await, [error("forbidden", why)]);
    let nobody = json!({ "type": "presence", "channel": "seen", "count": 0, "users": [] });
    assert_eq!(ada.say(ask("seen")).await, [nobody]);
    let why = "$presence:seen: the channel's prefix is reserved";
    assert_eq!(ada.say(ask("$presence:seen")).await, [error("forbidden", why)]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_told_how_many_there_are_and_of_few_who_they_are() {
    let house = House::open(|config| config.policy.presence_users_max = 2);
    let [mut ada, mut again, mut bob, mut eve] =
        house.visit_all(["ada", "ada", "bob", "eve"]).await;
    assert_eq!(eve.say(ask("orders")).await[0]["count"], 0);
    for peer in [&mut ada, &mut again, &mut bob] {
        peer.enter("orders").await;
    }
    let mut answer = eve.say(with_id(ask("orders"), 1)).await;
    let users = answer[0]["users"].as_array_mut().expect("users");
    users.sort_by_key(ToString::to_string);
    let expect = json!({
        "type": "presence", "channel": "orders", "count": 2, "users": ["ada", "bob"], "id": 1,
    });
    assert_eq!(answer, [expect]);
    eve.enter("orders").await;
    let many = json!({ "type": "presence", "channel": "orders", "count": 3 });
    assert_eq!(ada.say(ask("orders")).await, [many], "too many to be named");
    // An absent one is there until the room is told that it is not.
    eve.vanish().await;
    assert_eq!(ada.say(ask("orders")).await[0]["count"], 3);
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(ada.say(ask("orders")).await[0]["count"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_room_may_be_watched_as_any_channel_beside_what_all_in_it_are_told() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(watch("room:r")).await;
    bob.say(join("r")).await;
    let mut heard = ada.heard().await;
    heard.sort_by_key(|it| it["type"].to_string());
    assert_eq!(heard, [change("room:r", 2, &["bob"], &[]), joined("r", "bob")]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_in_a_channel_of_many_is_told_once_a_second() {
    let house = House::open(|config| config.channels.presence.batch_above = 2);
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    ada.say(watch("orders")).await;
    bob.enter("orders").await;
    ada.heard().await;
    assert_eq!(eve.say(subscribe("orders")).await, [subscribed("orders")]);
    assert_eq!(ada.heard().await, NOTHING);
    tokio::time::sleep(SECOND).await;
    assert_eq!(ada.heard().await, [change("orders", 3, &["eve"], &[])]);
    assert_eq!(eve.heard().await, NOTHING);
}
