//! How many subscriptions, and how many messages.

use std::num::{NonZeroU32, NonZeroUsize};

use serde_json::json;
use ws_channels::RuleSpec;
use ws_handler::HandlerConfig;
use ws_rate_limiter::{TieredLimiter, TokenBucket};

use crate::{
    house::House,
    talk::{
        NOTHING, SECOND, acked, bulletin, error, house_with, message, publish, rule, say,
        subscribe, subscribed, unsubscribe, unsubscribed, with_id,
    },
};

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("not zero")
}

fn at_most(channels: u32, subscribers: u32, in_all: usize) -> impl FnOnce(&mut HandlerConfig) {
    move |config| {
        let limits = &mut config.policy.subscriptions;
        limits.channels_per_subscriber_max = number(channels);
        limits.subscribers_per_channel_max = number(subscribers);
        limits.channels_max = NonZeroUsize::new(in_all).expect("not zero");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_in_no_more_channels_than_it_may_be() {
    let house = House::open(at_most(2, 10, 10));
    let mut ada = house.visit("ada").await;
    ada.enter("a").await;
    ada.enter("b").await;
    let why = "c: a connection may be subscribed to 2 channels";
    for request in
        [subscribe("c"), json!({ "type": "subscribe", "channel": "c", "presence": true })]
    {
        let answer = ada.say(with_id(request, 1)).await;
        assert_eq!(answer, [with_id(error("too_many_subscriptions", why), 1)]);
    }
    assert_eq!(house.bulletin("c", "secret").receivers, 0);
    assert_eq!(ada.heard().await, NOTHING);
    // It is in the others as before, and in another once it has left one.
    assert_eq!(ada.say(subscribe("a")).await, [subscribed("a")]);
    assert_eq!(ada.say(unsubscribe("b")).await, [unsubscribed("b")]);
    ada.enter("c").await;
    assert_eq!(house.holds()[2], 2);
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_be_told_of_presence_that_finds_no_place_leaves_nothing_behind() {
    let house = House::open(at_most(2, 10, 10));
    let mut ada = house.visit("ada").await;
    ada.enter("a").await;
    let wish = json!({ "type": "subscribe", "channel": "b", "presence": true });
    let why = "b: a connection may be subscribed to 2 channels";
    assert_eq!(ada.say(wish).await, [error("too_many_subscriptions", why)]);
    assert_eq!(house.holds()[..3], [1, 1, 1], "neither in b nor watching it");
    house.bulletin("b", "secret");
    assert_eq!(ada.heard().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_channel_takes_no_more_subscribers_than_it_may_have() {
    let house = House::open(at_most(10, 2, 10));
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    ada.enter("orders").await;
    bob.enter("orders").await;
    let full = error("channel_full", "orders: a channel may have 2 subscribers");
    assert_eq!(eve.say(subscribe("orders")).await, [full]);
    house.bulletin("orders", "secret");
    assert_eq!(eve.heard().await, NOTHING);
    assert_eq!(ada.heard().await, [bulletin("orders", "secret")]);
    bob.vanish().await;
    eve.enter("orders").await;
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_channels_than_may_be() {
    let house = House::open(at_most(10, 10, 2));
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.enter("a").await;
    ada.enter("b").await;
    bob.enter("a").await;
    let full = error("overloaded", "c: the server may have 2 channels");
    assert_eq!(bob.say(subscribe("c")).await, [full]);
    ada.say(unsubscribe("b")).await;
    bob.enter("c").await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_subscriptions_of_one_connection_are_refused_by_the_limit() {
    let house = House::open(|_| {});
    let mut ada = house.visit("ada").await;
    let (mut granted, mut refused) = (0, 0);
    for thousand in 0..100 {
        for n in 0..1000 {
            ada.feed(&subscribe(&format!("channel-{thousand}-{n}"))).await;
            if n % 100 == 99 {
                for answer in ada.heard().await {
                    match answer["type"].as_str() {
                        Some("subscribed") => granted += 1,
                        _ => {
                            assert_eq!(answer["code"], "too_many_subscriptions");
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!((granted, refused), (100, 99_900));
    assert_eq!(house.holds(), [100, 100, 100, 100, 0, 0]);
    ada.vanish().await;
    tokio::time::sleep(16 * SECOND).await;
    assert_eq!(house.holds(), [0; 6]);
}

fn house_with_a_rate() -> House {
    let limited = |pattern, per_second| RuleSpec {
        rate_limit_per_second: Some(per_second),
        ..rule(pattern, "subscribe publish")
    };
    house_with(&[limited("prices:*", 2), limited("room:*", 1), rule("free", "subscribe publish")])
}

#[tokio::test(start_paused = true)]
async fn a_rule_limits_each_user_in_each_channel_and_says_when_to_come_again() {
    let house = house_with_a_rate();
    let [mut ada, mut again, mut bob, mut eve] =
        house.visit_all(["ada", "ada", "bob", "eve"]).await;
    eve.enter("prices:gold").await;
    eve.enter("prices:tin").await;
    assert_eq!(ada.say(with_id(publish("prices:gold", 1), 1)).await, [acked(1)]);
    // The same user through another connection.
    assert_eq!(again.say(with_id(publish("prices:gold", 2), 2)).await, [acked(2)]);
    let mut too_soon = error("rate_limited", "Rate limit exceeded");
    too_soon["retryAfterMs"] = 500.into();
    assert_eq!(ada.say(with_id(publish("prices:gold", 3), 3)).await, [with_id(too_soon, 3)]);
    // Another channel, another user.
    assert_eq!(ada.say(with_id(publish("prices:tin", 4), 4)).await, [acked(4)]);
    assert_eq!(bob.say(with_id(publish("prices:gold", 5), 5)).await, [acked(5)]);
    let heard = [
        message("prices:gold", "ada", 1),
        message("prices:gold", "ada", 2),
        message("prices:tin", "ada", 4),
        message("prices:gold", "bob", 5),
    ];
    assert_eq!(eve.heard().await, heard);
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(ada.say(with_id(publish("prices:gold", 6), 6)).await, [acked(6)]);
    assert_eq!(ada.say(publish("prices:gold", 7)).await[0]["code"], "rate_limited");
    assert_eq!(eve.heard().await, [message("prices:gold", "ada", 6)]);
    assert_eq!(house.tallied("rate_limited"), 2);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_rule_is_for_what_is_said_in_rooms_as_well_and_for_nobody_elses_channel() {
    let house = house_with_a_rate();
    let mut ada = house.visit("ada").await;
    ada.say(crate::talk::join("r")).await;
    assert_eq!(ada.say(say("r", "one")).await.len(), 1);
    let denied = ada.say(with_id(say("r", "two"), 1)).await;
    assert_eq!(
        (&denied[0]["code"], &denied[0]["retryAfterMs"]),
        (&json!("rate_limited"), &json!(1000))
    );
    assert_eq!(denied.len(), 1);
    for n in 0..100 {
        assert_eq!(ada.say(publish("free", n)).await, NOTHING);
    }
    // A back-end is not limited.
    for n in 0..10 {
        assert_eq!(house.bulletin("room:r", n).receivers, 1);
    }
    assert_eq!(ada.heard().await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn leaving_and_acknowledging_pass_a_limit_on_messages_that_denies_all_else() {
    let house = House::open(|config| {
        let limit = TokenBucket::per_hour(number(1)).with_burst(number(2));
        let table = NonZeroUsize::new(1000).expect("not zero");
        config.policy.limits.messages =
            Some(TieredLimiter::new("free", limit.into(), table).into());
    });
    let mut ada = house.visit("ada").await;
    for channel in ["a", "room:r"] {
        ada.send(subscribe(channel)).await;
        assert_eq!(ada.next().await["type"], "subscribed");
    }
    let denials = [
        with_id(publish("a", 1), 1),
        with_id(subscribe("b"), 2),
        json!({ "type": "chat", "payload": { "to": "ada", "message": "hi" }, "id": 3 }),
    ];
    for (id, request) in (1..).zip(denials) {
        ada.send(request).await;
        let denial = ada.next().await;
        assert_eq!((&denial["code"], &denial["id"]), (&json!("rate_limited"), &json!(id)));
    }
    ada.send(json!({ "type": "ack", "messageId": "m" })).await;
    ada.send(unsubscribe("a")).await;
    assert_eq!(ada.next().await["type"], "unsubscribed");
    ada.send(crate::talk::leave("r")).await;
    assert_eq!(ada.next().await["type"], "user_left");
    assert_eq!(house.holds()[2], 0);
}

#[tokio::test(start_paused = true)]
async fn names_that_no_engine_takes_are_refused_and_nothing_is_published() {
    let house = house_with(&[rule("*", "subscribe publish")]);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    bob.enter("news").await;
    for field in ["event", "eventId"] {
        for (bytes, is_taken) in [(1000, true), (1001, false)] {
            let mut message = with_id(publish("news", 1), 1);
            message[field] = "x".repeat(bytes).into();
            let heard = ada.say(message).await;
            assert_eq!(heard[0]["type"] == "ack", is_taken, "{field} of {bytes}: {heard:?}");
            assert_eq!(bob.heard().await.len(), usize::from(is_taken), "{field} of {bytes}");
        }
    }
    for (bytes, code) in [(256, "user_offline"), (257, "invalid_field")] {
        let payload = serde_json::json!({ "to": "x".repeat(bytes), "message": "Hi" });
        let heard = ada.say(serde_json::json!({ "type": "chat", "payload": payload })).await;
        assert_eq!(heard[0]["code"], code, "{heard:?}");
    }
}
