//! Into channels and out of them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::{
    house::{House, Peer},
    talk::{
        NOTHING, bulletin, error, house_with, message, publish, rule, subscribe, subscribed,
        undated, unsubscribe, unsubscribed, with_id,
    },
};

#[tokio::test(start_paused = true)]
async fn a_subscription_is_answered_and_brings_what_is_published_from_then_on() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    assert_eq!(bob.say(publish("orders", "before")).await, NOTHING);
    let answer = ada.say(with_id(subscribe("orders"), "s-1")).await;
    assert_eq!(answer, [with_id(subscribed("orders"), "s-1")]);
    assert_eq!(bob.say(publish("orders", json!({ "n": 1 }))).await, NOTHING);
    assert_eq!(ada.heard().await, [message("orders", "bob", json!({ "n": 1 }))]);
    assert_eq!(bob.say(publish("others", 2)).await, NOTHING);
    assert_eq!(ada.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn who_subscribes_twice_is_answered_twice_and_sent_everything_once() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    for id in 1..=3 {
        let answer = ada.say(with_id(subscribe("orders"), id)).await;
        assert_eq!(answer, [with_id(subscribed("orders"), id)]);
    }
    house.bulletin("orders", "news");
    assert_eq!(ada.heard().await, [bulletin("orders", "news")]);
    assert_eq!(house.holds(), [1, 1, 1, 1, 0, 0]);
    // And leaves once.
    assert_eq!(ada.say(unsubscribe("orders")).await, [unsubscribed("orders")]);
    assert_eq!(house.holds()[2], 0);
}

#[tokio::test(start_paused = true)]
async fn a_denied_subscription_names_the_rule_and_brings_nothing() {
    let house = house_with(&[
        rule("reports", "publish presence"),
        rule("reports:*", "publish"),
        rule("open", "subscribe"),
    ]);
    let mut ada = house.visit("ada").await;
    for (channel, why) in [
        ("reports", "reports: subscribe is not allowed by the rule reports"),
        ("reports:july", "reports:july: subscribe is not allowed by the rule reports:*"),
        ("elsewhere", "elsewhere: no rule allows this channel"),
        ("user:ada:mail", "user:ada:mail: the channel's prefix is reserved"),
        ("$stats", "$stats: the channel's prefix is reserved"),
        ("$presence:open", "$presence:open: the channel's prefix is reserved"),
        ("room:1", "room:1: no rule allows this channel"),
    ] {
        let answer = ada.say(with_id(subscribe(channel), 7)).await;
        assert_eq!(answer, [with_id(error("forbidden", why), 7)]);
        assert_eq!(house.bulletin(channel, "secret").receivers, 0);
        assert_eq!(ada.heard().await, NOTHING, "{channel}");
    }
    assert_eq!(house.holds(), [0; 6]);
    assert_eq!(house.tallied("denied"), 7);
}

#[tokio::test(start_paused = true)]
async fn without_rules_all_but_reserved_channels_are_open() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    ada.enter("anything:at/all").await;
    for channel in ["user:ada", "$anything"] {
        let why = format!("{channel}: the channel's prefix is reserved");
        assert_eq!(ada.say(subscribe(channel)).await, [error("forbidden", &why)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_none_is_refused_by_all_that_take_a_name() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let alphabet = "visible ASCII without \" \\ < > * { }";
    let long = "x".repeat(201);
    for (channel, why) in [
        ("", "a channel's name must not be empty".to_owned()),
        ("a b", format!("a channel's name must not contain ' ' (at byte 1): {alphabet}")),
        ("chat:*", format!("a channel's name must not contain '*' (at byte 5): {alphabet}")),
        ("küche", format!("a channel's name must not contain 'ü' (at byte 1): {alphabet}")),
        (&long, "a channel's name may have 200 bytes, not 201".to_owned()),
    ] {
        for request in [
            subscribe(channel),
            publish(channel, 1),
            json!({ "type": "presence", "channel": channel }),
        ] {
            let answer = ada.say(with_id(request.clone(), 1)).await;
            assert_eq!(answer, [with_id(error("invalid_field", &why), 1)], "{request}");
        }
        // To leave it is always possible.
        assert_eq!(ada.say(unsubscribe(channel)).await, [unsubscribed(channel)]);
    }
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_what_it_missed_is_told_that_it_cannot_be_had() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let since = json!({ "epoch": "1", "offset": 17 });
    let wish = json!({ "type": "subscribe", "channel": "orders", "since": since, "id": 1 });
    let answer = json!({ "type": "subscribed", "channel": "orders", "recovered": false, "id": 1 });
    assert_eq!(ada.say(wish).await, [answer]);
    house.bulletin("orders", "news");
    assert_eq!(ada.heard().await, [bulletin("orders", "news")]);
}

#[tokio::test(start_paused = true)]
async fn leaving_is_answered_whether_one_was_there_or_not_and_ends_the_messages() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("orders").await;
    bob.enter("orders").await;
    for id in 1..=2 {
        let answer = ada.say(with_id(unsubscribe("orders"), id)).await;
        assert_eq!(answer, [with_id(unsubscribed("orders"), id)]);
        house.bulletin("orders", id);
        assert_eq!(ada.heard().await, NOTHING);
        assert_eq!(bob.heard().await, [bulletin("orders", id)]);
    }
    // A channel that is nobody's to name is nobody's to leave.
    let watch = json!({ "type": "subscribe", "channel": "orders", "presence": true });
    assert_eq!(bob.say(watch).await, [subscribed("orders")]);
    bob.say(unsubscribe("$presence:orders")).await;
    ada.enter("orders").await;
    assert_eq!(bob.heard().await.len(), 1, "it is told of ada all the same");
}

#[tokio::test(start_paused = true)]
async fn subscribe_publish_and_unsubscribe_of_one_write_are_worked_off_in_their_order() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    for request in [
        publish("orders", 0),
        subscribe("orders"),
        publish("orders", 1),
        publish("orders", 2),
        unsubscribe("orders"),
        publish("orders", 3),
    ] {
        ada.feed(&request).await;
    }
    let heard = ada.heard().await;
    let expect = [
        subscribed("orders"),
        message("orders", "ada", 1),
        message("orders", "ada", 2),
        unsubscribed("orders"),
    ];
    assert_eq!(heard, expect);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_channel_comes_behind_unsubscribed_while_others_flood_it() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    for round in 0..50 {
        ada.enter("orders").await;
        for n in 0..20 {
            bob.feed(&publish("orders", n)).await;
        }
        bob.flush().await;
        // Both are on their way at once; who comes first changes from round to round.
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
        ada.send(unsubscribe("orders")).await;
        assert_eq!(bob.heard().await, NOTHING);
        let heard = ada.heard().await;
        let at = heard.iter().position(|it| *it == unsubscribed("orders")).expect("answered");
        assert_eq!(heard.len(), at + 1, "round {round}: {heard:?}");
        let expect: Vec<Value> = (0..at).map(|n| message("orders", "bob", n)).collect();
        assert_eq!(heard[..at], expect, "round {round}");
    }
}

/// On real threads: publishers never rest while a client comes and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nothing_of_a_channel_comes_behind_unsubscribed_on_several_threads() {
    let house = Arc::new(House::open(|config| {
        config.policy.rules = crate::talk::compiled(&[ws_channels::RuleSpec {
            slow_consumer: ws_channels::SlowConsumer::DropOldest,
            ..rule("*", "subscribe publish")
        }]);
    }));
    let over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (0..2)
        .map(|_| {
            let (house, over) = (house.clone(), over.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    house.bulletin("orders", "news");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut ada = house.visit("ada").await;
    let mut messages = 0;
    for _ in 0..200 {
        // What comes behind the last `unsubscribed` would stand before this answer.
        assert_eq!(undated(ada_after(&mut ada, subscribe("orders")).await), subscribed("orders"));
        ada.send(unsubscribe("orders")).await;
        loop {
            match undated(ada.next().await) {
                answer if answer == unsubscribed("orders") => break,
                news => assert!(news["type"] == "message" || news["type"] == "gap", "{news}"),
            }
            messages += 1;
        }
    }
    over.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.await.expect("floods on");
    }
    assert!(messages > 0, "a flood without a drop");
}

async fn ada_after(ada: &mut Peer, request: Value) -> Value {
    ada.send(request).await;
    ada.next().await
}
