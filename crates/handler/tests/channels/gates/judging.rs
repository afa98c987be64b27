//! What is asked, and what a refusal keeps out.

use serde_json::json;

use super::{as_it_says, house_kept_by};
use crate::talk::{
    NOTHING, SECOND, acked, bulletin, compiled, error, join, joined, message, name, publish, rule,
    said, say, subscribe, subscribed, with_id,
};

#[tokio::test(start_paused = true)]
async fn each_question_is_asked_once_and_only_of_what_rules_allow() {
    let (house, asked) = house_kept_by(
        |config| {
            config.policy.rules = compiled(&[
                rule("orders", "subscribe publish"),
                rule("room:*", "subscribe publish"),
                rule("closed", ""),
            ]);
        },
        as_it_says,
    );
    let mut ada = house.visit("ada").await;
    ada.enter("orders").await;
    // Who is in it already is not asked about again.
    ada.enter("orders").await;
    ada.say(subscribe("closed")).await;
    ada.say(publish("closed", 1)).await;
    let mut deed = publish("orders", 2);
    deed["event"] = "done".into();
    assert_eq!(ada.say(deed).await.len(), 1);
    ada.say(join("r")).await;
    ada.say(say("r", "hi")).await;
    ada.say(say("elsewhere", "hi")).await;
    ada.say(json!({ "type": "typing", "payload": { "room_id": "r" } })).await;
    ada.say(json!({ "type": "auth", "token": house.token("ada") })).await;
    // Nor what the server does by itself.
    house.bulletin("orders", 3);
    let client = house.handler.connections().remove(0);
    client.subscribe(&name("orders"));
    client.subscribe(&name("closed"));
    ada.heard().await;
    let expect = [
        "connect ada",
        "subscribe ada orders",
        "publish ada orders done 2",
        "subscribe ada room:r",
        "publish ada room:r room_message \"hi\"",
    ];
    assert_eq!(*asked.lock(), expect);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_a_channel_is_told_why_and_hears_nothing_of_it() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let mut ada = house.visit("ada").await;
    for channel in ["now-no", "later-no", "room:later-no"] {
        ada.send(with_id(subscribe(channel), 1)).await;
        if channel != "now-no" {
            assert_eq!(house.bulletin(channel, "secret").receivers, 0);
            ada.quiet_for(SECOND * 9 / 10).await;
        }
        let why = format!("{channel}: Not on Sundays");
        assert_eq!(crate::talk::undated(ada.next().await), with_id(error("forbidden", &why), 1));
        assert_eq!(house.bulletin(channel, "secret").receivers, 0);
        assert_eq!(ada.heard().await, NOTHING);
    }
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_publish_reaches_nobody_and_a_later_one_when_the_verdict_is_there() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("orders").await;
    bob.say(join("r")).await;
    ada.say(join("r")).await;
    bob.heard().await;
    let refusal = |channel| with_id(error("forbidden", &format!("{channel}: Not on Sundays")), 1);
    let answer = ada.say(with_id(publish("orders", "now-no"), 1)).await;
    assert_eq!(answer, [refusal("orders")]);
    for (request, channel) in
        [(publish("orders", "later-no"), "orders"), (say("r", "later-no"), "room:r")]
    {
        ada.send(with_id(request, 1)).await;
        ada.quiet_for(SECOND / 2).await;
        assert_eq!(crate::talk::undated(ada.next().await), refusal(channel));
        assert_eq!(bob.heard().await, NOTHING);
    }
    for (request, told) in [
        (publish("orders", "later-yes"), message("orders", "ada", "later-yes")),
        (say("r", "later-yes"), said("r", "ada", "later-yes")),
    ] {
        ada.send(with_id(request, 2)).await;
        assert_eq!(bob.heard().await, NOTHING);
        assert_eq!(crate::talk::undated(ada.next().await), acked(2));
        assert_eq!(bob.heard().await, [told]);
        ada.heard().await;
    }
    assert_eq!(house.tallied("published"), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_judges_may_fail_and_nobody_gets_in_by_that() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let mut ada = house.visit("ada").await;
    ada.send(with_id(subscribe("panic"), 1)).await;
    let answer = ada.next().await;
    assert_eq!((&answer["code"], &answer["id"]), (&json!("internal"), &json!(1)));
    ada.send(with_id(subscribe("out-of-reach"), 2)).await;
    let answer = ada.next().await;
    assert_eq!((&answer["code"], &answer["id"]), (&json!("hook_unavailable"), &json!(2)));
    ada.send(with_id(publish("orders", "panic"), 3)).await;
    assert_eq!(ada.next().await["code"], "internal");
    for channel in ["panic", "out-of-reach"] {
        assert_eq!(house.bulletin(channel, "secret").receivers, 0);
    }
    assert_eq!(ada.heard().await, NOTHING);
    // It goes on as before.
    ada.enter("orders").await;
    house.bulletin("orders", 1);
    assert_eq!(ada.heard().await, [bulletin("orders", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_two_publish_while_both_are_judged_is_delivered_once() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    eve.enter("orders").await;
    let mut request = with_id(publish("orders", "later-yes"), 1);
    request["eventId"] = "e".into();
    ada.send(request.clone()).await;
    bob.send(request).await;
    assert_eq!(crate::talk::undated(ada.next().await), acked(1));
    assert_eq!(crate::talk::undated(bob.next().await), acked(1));
    assert_eq!(eve.heard().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn channels_that_are_asked_for_with_the_token_are_judged_one_after_the_other() {
    let (house, asked) = house_kept_by(|_| {}, as_it_says);
    let mut ada = house.stand_in_line().await;
    let channels = ["later-yes:1", "later-no", "now-no", "orders", "later-yes:2"];
    ada.send(json!({ "token": house.token("ada"), "channels": channels })).await;
    ada.send(with_id(publish("later-yes:2", "mine"), 1)).await;
    assert_eq!(ada.next().await["type"], "authenticated");
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(crate::talk::undated(ada.next().await));
    }
    assert_eq!(asked.lock().len(), 6, "whether it may connect, and all five; the publish waits");
    heard.push(crate::talk::undated(ada.next().await));
    let expect = [
        subscribed("later-yes:1"),
        error("forbidden", "later-no: Not on Sundays"),
        error("forbidden", "now-no: Not on Sundays"),
        subscribed("orders"),
        subscribed("later-yes:2"),
    ];
    assert_eq!(heard, expect);
    tokio::time::sleep(SECOND * 11 / 10).await;
    let heard = ada.heard().await;
    assert!(heard.contains(&acked(1)), "{heard:?}");
    assert!(heard.contains(&message("later-yes:2", "ada", "mine")), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_judged_later_is_told_when_the_verdict_is_there() {
    let (house, _) = house_kept_by(|_| {}, as_it_says);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    for peer in [&mut ada, &mut bob] {
        peer.send(with_id(join("later-yes"), 1)).await;
    }
    assert_eq!(ada.next().await["type"], "user_joined");
    assert_eq!(crate::talk::undated(ada.next().await), joined("later-yes", "bob"));
    assert_eq!(bob.heard().await, [with_id(joined("later-yes", "bob"), 1)]);
}
