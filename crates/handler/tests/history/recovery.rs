//! Offsets, and coming back with one.

use std::time::Duration;

use serde_json::json;

use crate::{
    house::settle,
    story::{Place, SIZE, data_of, house, house_on, offsets_of, place_of, since},
    talk::{
        NOTHING, SECOND, joined, publish, say, subscribe, subscribed, unsubscribe, unsubscribed,
        with_id,
    },
};

#[tokio::test(start_paused = true)]
async fn what_is_kept_has_offsets_and_the_publisher_is_told_them() {
    let house = house();
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let start = ada.follow("kept:a").await;
    assert_eq!(start.offset, 0);
    assert_eq!([bob.put("kept:a", 1).await, bob.put("kept:a", 2).await], [1, 2]);
    let heard = ada.heard().await;
    assert_eq!((data_of(&heard), offsets_of(&heard)), (vec![1, 2], vec![1, 2]));
    assert_eq!(bob.follow("kept:a").await, Place { offset: 2, ..start }, "where the log is now");
}

#[tokio::test(start_paused = true)]
async fn channels_that_keep_nothing_have_no_offsets_and_recover_nothing() {
    let house = house();
    let mut ada = house.visit("ada").await;
    assert_eq!(ada.say(subscribe("live")).await, [subscribed("live")]);
    let place = Place { epoch: "1".into(), offset: 1 };
    let heard = ada.say(since("live", &place)).await;
    assert_eq!(heard, [json!({ "type": "subscribed", "channel": "live", "recovered": false })]);
}

#[tokio::test(start_paused = true)]
async fn section_4_11_who_comes_back_is_sent_all_it_missed_in_order_once_and_then_what_comes() {
    let house = house();
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let mut place = ada.follow("kept:a").await;
    bob.put("kept:a", 1).await;
    place.offset = offsets_of(&ada.heard().await)[0];
    drop(ada);
    for n in 2..=40 {
        bob.put("kept:a", n).await;
    }
    let mut ada = house.visit("ada").await;
    assert_eq!(ada.recover("kept:a", &place).await, (true, (2..=40).collect()));
    bob.put("kept:a", 41).await;
    assert_eq!(data_of(&ada.heard().await), [41]);
}

#[tokio::test(start_paused = true)]
async fn who_missed_nothing_is_told_so_and_sent_nothing() {
    let house = house();
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let mut place = ada.follow("kept:a").await;
    place.offset = bob.put("kept:a", 1).await;
    drop(ada);
    // Longer than the channel is followed for nobody.
    tokio::time::sleep(60 * SECOND).await;
    let mut ada = house.visit("ada").await;
    assert_eq!(ada.recover("kept:a", &place).await, (true, vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_proven_complete_is_not_recovered_and_never_half() {
    let house = house();
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let place = ada.follow("kept:a").await;
    for n in 1..=u64::from(SIZE) + 1 {
        bob.put("kept:a", n).await;
    }
    ada.heard().await;
    let other = |epoch: &str, offset| Place { epoch: epoch.to_owned(), offset };
    let newer = (place.epoch.parse::<u64>().unwrap() + 1).to_string();
    for (lost, why) in [
        (place.clone(), "the first one is not kept any more"),
        (other("1", 50), "another life"),
        (other(&newer, 50), "a life that has not been"),
        (other("yesterday", 50), "no epoch at all"),
        (other(&place.epoch, 1_000_000), "nobody was told that offset"),
        (other(&place.epoch, u64::MAX), "no log is so long"),
    ] {
        let heard = ada.say(since("kept:a", &lost)).await;
        assert_eq!(heard.len(), 1, "{why}: {heard:?}");
        assert_eq!(heard[0]["recovered"], false, "{why}");
        assert_eq!(place_of(&heard[0]).offset, u64::from(SIZE) + 1, "where to go on: {why}");
    }
    let kept = other(&place.epoch, 1);
    assert_eq!(ada.recover("kept:a", &kept).await, (true, (2..=u64::from(SIZE) + 1).collect()));
    bob.put("kept:a", 7).await;
    assert_eq!(data_of(&ada.heard().await), [7], "live again, once");
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_the_rule_says_is_gone() {
    let engine = ws_broker::MemoryCluster::new();
    let house = house_on(Some(engine.node()), SIZE);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let place = ada.follow("kept:a").await;
    bob.put("kept:a", 1).await;
    engine.advance(Duration::from_secs(301));
    ada.heard().await;
    assert!(!ada.recover("kept:a", &place).await.0);
    bob.put("kept:a", 2).await;
    ada.heard().await;
    let second = Place { offset: 1, ..place };
    assert_eq!(ada.recover("kept:a", &second).await.1, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_event_is_kept_and_delivered_once_and_acked_with_its_first_offset() {
    let house = house();
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    ada.follow("kept:a").await;
    let mut event = with_id(publish("kept:a", 1), 1);
    event["eventId"] = json!("e-1");
    let ack = json!({ "type": "ack", "id": 1, "offset": 1 });
    assert_eq!(bob.say(event.clone()).await, std::slice::from_ref(&ack));
    bob.put("kept:a", 2).await;
    assert_eq!(bob.say(event).await, [ack]);
    assert_eq!(data_of(&ada.heard().await), [1, 2]);
    assert_eq!(house.tallied("repeated"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_replay_and_what_comes_meanwhile_arrive_once_and_in_order() {
    const KEPT: u64 = 20_000;
    let house = house_on(None, 1_000_000);
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let place = ada.follow("kept:a").await;
    drop(ada);
    settle().await;
    for n in 1..=KEPT {
        house.bulletin("kept:a", n);
    }
    let mut ada = house.visit("ada").await;
    ada.send(since("kept:a", &place)).await;
    assert_eq!(ada.next().await["recovered"], true);
    // Reads slowly, while as many again are published.
    for n in 1..=KEPT {
        assert_eq!(ada.next().await["data"], n);
        house.bulletin("kept:a", KEPT + n);
        if n % 1000 == 0 {
            bob.put("kept:a", 0).await;
        }
    }
    let mut last = KEPT;
    let mut expected = KEPT + 1;
    while expected <= 2 * KEPT {
        let message = ada.next().await;
        let offset = message["offset"].as_u64().unwrap();
        assert_eq!(offset, last + 1, "{message}");
        last = offset;
        if message["data"] != 0 {
            assert_eq!(message["data"], expected);
            expected += 1;
        }
    }
    assert_eq!(house.tallied("closed_slow"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_reader_that_does_not_read_its_replay_holds_nobody_up_and_little_memory() {
    let house = house_on(None, 1_000_000);
    let [mut ada, mut bob, mut eve] = house.visit_all(["ada", "bob", "eve"]).await;
    let place = ada.follow("kept:a").await;
    eve.follow("kept:a").await;
    for n in 1..=5000 {
        house.bulletin("kept:a", n);
        assert_eq!(eve.next().await["data"], n);
    }
    drop(ada);
    let mut ada = house.visit("ada").await;
    let client = house.handler.connections_by_user_id("ada").pop().unwrap();
    ada.send(since("kept:a", &place)).await;
    settle().await;
    for n in 5001..=10_000 {
        house.bulletin("kept:a", n);
        assert_eq!(eve.next().await["data"], n, "who reads is sent everything at once");
        assert!(client.outbox().queued_bytes() < 200_000, "the replay waits for its reader");
    }
    assert_eq!(ada.next().await["recovered"], true);
    for n in 1..=10_000 {
        assert_eq!(ada.next().await["data"], n);
    }
    bob.put("kept:a", 10_001).await;
    assert_eq!(data_of(&ada.heard().await), [10_001]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_in_the_middle_of_a_replay_is_sent_no_more_of_it() {
    let house = house_on(None, 1_000_000);
    let mut ada = house.visit("ada").await;
    let place = ada.follow("kept:a").await;
    ada.say(unsubscribe("kept:a")).await;
    for n in 1..=20_000 {
        house.bulletin("kept:a", n);
    }
    ada.send(since("kept:a", &place)).await;
    for _ in 0..100 {
        ada.next().await;
    }
    ada.send(unsubscribe("kept:a")).await;
    let mut replayed = 99;
    loop {
        let message = crate::talk::undated(ada.next().await);
        if message == unsubscribed("kept:a") {
            break;
        }
        replayed += 1;
        assert_eq!(message["data"], replayed);
    }
    assert!(replayed < 20_000);
    house.bulletin("kept:a", 0);
    assert_eq!(ada.heard().await, NOTHING);
    // And comes back for the rest.
    let place = Place { offset: replayed, ..place };
    ada.send(since("kept:a", &place)).await;
    assert_eq!(ada.next().await["recovered"], true);
    assert_eq!(ada.next().await["data"], replayed + 1);
}

#[tokio::test(start_paused = true)]
async fn several_channels_are_recovered_one_after_the_other_and_none_waits_for_ever() {
    let house = house();
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    let mut places = Vec::new();
    for channel in ["kept:a", "kept:b", "kept:c"] {
        places.push((channel, ada.follow(channel).await));
    }
    drop(ada);
    for n in 1..=30 {
        bob.put(["kept:a", "kept:b", "kept:c"][n as usize % 3], n).await;
    }
    let mut ada = house.visit("ada").await;
    for (channel, place) in &places {
        ada.feed(&since(channel, place)).await;
    }
    let heard = ada.heard().await;
    for (index, (channel, _)) in places.iter().enumerate() {
        let of_it = heard.iter().filter(|it| it["channel"] == *channel && it["type"] == "message");
        let data: Vec<_> = of_it.map(|it| it["data"].as_u64().unwrap()).collect();
        let expected: Vec<_> = (1..=30).filter(|n| n % 3 == index as u64).collect();
        assert_eq!(data, expected, "{channel}");
    }
    bob.put("kept:c", 99).await;
    assert_eq!(data_of(&ada.heard().await), [99]);
}

#[tokio::test(start_paused = true)]
async fn rooms_may_keep_what_is_said_in_them() {
    let house = house();
    let [mut ada, mut bob] = house.visit_all(["ada", "bob"]).await;
    assert_eq!(ada.say(crate::talk::join("1")).await, [joined("1", "ada")]);
    let place = ada.follow("room:1").await;
    bob.say(crate::talk::join("1")).await;
    ada.heard().await;
    bob.say(say("1", "Hello")).await;
    let said = json!({
        "type": "room_message", "from": "bob", "room_id": "1", "message": "Hello", "offset": 1,
    });
    assert_eq!(ada.heard().await, std::slice::from_ref(&said));
    drop(ada);
    let mut ada = house.visit("ada").await;
    let heard = ada.say(since("room:1", &place)).await;
    assert_eq!((&heard[0]["recovered"], &heard[1]), (&json!(true), &said));
}
