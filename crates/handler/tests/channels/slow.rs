//! A reader that stops: what the rule of the channel does with it, that its memory is bounded, and that
//! nobody else is harmed.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;
use tungstenite::Message;
use ws_channels::{RuleSpec, SlowConsumer};
use ws_close_manager::SendableCode;
use ws_handler::{Client, Publish};

use crate::{
    house::{House, Peer, settle},
    talk::{
        NOTHING, compiled, join, leave, name, publish, raw_json, rule, subscribe, subscribed,
        undated, unsubscribe, unsubscribed,
    },
};

const OUTBOX_BYTES_MAX: usize = 16 * 1024;
/// With what is around it, less than this.
const MESSAGE_BYTES_MAX: usize = 1200;

fn house_with_policy(policy: SlowConsumer) -> House {
    House::open(|config| {
        config.policy.limits.outbox_bytes_max = OUTBOX_BYTES_MAX;
        config.policy.rules = compiled(&[
            RuleSpec { slow_consumer: policy, ..rule("ticks", "subscribe publish") },
            RuleSpec { slow_consumer: policy, ..rule("tocks", "subscribe publish") },
            RuleSpec { slow_consumer: policy, ..rule("room:floor", "subscribe publish presence") },
            rule("*", "subscribe publish presence"),
        ]);
    })
}

/// Publishes so many, each with its number and a key of three, and lets `reader` read each of them.
async fn flood(house: &House, reader: &mut Peer, slow: &Client, numbers: std::ops::Range<u64>) {
    let channel = name("ticks");
    for n in numbers {
        let data = raw_json(&json!({ "n": n, "fill": "x".repeat(1000) }));
        let event = Some(["gold", "tin", "zinc"][n as usize % 3]);
        let (event_id, from) = (None, None);
        house.handler.publish(&Publish { channel: &channel, event, data: &data, event_id, from });
        let read = reader.next().await;
        assert_eq!(read["data"]["n"], n, "those who read are sent everything");
        settle().await;
        let waits = slow.outbox().queued_bytes();
        assert!(waits <= OUTBOX_BYTES_MAX + MESSAGE_BYTES_MAX, "{waits} bytes wait");
    }
}

/// Everything that is there for who reads again, a close frame as `{"closed": [code, reason]}`.
async fn everything(peer: &mut Peer) -> Vec<Value> {
    let mut all = Vec::new();
    while let Ok(Some(message)) = timeout(Duration::from_millis(1), peer.next_message()).await {
        match message {
            Message::Text(text) => all.push(undated(serde_json::from_str(&text).expect("JSON"))),
            Message::Close(frame) => {
                let frame = frame.expect("a reason");
                all.push(json!({ "closed": [u16::from(frame.code), frame.reason.to_string()] }));
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

fn numbers(heard: &[Value]) -> Vec<u64> {
    heard.iter().filter_map(|it| it["data"]["n"].as_u64()).collect()
}

/// How many a client was told that it goes without.
fn dropped(heard: &[Value]) -> u64 {
    let gaps = heard.iter().filter(|it| it["type"] == "gap" && it["channel"] == "ticks");
    gaps.map(|gap| gap["dropped"].as_u64().expect("a number")).sum()
}

/// A reader, a client that has stopped reading, and that as the server has it.
async fn readers(house: &House) -> (Peer, Peer, Arc<Client>) {
    let [mut reader, mut slow] = house.visit_all(["reader", "slow"]).await;
    reader.enter("ticks").await;
    slow.enter("ticks").await;
    let client = house.handler.connections_by_user_id("slow").remove(0);
    (reader, slow, client)
}

#[tokio::test(start_paused = true)]
async fn by_default_a_reader_that_stops_is_closed_with_1013_to_come_again() {
    let house = house_with_policy(SlowConsumer::Disconnect);
    let (mut reader, mut slow, client) = readers(&house).await;
    flood(&house, &mut reader, &client, 0..300).await;
    assert!(client.is_closing());
    assert_eq!(house.tallied("closed_slow"), 1);
    assert_eq!(client.outbox().queued_bytes() / MESSAGE_BYTES_MAX, 0, "what waits is let go");
    let heard = everything(&mut slow).await;
    let got = numbers(&heard);
    assert!(got.iter().copied().eq(0..got.len() as u64), "{got:?}");
    assert_eq!(heard.last(), Some(&json!({ "closed": [1013, "Slow consumer"] })));
    drop(slow);
    settle().await;
    assert_eq!(house.handler.connection_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_leaves_out_what_has_waited_longest_and_says_how_many() {
    let house = house_with_policy(SlowConsumer::DropOldest);
    let (mut reader, mut slow, client) = readers(&house).await;
    flood(&house, &mut reader, &client, 0..300).await;
    let heard = everything(&mut slow).await;
    let gap = heard.iter().position(|it| it["type"] == "gap").expect("is told");
    let (before, behind) = (numbers(&heard[..gap]), numbers(&heard[gap..]));
    assert_eq!(before.len() + behind.len() + 1, heard.len(), "one gap and no more");
    assert!(before.iter().copied().eq(0..before.len() as u64), "{before:?}");
    let first = 300 - behind.len() as u64;
    assert!(behind.iter().copied().eq(first..300), "the newest, in order: {behind:?}");
    let gone = first - before.len() as u64;
    assert_eq!(heard[gap], json!({ "type": "gap", "channel": "ticks", "dropped": gone }));
    assert!(gone > 100, "{gone}");
    // It goes on as if nothing had been.
    flood(&house, &mut reader, &client, 300..310).await;
    assert_eq!(numbers(&everything(&mut slow).await), (300..310).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn drop_newest_leaves_out_what_comes_and_says_how_many() {
    let house = house_with_policy(SlowConsumer::DropNewest);
    let (mut reader, mut slow, client) = readers(&house).await;
    flood(&house, &mut reader, &client, 0..300).await;
    let heard = everything(&mut slow).await;
    let got = numbers(&heard);
    assert!(got.iter().copied().eq(0..got.len() as u64), "the oldest, in order: {got:?}");
    assert_eq!(dropped(&heard), 300 - got.len() as u64);
    assert_eq!(heard.len(), got.len() + 1);
    assert_eq!(house.tallied("dropped"), 300 - got.len() as u64);
    flood(&house, &mut reader, &client, 300..310).await;
    assert_eq!(numbers(&everything(&mut slow).await), (300..310).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn conflate_leaves_the_newest_of_each_key_and_says_how_many_it_left_out() {
    let house = house_with_policy(SlowConsumer::Conflate);
    let (mut reader, mut slow, client) = readers(&house).await;
    flood(&house, &mut reader, &client, 0..300).await;
    let heard = everything(&mut slow).await;
    let got = numbers(&heard);
    assert!(got.is_sorted(), "{got:?}");
    assert_eq!(got[got.len() - 3..], [297, 298, 299], "the newest of each of three keys");
    assert_eq!(dropped(&heard) + got.len() as u64, 300);
    // Who keeps up is sent every one of a key.
    for n in 300..330 {
        flood(&house, &mut reader, &client, n..n + 1).await;
        assert_eq!(numbers(&everything(&mut slow).await), [n]);
    }
}

#[tokio::test(start_paused = true)]
async fn conflate_leaves_out_nobody_who_came_or_went() {
    let house = house_with_policy(SlowConsumer::Conflate);
    let (mut reader, mut slow, client) = readers(&house).await;
    slow.say(join("floor")).await;
    flood(&house, &mut reader, &client, 0..300).await;
    let mut others = house.visit_all(["ada", "bob", "eve"]).await;
    for other in &mut others {
        other.say(join("floor")).await;
    }
    let heard = everything(&mut slow).await;
    let came: Vec<_> = heard.iter().filter(|it| it["type"] == "user_joined").collect();
    assert_eq!(came.len(), 3, "{came:?}");
}

#[tokio::test(start_paused = true)]
async fn what_clients_publish_many_at_once_is_counted_each() {
    let house = house_with_policy(SlowConsumer::DropOldest);
    let (mut reader, mut slow, client) = readers(&house).await;
    let mut writer = house.visit("writer").await;
    for n in 0..40_u64 {
        for m in 0..10 {
            let data = json!({ "n": 10 * n + m, "fill": "x".repeat(500) });
            writer.feed(&publish("ticks", data)).await;
        }
        writer.flush().await;
        assert_eq!(numbers(&reader.heard().await).len(), 10);
        assert!(client.outbox().queued_bytes() <= OUTBOX_BYTES_MAX + 10 * MESSAGE_BYTES_MAX);
    }
    let heard = everything(&mut slow).await;
    let got = numbers(&heard);
    assert!(got.is_sorted() && got.last() == Some(&399), "{got:?}");
    assert_eq!(dropped(&heard) + got.len() as u64, 400);
    assert!(dropped(&heard) > 0);
}

#[tokio::test(start_paused = true)]
async fn each_channel_says_what_is_missing_of_it() {
    let house = house_with_policy(SlowConsumer::DropNewest);
    let (mut reader, mut slow, client) = readers(&house).await;
    slow.enter("tocks").await;
    flood(&house, &mut reader, &client, 0..100).await;
    for n in 0..7 {
        house.bulletin("tocks", json!({ "fill": "x".repeat(1000), "t": n }));
    }
    let heard = everything(&mut slow).await;
    let gaps: Vec<_> = heard.iter().filter(|it| it["type"] == "gap").cloned().collect();
    let missing = 100 - numbers(&heard).len();
    let expect = [
        json!({ "type": "gap", "channel": "ticks", "dropped": missing }),
        json!({ "type": "gap", "channel": "tocks", "dropped": 7 }),
    ];
    assert_eq!(gaps, expect);
}

#[tokio::test(start_paused = true)]
async fn unsubscribed_is_the_last_word_to_a_slow_reader_too_and_the_gap_comes_before() {
    for policy in [SlowConsumer::DropOldest, SlowConsumer::DropNewest, SlowConsumer::Conflate] {
        let house = house_with_policy(policy);
        let (mut reader, mut slow, client) = readers(&house).await;
        flood(&house, &mut reader, &client, 0..150).await;
        slow.send(unsubscribe("ticks")).await;
        settle().await;
        flood(&house, &mut reader, &client, 150..160).await;
        let heard = everything(&mut slow).await;
        assert_eq!(heard.last(), Some(&unsubscribed("ticks")), "{policy:?}");
        let got = numbers(&heard);
        assert!(got.is_sorted() && got.last() < Some(&150), "{policy:?}: {got:?}");
        assert_eq!(dropped(&heard) + got.len() as u64, 150, "{policy:?}");
        assert_eq!(slow.say(subscribe("ticks")).await, [subscribed("ticks")], "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_and_closes_still_reach_a_slow_reader() {
    let house = house_with_policy(SlowConsumer::DropOldest);
    let (mut reader, mut slow, client) = readers(&house).await;
    flood(&house, &mut reader, &client, 0..150).await;
    slow.send(json!({ "type": "ping", "id": 1 })).await;
    settle().await;
    flood(&house, &mut reader, &client, 150..160).await;
    house.handler.disconnect_user("slow", SendableCode::POLICY, "Enough");
    let heard = everything(&mut slow).await;
    assert!(heard.contains(&json!({ "type": "pong", "id": 1 })));
    assert_eq!(heard.last(), Some(&json!({ "closed": [1008, "Enough"] })));
    assert_eq!(numbers(&heard).last(), Some(&159), "behind what waited");
    assert_eq!(dropped(&heard) + numbers(&heard).len() as u64, 160);
}

#[tokio::test(start_paused = true)]
async fn that_somebody_types_is_dropped_first_and_without_a_word() {
    let house = house_with_policy(SlowConsumer::DropOldest);
    let (mut reader, mut slow, client) = readers(&house).await;
    reader.say(join("r")).await;
    slow.say(join("r")).await;
    reader.heard().await;
    let typing = json!({ "type": "typing", "payload": { "room_id": "r" } });
    assert_eq!(reader.say(typing.clone()).await, NOTHING);
    assert_eq!(slow.heard().await.len(), 1, "who reads is told");
    flood(&house, &mut reader, &client, 0..70).await;
    assert!(client.outbox().queued_bytes() > OUTBOX_BYTES_MAX / 8, "slow, and nothing is lost yet");
    for _ in 0..100 {
        assert_eq!(reader.say(typing.clone()).await, NOTHING);
    }
    let heard = everything(&mut slow).await;
    assert!(heard.iter().all(|it| it["type"] != "typing"));
    assert_eq!((numbers(&heard).len() as u64 + dropped(&heard), dropped(&heard)), (70, 0));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_dropped_closes_a_reader_that_does_not_take_it() {
    let news = json!("x".repeat(1000));
    for way in ["channel", "broadcast", "user", "chat", "room"] {
        let house = house_with_policy(SlowConsumer::DropOldest);
        let (mut reader, mut slow, client) = readers(&house).await;
        slow.enter("strict").await;
        slow.say(join("r")).await;
        reader.say(join("r")).await;
        slow.heard().await;
        flood(&house, &mut reader, &client, 0..150).await;
        for _ in 0..40 {
            match way {
                "channel" => drop(house.bulletin("strict", news.clone())),
                "broadcast" => drop(house.handler.broadcast(None, &raw_json(&news))),
                "user" => drop(house.handler.send_to_user("slow", None, &raw_json(&news))),
                "chat" => {
                    let payload = json!({ "to": "slow", "message": news });
                    reader.send(json!({ "type": "chat", "payload": payload })).await;
                }
                _ => {
                    let payload = json!({ "room_id": "r", "message": news });
                    reader.send(json!({ "type": "room_message", "payload": payload })).await;
                }
            }
            reader.heard().await;
            let waits = client.outbox().queued_bytes();
            assert!(waits <= OUTBOX_BYTES_MAX + MESSAGE_BYTES_MAX, "{way}: {waits} bytes wait");
        }
        let heard = everything(&mut slow).await;
        assert_eq!(heard.last(), Some(&json!({ "closed": [1013, "Slow consumer"] })), "{way}");
        assert_eq!(house.tallied("closed_slow"), 1, "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_dropped_counts_as_not_sent() {
    let house = house_with_policy(SlowConsumer::DropNewest);
    let (mut reader, mut slow, client) = readers(&house).await;
    slow.enter("tocks").await;
    flood(&house, &mut reader, &client, 0..150).await;
    assert_eq!(house.publish_event("ticks", "late", Some("e")).receivers, 1, "the reader alone");
    everything(&mut slow).await;
    assert_eq!(house.publish_event("tocks", "late", Some("e")).receivers, 1);
    let heard = everything(&mut slow).await;
    assert_eq!((&heard[0]["channel"], &heard[0]["eventId"]), (&json!("tocks"), &json!("e")));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_comes_and_goes_all_the_time_costs_no_more() {
    let house = house_with_policy(SlowConsumer::DropOldest);
    let (mut reader, mut slow, client) = readers(&house).await;
    for round in 0..60 {
        slow.send(unsubscribe("ticks")).await;
        slow.send(subscribe("ticks")).await;
        settle().await;
        flood(&house, &mut reader, &client, 5 * round..5 * round + 5).await;
    }
    let heard = everything(&mut slow).await;
    let got = numbers(&heard);
    assert!(got.is_sorted(), "{got:?}");
    assert_eq!(
        dropped(&heard) + got.len() as u64,
        300,
        "what it was in for and did not get is told"
    );
    assert_eq!(heard.iter().filter(|it| **it == unsubscribed("ticks")).count(), 60);
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_in_a_room_is_told_to_slow_readers_as_its_rule_says() {
    for (policy, is_closed) in [(SlowConsumer::Disconnect, true), (SlowConsumer::DropNewest, false)]
    {
        let house = House::open(|config| {
            config.policy.limits.outbox_bytes_max = OUTBOX_BYTES_MAX;
            let rooms = rule("room:*", "subscribe publish presence");
            config.policy.rules = compiled(&[RuleSpec { slow_consumer: policy, ..rooms }]);
        });
        let [mut slow, mut guest] = house.visit_all(["slow", "guest"]).await;
        slow.say(join("r")).await;
        for _ in 0..600 {
            assert_eq!(guest.say(join("r")).await.len(), 1);
            assert_eq!(guest.say(leave("r")).await.len(), 1);
        }
        let heard = everything(&mut slow).await;
        let last = heard.last().expect("something");
        if is_closed {
            assert_eq!(*last, json!({ "closed": [1013, "Slow consumer"] }));
        } else {
            let gap = heard.iter().find(|it| it["type"] == "gap").expect("is told");
            let told = heard.len() as u64 - 1;
            assert_eq!(gap["dropped"], 1200 - told);
            assert_eq!(house.tallied("closed_slow"), 0);
        }
    }
}
