//! An engine that is some way off: what comes while its answers are on their way.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use ws_broker::MemoryCluster;

use crate::{
    house::{House, settle},
    slow::Slow,
    story::{data_of, house_on, offsets_of, since},
    talk::{message, publish, subscribe, subscribed, with_id},
};

const MS: Duration = Duration::from_millis(1);

fn distant(cluster: &MemoryCluster) -> (Arc<ws_broker::Memory>, House) {
    let memory = cluster.node();
    let engine = Slow { memory: memory.clone(), reads: 20 * MS, appends: 5 * MS };
    (memory, house_on(Some(Arc::new(engine)), 1_000_000))
}

#[tokio::test(start_paused = true)]
async fn what_is_published_while_a_replay_is_read_comes_behind_it_once() {
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    let there = house_on(Some(cluster.node()), 1_000_000);
    let mut eve = here.visit("eve").await;
    eve.send(subscribe("kept:a")).await;
    let place = crate::story::place_of(&eve.next().await);
    for n in 1..=2000 {
        there.bulletin("kept:a", n);
        assert_eq!(eve.next().await["data"], n);
    }
    let mut ada = here.visit("ada").await;
    ada.send(since("kept:a", &place)).await;
    // One each millisecond: whenever a page has come there is more, until the tail has it.
    for n in 2001..=2300 {
        tokio::time::sleep(MS).await;
        there.bulletin("kept:a", n);
        assert_eq!(eve.next().await["data"], n);
    }
    assert_eq!(ada.next().await["recovered"], true);
    for n in 1..=2300 {
        let message = ada.next().await;
        assert_eq!((&message["data"], &message["offset"]), (&json!(n), &json!(n)));
    }
    let reads = cluster.stats().logs.reads;
    there.bulletin("kept:a", 2301);
    assert_eq!(data_of(&ada.heard().await), [2301]);
    assert_eq!(cluster.stats().logs.reads, reads, "caught up: nothing is read for it any more");
}

#[tokio::test(start_paused = true)]
async fn more_than_finds_room_while_something_is_missing_is_read_and_not_lost() {
    let cluster = MemoryCluster::new();
    let (memory, here) = distant(&cluster);
    let there = house_on(Some(cluster.node()), 1_000_000);
    let mut ada = here.visit("ada").await;
    ada.send(subscribe("kept:a")).await;
    ada.next().await;
    memory.set_losing(true);
    there.bulletin("kept:a", 1);
    memory.set_losing(false);
    for n in 2..=2000 {
        there.bulletin("kept:a", n);
        if n == 2 {
            // It is noticed now, and the rest comes before the answer.
            tokio::time::sleep(10 * MS).await;
        }
    }
    let began = tokio::time::Instant::now();
    for n in 1..=2000 {
        assert_eq!(ada.next().await["data"], n);
    }
    assert!(began.elapsed() < 1000 * MS, "not by the look of every half minute");
}

#[tokio::test(start_paused = true)]
async fn more_than_is_remembered_for_those_who_catch_up_is_read() {
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    let there = house_on(Some(cluster.node()), 1_000_000);
    let mut ada = here.visit("ada").await;
    let mut eve = here.visit("eve").await;
    eve.send(subscribe("kept:a")).await;
    let place = crate::story::place_of(&eve.next().await);
    for n in 1..=600 {
        there.bulletin("kept:a", n);
        eve.next().await;
    }
    ada.send(since("kept:a", &place)).await;
    // The second and last page is on its way.
    tokio::time::sleep(30 * MS).await;
    for n in 601..=2100 {
        there.bulletin("kept:a", n);
        assert_eq!(eve.next().await["data"], n);
    }
    assert_eq!(ada.next().await["recovered"], true);
    for n in 1..=2100 {
        assert_eq!(ada.next().await["data"], n);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_channel_is_opened_is_not_lost_and_the_position_is_exact() {
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    let there = house_on(Some(cluster.node()), 1_000_000);
    for n in 1..=10 {
        there.bulletin("kept:a", n);
    }
    let mut ada = here.visit("ada").await;
    ada.send(subscribe("kept:a")).await;
    for n in 11..=70 {
        tokio::time::sleep(MS).await;
        there.bulletin("kept:a", n);
    }
    settle().await;
    let heard = ada.heard().await;
    let start = heard[0]["offset"].as_u64().expect("an offset");
    assert!((11..=70).contains(&start), "{}", heard[0]);
    assert_eq!(offsets_of(&heard[1..]), (start + 1..=70).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn publishes_do_not_wait_for_each_other_and_are_acked_when_they_are_kept() {
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    let mut ada = here.visit("ada").await;
    let began = tokio::time::Instant::now();
    for n in 0..100 {
        ada.feed(&with_id(publish("kept:a", n), n)).await;
    }
    ada.flush().await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        let ack = ada.next().await;
        assert_eq!(ack["offset"].as_u64(), ack["id"].as_u64().map(|id| id + 1), "{ack}");
        ids.push(ack["id"].as_u64().expect("a number"));
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    assert!(began.elapsed() < 20 * MS, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_answered_when_other_nodes_reach_it() {
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    let there = house_on(Some(cluster.node()), 100);
    let mut ada = here.visit("ada").await;
    ada.send(subscribe("live")).await;
    assert_eq!(crate::talk::undated(ada.next().await), subscribed("live"));
    let mut bob = there.visit("bob").await;
    bob.send(publish("live", 1)).await;
    assert_eq!(crate::talk::undated(ada.next().await), message("live", "bob", 1));
}

#[tokio::test(start_paused = true)]
async fn many_channels_in_one_auth_take_the_time_of_a_few() {
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    let began = tokio::time::Instant::now();
    let mut ada = here.connect(crate::house::PATH, &[]).await;
    let channels: Vec<_> = (0..500).map(|n| format!("live:{n}")).collect();
    ada.send(json!({ "token": here.token("ada"), "channels": channels })).await;
    for _ in 0..501 {
        ada.next().await;
    }
    assert!(began.elapsed() < 1000 * MS, "{:?}", began.elapsed());
    // What nobody entered in the end is not followed for ever.
    drop(ada);
    tokio::time::sleep(60_000 * MS).await;
    assert_eq!(cluster.stats().topics, crate::story::OWN_TOPICS);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_its_subscription_is_on_its_way_leaves_nothing_behind() {
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    for _ in 0..10 {
        let mut ada = here.visit("ada").await;
        ada.send(subscribe("kept:a")).await;
        tokio::time::sleep(10 * MS).await;
        drop(ada);
    }
    tokio::time::sleep(60_000 * MS).await;
    assert_eq!(here.holds(), [0; 6]);
    assert_eq!(cluster.stats().topics, crate::story::OWN_TOPICS);
}

#[tokio::test(start_paused = true)]
async fn who_is_nudged_at_any_moment_of_a_replay_is_sent_all_of_it() {
    const KEPT: u64 = 5000;
    let cluster = MemoryCluster::new();
    let (_, here) = distant(&cluster);
    let there = house_on(Some(cluster.node()), 1_000_000);
    let mut ada = here.visit("ada").await;
    let place = ada.follow("kept:a").await;
    drop(ada);
    settle().await;
    for n in 1..=KEPT {
        there.bulletin("kept:a", n);
    }
    let mut ada = here.visit("ada").await;
    let client = here.handler.connections_by_user_id("ada").pop().expect("she is here");
    ada.send(since("kept:a", &place)).await;
    // As orders, verdicts and letters do: before a page is sent, behind it, and in between.
    let nudging = tokio::spawn(async move {
        loop {
            tokio::time::sleep(MS).await;
            let mut nudges = 0;
            std::future::poll_fn(|cx| {
                client.outbox().nudge();
                // Between the turns of the connection, as tasks on other threads are.
                cx.waker().wake_by_ref();
                nudges += 1;
                if nudges < 10 { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
            })
            .await;
        }
    });
    assert_eq!(ada.next().await["recovered"], true);
    for n in 1..=KEPT {
        assert_eq!(ada.next().await["data"], n);
    }
    nudging.abort();
}
