//! Several nodes behind one engine.

use serde_json::json;
use ws_broker::MemoryCluster;

use crate::{
    house::{House, settle},
    story::{SIZE, data_of, house_on, offsets_of, since},
    talk::{SECOND, message, publish, subscribe, subscribed},
};

fn nodes<const N: usize>(cluster: &MemoryCluster) -> [House; N] {
    std::array::from_fn(|_| house_on(Some(cluster.node()), SIZE))
}

#[tokio::test(start_paused = true)]
async fn what_is_published_on_one_node_reaches_all_of_them_once() {
    let cluster = MemoryCluster::new();
    let [here, there] = nodes(&cluster);
    let mut ada = here.visit("ada").await;
    let mut bob = there.visit("bob").await;
    for peer in [&mut ada, &mut bob] {
        assert_eq!(peer.say(subscribe("live")).await, [subscribed("live")]);
    }
    ada.send(publish("live", 1)).await;
    assert_eq!(ada.heard().await, [message("live", "ada", 1)]);
    assert_eq!(bob.heard().await, [message("live", "ada", 1)]);
    bob.send(publish("live", 2)).await;
    assert_eq!(ada.heard().await, [message("live", "bob", 2)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_published_again_on_another_node_is_delivered_once() {
    let cluster = MemoryCluster::new();
    let [here, there] = nodes(&cluster);
    let mut ada = here.visit("ada").await;
    let mut bob = there.visit("bob").await;
    for channel in ["live", "kept:a"] {
        ada.say(subscribe(channel)).await;
        bob.say(subscribe(channel)).await;
        let mut event = publish(channel, 1);
        event["eventId"] = json!("e");
        ada.say(event.clone()).await;
        bob.say(event).await;
        let heard = (ada.heard().await.len(), bob.heard().await.len());
        assert!(heard.0 <= 1 && heard.1 <= 1, "{channel}: {heard:?}");
    }
    assert_eq!(here.tallied("published") + there.tallied("published"), 2);
}

#[tokio::test(start_paused = true)]
async fn all_nodes_see_one_order_with_the_same_offsets() {
    let cluster = MemoryCluster::new();
    let [here, there] = nodes(&cluster);
    let mut ada = here.visit("ada").await;
    let mut bob = there.visit("bob").await;
    ada.follow("kept:a").await;
    bob.follow("kept:a").await;
    for n in 0..50 {
        let peer = if n % 2 == 0 { &mut ada } else { &mut bob };
        peer.send(publish("kept:a", n)).await;
    }
    let (ada, bob) = (ada.heard().await, bob.heard().await);
    assert_eq!(ada, bob);
    assert_eq!(offsets_of(&ada), (1..=50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_another_node_recovers_there() {
    let cluster = MemoryCluster::new();
    let [here, there] = nodes(&cluster);
    let mut ada = here.visit("ada").await;
    let mut place = ada.follow("kept:a").await;
    place.offset = ada.put("kept:a", 1).await;
    drop(ada);
    drop(here);
    let mut bob = there.visit("bob").await;
    bob.put("kept:a", 2).await;
    let mut ada = there.visit("ada").await;
    assert_eq!(ada.recover("kept:a", &place).await, (true, vec![2]));
}

#[tokio::test(start_paused = true)]
async fn what_a_node_was_not_told_it_reads_and_its_clients_see_no_gap() {
    let cluster = MemoryCluster::new();
    let node = cluster.node();
    let here = house_on(Some(node.clone()), SIZE);
    let [there] = nodes(&cluster);
    let mut ada = here.visit("ada").await;
    let mut bob = there.visit("bob").await;
    ada.follow("kept:a").await;
    bob.put("kept:a", 1).await;
    node.set_losing(true);
    for n in 2..=10 {
        bob.put("kept:a", n).await;
    }
    assert_eq!(data_of(&ada.heard().await), [1]);
    node.set_losing(false);
    bob.put("kept:a", 11).await;
    assert_eq!(data_of(&ada.heard().await), (2..=11).collect::<Vec<_>>());
    assert_eq!(here.tallied("repaired"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_and_followed_by_nothing_is_found_all_the_same() {
    let cluster = MemoryCluster::new();
    let node = cluster.node();
    let here = house_on(Some(node.clone()), SIZE);
    let [there] = nodes(&cluster);
    let mut ada = here.visit("ada").await;
    let mut bob = there.visit("bob").await;
    ada.follow("kept:a").await;
    node.set_losing(true);
    bob.put("kept:a", 1).await;
    node.set_losing(false);
    let mut heard = Vec::new();
    // Who does not read does not answer pings.
    for _ in 0..8 {
        tokio::time::sleep(5 * SECOND).await;
        heard.extend(data_of(&ada.heard().await));
    }
    assert_eq!(heard, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_any_more_is_told_by_a_gap_with_its_range() {
    let cluster = MemoryCluster::new();
    let node = cluster.node();
    let here = house_on(Some(node.clone()), SIZE);
    let [there] = nodes(&cluster);
    let mut ada = here.visit("ada").await;
    let mut bob = there.visit("bob").await;
    let place = ada.follow("kept:a").await;
    node.set_losing(true);
    for n in 1..=150 {
        bob.put("kept:a", n).await;
    }
    node.set_losing(false);
    bob.put("kept:a", 151).await;
    let heard = ada.heard().await;
    let gap = json!({
        "type": "gap", "channel": "kept:a", "dropped": 51,
        "epoch": place.epoch, "fromOffset": 1, "toOffset": 51,
    });
    assert_eq!(heard[0], gap);
    assert_eq!(data_of(&heard[1..]), (52..=151).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_followed_once_and_left_a_while_after_its_last_subscriber() {
    let cluster = MemoryCluster::new();
    let [here] = nodes(&cluster);
    let [mut ada, mut bob] = here.visit_all(["ada", "bob"]).await;
    let followed = || cluster.stats().topics;
    let before = followed();
    ada.say(subscribe("live")).await;
    bob.say(subscribe("live")).await;
    assert_eq!(followed(), before + 1);
    drop((ada, bob));
    settle().await;
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(followed(), before + 1, "whoever loads the page again is not made to wait");
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(followed(), before);
    let mut ada = here.visit("ada").await;
    ada.say(subscribe("live")).await;
    assert_eq!(followed(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_behind_sends_nothing_twice_to_who_saw_more_elsewhere() {
    let cluster = MemoryCluster::new();
    let node = cluster.node();
    let here = house_on(Some(node.clone()), SIZE);
    let [there] = nodes(&cluster);
    let mut eve = here.visit("eve").await;
    eve.follow("kept:a").await;
    let mut bob = there.visit("bob").await;
    let mut place = bob.follow("kept:a").await;
    node.hold();
    for n in 1..=5 {
        place.offset = bob.put("kept:a", n).await;
    }
    let mut ada = here.visit("ada").await;
    ada.send(since("kept:a", &place)).await;
    settle().await;
    node.release();
    settle().await;
    bob.put("kept:a", 6).await;
    tokio::time::sleep(SECOND).await;
    let heard = ada.heard().await;
    assert_eq!(heard[0]["recovered"], true, "{heard:?}");
    assert_eq!(data_of(&heard[1..]), [6]);
    assert_eq!(data_of(&eve.heard().await), (1..=6).collect::<Vec<_>>());
}
