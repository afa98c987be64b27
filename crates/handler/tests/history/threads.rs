//! On several threads and by the clock on the wall: who comes back again and again, to many channels at once,
//! while others publish.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ws_broker::MemoryCluster;

use crate::{
    house::House,
    slow::Slow,
    story::{Place, house_on, place_of, since},
    talk::subscribe,
};

const CHANNELS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(20);

/// Comes, reads for a while, and is gone again.
async fn visit(
    house: &House,
    user: &str,
    places: &mut HashMap<String, Place>,
    until: impl Fn(&HashMap<String, Place>) -> bool,
) {
    let mut peer = house.visit(user).await;
    for n in 0..CHANNELS {
        let channel = format!("kept:{n}");
        let wish =
            places.get(&channel).map_or_else(|| subscribe(&channel), |it| since(&channel, it));
        peer.feed(&wish).await;
    }
    peer.flush().await;
    let mut answers = 0;
    while answers < CHANNELS || !until(places) {
        let message = peer.next().await;
        let channel = message["channel"].as_str().expect("a channel").to_owned();
        if message["type"] == "subscribed" {
            answers += 1;
            assert_ne!(message["recovered"], false, "{message}");
            places.entry(channel).or_insert_with(|| place_of(&message));
        } else {
            assert_eq!(message["type"], "message", "{message}");
            let place = places.get_mut(&channel).expect("subscribed before");
            assert_eq!(message["offset"], place.offset + 1, "{message}");
            place.offset += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_comes_back_to_many_channels_while_others_publish_never_waits_for_ever() {
    let cluster = MemoryCluster::new();
    let delay = Duration::from_millis(2);
    let slow = Slow { memory: cluster.node(), reads: delay, appends: delay };
    let here = house_on(Some(Arc::new(slow)), 1_000_000);
    let there = house_on(Some(cluster.node()), 1_000_000);
    let heads: Arc<[AtomicU64; CHANNELS]> = Arc::default();
    let is_over = Arc::new(AtomicBool::new(false));
    let publishing = {
        let (heads, is_over, handler) = (heads.clone(), is_over.clone(), there.handler.clone());
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                for _ in 0..fastrand::u32(1..200) {
                    let n = fastrand::usize(..CHANNELS);
                    let channel = crate::talk::name(&format!("kept:{n}"));
                    let data = crate::talk::raw_json(&1.into());
                    let (event, event_id, from) = (None, None, None);
                    handler.publish(&ws_handler::Publish {
                        channel: &channel,
                        event,
                        data: &data,
                        event_id,
                        from,
                    });
                    heads[n].fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_micros(fastrand::u64(0..3000))).await;
            }
        })
    };
    let mut places = HashMap::new();
    for round in 0..60 {
        // Until it has seen what was there when it came: nobody waits for ever, however much is published.
        let goals: Vec<_> = heads.iter().map(|head| head.load(Ordering::Relaxed)).collect();
        let seen = |places: &HashMap<String, Place>| {
            (0..CHANNELS).all(|n| {
                places.get(&format!("kept:{n}")).is_some_and(|place| place.offset >= goals[n])
            })
        };
        let visit = visit(&here, "ada", &mut places, seen);
        let visited = tokio::time::timeout(PATIENCE, visit).await;
        assert!(visited.is_ok(), "round {round}: {places:?}, {goals:?}");
    }
    is_over.store(true, Ordering::Relaxed);
    publishing.await.expect("it publishes");
}
