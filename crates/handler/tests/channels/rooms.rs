//! Rooms: who is in them, and what is said there.

use std::slice::from_ref;

use serde_json::json;
use ws_channels::RuleSpec;

use crate::{
    house::House,
    talk::{
        NOTHING, SECOND, acked, error, house_with, join, joined, leave, left, message, publish,
        rule, said, say, subscribe, subscribed, unsubscribe, unsubscribed, with_id,
    },
};

#[tokio::test(start_paused = true)]
async fn who_joins_is_answered_and_the_others_are_told_of_its_first_connection_alone() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut again] = house.visit_all(["ada", "bob", "bob"]).await;
    assert_eq!(ada.say(with_id(join("r"), 1)).await, [with_id(joined("r", "ada"), 1)]);
    assert_eq!(bob.say(join("r")).await, [joined("r", "bob")]);
    assert_eq!(ada.heard().await, [joined("r", "bob")]);
    assert_eq!(again.say(with_id(join("r"), 2)).await, [with_id(joined("r", "bob"), 2)]);
    // Who is in it already is answered, and nobody else hears of it.
    assert_eq!(again.say(join("r")).await, [joined("r", "bob")]);
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(bob.heard().await, NOTHING);
    assert_eq!(house.holds(), [1, 1, 3, 2, 0, 0]);
    assert_eq!(house.handler.presence("room:r", 10).count, 2);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_answered_and_the_others_are_told_at_once_of_its_last_connection_alone() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut again] = house.visit_all(["ada", "bob", "bob"]).await;
    for peer in [&mut ada, &mut bob, &mut again] {
        peer.say(join("r")).await;
    }
    ada.heard().await;
    assert_eq!(bob.say(with_id(leave("r"), 1)).await, [with_id(left("r", "bob"), 1)]);
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(again.heard().await, NOTHING);
    assert_eq!(again.say(leave("r")).await, [left("r", "bob")]);
    assert_eq!(ada.heard().await, [left("r", "bob")]);
    // To leave what one is not in is answered and told to nobody.
    assert_eq!(again.say(leave("r")).await, [left("r", "bob")]);
    assert_eq!(ada.heard().await, NOTHING);
    ada.say(say("r", "alone")).await;
    assert_eq!(bob.heard().await, NOTHING);
    assert_eq!(house.holds(), [1, 1, 1, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_waited_for_15_seconds_before_the_room_is_told() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(join("r")).await;
    bob.say(join("r")).await;
    ada.heard().await;
    bob.vanish().await;
    tokio::time::sleep(SECOND * 149 / 10).await;
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(house.holds(), [1, 1, 1, 2, 1, 0]);
    assert_eq!(house.handler.presence("room:r", 10).count, 2, "is still counted");
    tokio::time::sleep(SECOND * 2 / 10).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
    assert_eq!(house.holds(), [1, 1, 1, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_within_15_seconds_was_never_away_to_the_others() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(join("r")).await;
    bob.say(join("r")).await;
    ada.heard().await;
    for _ in 0..3 {
        bob.vanish().await;
        ada.quiet_for(14 * SECOND).await;
        bob = house.visit("bob").await;
        assert_eq!(bob.say(join("r")).await, [joined("r", "bob")]);
    }
    ada.quiet_for(20 * SECOND).await;
    // The time of the last absence counts, not that of the first.
    bob.leave().await;
    ada.quiet_for(14 * SECOND).await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_and_leaves_by_its_word_has_left_at_once() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(join("r")).await;
    bob.say(join("r")).await;
    ada.heard().await;
    bob.vanish().await;
    tokio::time::sleep(5 * SECOND).await;
    let mut bob = house.visit("bob").await;
    bob.say(join("r")).await;
    bob.say(leave("r")).await;
    assert_eq!(ada.heard().await, [left("r", "bob")]);
    // Told once.
    ada.quiet_for(60 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_in_a_room_reaches_all_who_are_in_it_its_speaker_too() {
    let house = House::open(|_| {});
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    ada.say(join("r")).await;
    bob.say(join("r")).await;
    eve.say(join("other")).await;
    ada.heard().await;
    let heard = ada.say(with_id(say("r", "hello"), 1)).await;
    assert!(heard.contains(&acked(1)) && heard.contains(&said("r", "ada", "hello")), "{heard:?}");
    assert_eq!(heard.len(), 2);
    assert_eq!(bob.heard().await, [said("r", "ada", "hello")]);
    assert_eq!(eve.heard().await, NOTHING);
    // Any JSON may be said, and is carried as it is.
    let payload = json!({ "room_id": "r", "message": { "text": ["a", 1] } });
    ada.say(json!({ "type": "room_message", "payload": payload })).await;
    assert_eq!(bob.heard().await[0]["message"], json!({ "text": ["a", 1] }));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_in_a_room_says_nothing_there() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.say(join("r")).await;
    let typing = json!({ "type": "typing", "payload": { "room_id": "r" } });
    for request in [say("r", "psst"), typing] {
        let answer = bob.say(with_id(request, 1)).await;
        assert_eq!(answer, [with_id(error("forbidden", "Join the room first"), 1)]);
        assert_eq!(ada.heard().await, NOTHING);
    }
    // Who has left is not in it any more.
    bob.say(join("r")).await;
    bob.say(leave("r")).await;
    ada.heard().await;
    assert_eq!(bob.say(say("r", "psst")).await[0]["code"], "forbidden");
    assert_eq!(ada.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn that_somebody_types_is_told_to_the_others_and_never_to_the_one() {
    let house = House::open(|_| {});
    let [mut ada, mut again, mut bob] = house.visit_all(["ada", "ada", "bob"]).await;
    for peer in [&mut ada, &mut again, &mut bob] {
        peer.say(join("r")).await;
    }
    ada.heard().await;
    let typing = json!({ "type": "typing", "payload": { "room_id": "r" } });
    assert_eq!(ada.say(typing).await, NOTHING);
    let told = json!({ "type": "typing", "user_id": "ada", "room_id": "r" });
    assert_eq!(bob.heard().await, from_ref(&told));
    again.heard().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_is_a_channel_whose_name_begins_with_room() {
    let house = House::open(|_| {});
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    assert_eq!(ada.say(subscribe("room:r")).await, [subscribed("room:r")]);
    assert_eq!(bob.say(join("r")).await, [joined("r", "bob")]);
    assert_eq!(ada.heard().await, [joined("r", "bob")]);
    assert_eq!(ada.say(publish("room:r", 1)).await, [message("room:r", "ada", 1)]);
    assert_eq!(bob.heard().await, [message("room:r", "ada", 1)]);
    assert_eq!(ada.say(unsubscribe("room:r")).await, [unsubscribed("room:r")]);
    assert_eq!(bob.heard().await, [left("r", "ada")]);
}

#[tokio::test(start_paused = true)]
async fn a_room_id_that_is_none_is_refused() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let typing = |room: &str| json!({ "type": "typing", "payload": { "room_id": room } });
    for room in ["", "a b", "{user_id}", &"x".repeat(196)] {
        for request in [join(room), leave(room), say(room, "hi"), typing(room)] {
            let answer = ada.say(with_id(request.clone(), 1)).await;
            assert_eq!(answer[0]["code"], "invalid_field", "{request}");
            assert_eq!((&answer[0]["id"], answer.len()), (&json!(1), 1));
        }
    }
    assert_eq!(house.holds(), [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn rules_are_asked_for_rooms_as_for_all_channels() {
    let house = house_with(&[
        rule("room:silent:*", "subscribe presence"),
        rule("room:blind:*", "subscribe publish"),
        RuleSpec {
            allowed_events: Some(vec!["note".to_owned()]),
            ..rule("room:notes", "subscribe publish")
        },
    ]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    // Where presence is not allowed, nobody is told who comes.
    for (room, is_told) in [("silent:1", 1), ("blind:1", 0), ("notes", 0)] {
        assert_eq!(ada.say(join(room)).await, [joined(room, "ada")]);
        assert_eq!(bob.say(join(room)).await, [joined(room, "bob")]);
        assert_eq!(ada.heard().await, vec![joined(room, "bob"); is_told]);
    }
    let why = "room:silent:1: publish is not allowed by the rule room:silent:*";
    assert_eq!(bob.say(say("silent:1", "psst")).await, [error("forbidden", why)]);
    let why = "room:notes: the event is not allowed by the rule room:notes";
    assert_eq!(bob.say(say("notes", "psst")).await, [error("forbidden", why)]);
    assert_eq!(ada.heard().await, NOTHING);
    assert_eq!(bob.say(say("blind:1", "hi")).await, [said("blind:1", "bob", "hi")]);
    assert_eq!(ada.heard().await, [said("blind:1", "bob", "hi")]);
    let why = "room:elsewhere: no rule allows this channel";
    let answer = ada.say(with_id(join("elsewhere"), 1)).await;
    assert_eq!(answer, [with_id(error("forbidden", why), 1)]);
    house.bulletin("room:elsewhere", "secret");
    assert_eq!(ada.heard().await, NOTHING);
}
