//! Rules that say something else of what is kept, while somebody is there.

use std::sync::Arc;

use serde_json::{Value, json};
use ws_channels::RuleSpec;

use crate::{
    house::House,
    story::{SIZE, keeping, since},
    talk::{compiled, publish, rule, subscribe, with_id},
};

fn change(house: &House, rules: &[RuleSpec]) {
    let mut policy = house.handler.policy().clone();
    policy.rules = compiled(rules);
    house.handler.set_policy(policy);
}

fn open() -> RuleSpec {
    rule("*", "subscribe publish presence")
}

fn house(rules: &[RuleSpec]) -> House {
    let rules: Arc<_> = compiled(rules);
    House::open(|config| config.policy.rules = rules)
}

async fn say(house: &House, text: &str) -> Value {
    let mut speaker = house.visit("speaker").await;
    speaker.send(with_id(publish("news", json!(text)), 1)).await;
    speaker.next().await
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_from_now_on_reaches_who_is_there_and_who_comes_back() {
    let house = house(&[open()]);
    let mut ada = house.visit("ada").await;
    ada.send(subscribe("news")).await;
    assert_eq!(ada.next().await["epoch"], json!(null));
    assert_eq!(say(&house, "not kept").await["offset"], json!(null));
    assert_eq!(ada.next().await["data"], "not kept");

    change(&house, &[keeping("news", SIZE), open()]);
    let acked = say(&house, "kept").await;
    assert_eq!((&acked["type"], acked["offset"].is_null()), (&json!("ack"), false));
    let heard = ada.next().await;
    assert_eq!((&heard["data"], &heard["offset"]), (&json!("kept"), &acked["offset"]));

    let mut bob = house.visit("bob").await;
    let place = bob.follow("news").await;
    say(&house, "missed").await;
    assert_eq!(ada.next().await["data"], "missed");
    let mut back = house.visit("bob").await;
    back.send(since("news", &place)).await;
    assert_eq!(back.next().await["recovered"], true);
    assert_eq!(back.next().await["data"], "missed");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_any_more_is_said_and_nobody_is_promised_it() {
    let house = house(&[keeping("news", SIZE), open()]);
    let mut ada = house.visit("ada").await;
    let place = ada.follow("news").await;
    change(&house, &[open()]);
    let gap = ada.next().await;
    assert_eq!((&gap["type"], &gap["channel"]), (&json!("gap"), &json!("news")));
    assert_eq!(say(&house, "not kept").await["offset"], json!(null));
    assert_eq!(ada.next().await["data"], "not kept");

    let mut back = house.visit("bob").await;
    back.send(since("news", &place)).await;
    let answer = back.next().await;
    assert_eq!((&answer["type"], &answer["recovered"]), (&json!("subscribed"), &json!(false)));
    assert_eq!(answer["epoch"], json!(null));
    // And back again: from a new place on.
    change(&house, &[keeping("news", SIZE), open()]);
    say(&house, "kept again").await;
    assert_eq!(ada.next().await["data"], "kept again");
    assert_eq!(back.next().await["data"], "kept again");
}

#[tokio::test(start_paused = true)]
async fn who_was_present_by_rules_of_before_is_gone_when_it_leaves() {
    let house = house(&[open()]);
    let mut ada = house.visit("ada").await;
    ada.send(subscribe("news")).await;
    ada.next().await;
    assert_eq!(house.handler.presence("news", 10).count, 1);
    change(&house, &[rule("*", "subscribe publish")]);
    ada.send(json!({ "type": "unsubscribe", "channel": "news" })).await;
    assert_eq!(ada.next().await["type"], "unsubscribed");
    assert_eq!(house.handler.presence("news", 10).count, 0);

    // The other way round it counts from the next time on, and leaves nobody behind.
    ada.send(subscribe("news")).await;
    ada.next().await;
    change(&house, &[open()]);
    assert_eq!(house.handler.presence("news", 10).count, 0);
    for (message, there) in [("unsubscribe", 0), ("subscribe", 1), ("unsubscribe", 0)] {
        ada.send(json!({ "type": message, "channel": "news" })).await;
        ada.next().await;
        assert_eq!(house.handler.presence("news", 10).count, there, "{message}");
    }
}
