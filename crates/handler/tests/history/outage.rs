//! An engine that is away.

use serde_json::json;
use ws_broker::MemoryCluster;

use crate::{
    house::settle,
    story::{Place, SIZE, data_of, house_on},
    talk::{NOTHING, SECOND, acked, message, publish, subscribe, with_id},
};

#[tokio::test(start_paused = true)]
async fn connections_stay_and_each_publish_does_what_its_rule_says() {
    let cluster = MemoryCluster::new();
    let here = house_on(Some(cluster.node()), SIZE);
    let there = house_on(Some(cluster.node()), SIZE);
    let [mut ada, mut bob] = here.visit_all(["ada", "bob"]).await;
    let mut eve = there.visit("eve").await;
    for channel in ["live", "strict:a", "kept:a", "waits:a"] {
        for peer in [&mut ada, &mut eve] {
            peer.say(subscribe(channel)).await;
        }
    }
    cluster.set_down("pulled the plug");
    assert_eq!(bob.say(with_id(publish("live", 1), 1)).await, [acked(1)]);
    assert_eq!(ada.heard().await, [message("live", "bob", 1)], "those here are served");
    for channel in ["strict:a", "kept:a"] {
        let heard = bob.say(with_id(publish(channel, 2), 2)).await;
        let sentence = heard[0]["message"].as_str().unwrap();
        assert_eq!((&heard[0]["code"], &heard[0]["id"]), (&json!("broker_unavailable"), &json!(2)));
        let expected = format!("{channel}: the broker cannot be reached; it was not published");
        assert_eq!(sentence, expected, "and nothing of where it is");
    }
    assert_eq!(bob.say(with_id(publish("waits:a", 3), 3)).await, NOTHING);
    assert_eq!(bob.say(with_id(publish("waits:a", 4), 4)).await, NOTHING);
    assert_eq!(ada.heard().await, NOTHING);
    cluster.set_up();
    settle().await;
    let acks = bob.heard().await;
    assert_eq!([&acks[0]["id"], &acks[1]["id"]], [&json!(3), &json!(4)]);
    for peer in [&mut ada, &mut eve] {
        let heard = peer.heard().await;
        let (gaps, messages): (Vec<_>, Vec<_>) =
            heard.into_iter().partition(|it| it["type"] == "gap");
        assert_eq!(data_of(&messages), [3, 4]);
        assert_eq!(gaps, [json!({ "type": "gap", "channel": "*", "dropped": 0 })]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_published_before_a_node_was_cut_off_is_there_when_it_is_back() {
    let cluster = MemoryCluster::new();
    let node = cluster.node();
    let here = house_on(Some(node.clone()), SIZE);
    let there = house_on(Some(cluster.node()), SIZE);
    let mut ada = here.visit("ada").await;
    let mut eve = there.visit("eve").await;
    ada.follow("kept:a").await;
    node.set_down("a cut cable");
    for n in 1..=5 {
        eve.put("kept:a", n).await;
    }
    assert_eq!(ada.heard().await, NOTHING);
    node.set_up();
    settle().await;
    assert_eq!(data_of(&ada.heard().await), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_with_a_history_cannot_be_entered_without_the_engine_and_says_so() {
    let cluster = MemoryCluster::new();
    let here = house_on(Some(cluster.node()), SIZE);
    cluster.set_down("not yet");
    let mut ada = here.visit("ada").await;
    let heard = ada.say(subscribe("kept:a")).await;
    assert_eq!(heard[0]["code"], "broker_unavailable");
    assert_eq!(ada.say(subscribe("live")).await.len(), 1);
    let mut bob = here.visit("bob").await;
    bob.say(publish("live", 1)).await;
    assert_eq!(data_of(&ada.heard().await), [1]);
    cluster.set_up();
    tokio::time::sleep(SECOND).await;
    ada.heard().await;
    ada.follow("kept:a").await;
    let there = house_on(Some(cluster.node()), SIZE);
    there.bulletin("live", 2);
    assert_eq!(data_of(&ada.heard().await), [2], "followed once the engine is there");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_the_publisher_is_told() {
    let cluster = MemoryCluster::new();
    let here = house_on(Some(cluster.node()), SIZE);
    let mut ada = here.visit("ada").await;
    cluster.set_down("gone");
    let long = "x".repeat(100_000);
    for n in 0..200 {
        ada.send(with_id(publish("waits:a", long.clone()), n)).await;
        settle().await;
    }
    let refused = ada.heard().await;
    assert!((30..60).contains(&refused.len()), "{} of 200", refused.len());
    assert!(refused.iter().all(|it| it["code"] == "broker_unavailable"));
    cluster.set_up();
    tokio::time::sleep(SECOND).await;
    let acks = ada.heard().await;
    assert_eq!(acks.len() + refused.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_said_to_be_unknown_and_the_event_id_makes_it_once() {
    let cluster = MemoryCluster::new();
    let node = cluster.node();
    let here = house_on(Some(node.clone()), SIZE);
    let [mut ada, mut bob] = here.visit_all(["ada", "bob"]).await;
    ada.follow("kept:a").await;
    let mut event = with_id(publish("kept:a", 1), 1);
    event["eventId"] = json!("e-1");
    node.lose_answers(1);
    let heard = bob.say(event.clone()).await;
    assert_eq!(heard[0]["code"], "broker_unavailable", "{heard:?}");
    assert!(heard[0]["message"].as_str().unwrap().contains("not known"));
    assert_eq!(bob.say(event).await[0]["offset"], 1);
    assert_eq!(data_of(&ada.heard().await), [1]);
}

#[tokio::test(start_paused = true)]
async fn when_the_engine_has_forgotten_everything_it_is_told_where_the_new_life_is() {
    let cluster = MemoryCluster::new();
    let here = house_on(Some(cluster.node()), SIZE);
    let [mut ada, mut bob] = here.visit_all(["ada", "bob"]).await;
    let place = ada.follow("kept:a").await;
    for n in 1..=3 {
        bob.put("kept:a", n).await;
    }
    assert_eq!(data_of(&ada.heard().await), [1, 2, 3]);
    cluster.set_down("a power failure");
    cluster.forget();
    cluster.set_up();
    settle().await;
    assert_eq!(bob.put("kept:a", 4).await, 1);
    settle().await;
    let heard = ada.heard().await;
    let gap = heard.iter().find(|it| it["channel"] == "kept:a" && it["type"] == "gap");
    let gap = gap.unwrap_or_else(|| panic!("{heard:?}"));
    assert_ne!(gap["epoch"], place.epoch);
    assert_eq!(gap["fromOffset"], 1);
    bob.put("kept:a", 5).await;
    assert_eq!(data_of(&ada.heard().await), [5], "told where it is, it hears what comes");
    let place = Place { epoch: gap["epoch"].as_str().expect("an epoch").to_owned(), offset: 0 };
    assert_eq!(ada.recover("kept:a", &place).await, (true, vec![4, 5]));
}
