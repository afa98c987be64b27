//! Connections that have become as old as they may.

use std::{num::NonZeroU32, time::Duration};

use tokio::{task::JoinSet, time::Instant};
use ws_handler::Moving;

use crate::house::House;

fn moving(per_second: u32) -> Moving {
    Moving {
        lifetime_max: Some(Duration::from_secs(200)),
        per_second: NonZeroU32::new(per_second),
        ..Moving::default()
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_too_old_is_told_to_come_back_and_not_all_at_once() {
    let house = House::open(|_| {});
    let handler = house.handler.clone();
    let keeping = tokio::spawn(async move { handler.keep_moving(|| moving(1000)).await });
    let started = Instant::now();
    let mut ends = JoinSet::new();
    for n in 0..100 {
        let mut peer = house.visit(&format!("user-{n}")).await;
        ends.spawn(async move {
            let goodbye = peer.next().await;
            assert_eq!(goodbye["type"], "goodbye");
            assert!(goodbye["reconnectAfterMs"].as_u64().is_some_and(|away| away < 100));
            assert_eq!(peer.closed().await, (1012, "Connection lifetime over".to_owned()));
            started.elapsed().as_secs()
        });
    }
    let mut ends = ends.join_all().await;
    ends.sort_unstable();
    assert!(ends[0] >= 150 && ends[99] <= 200, "{} to {}", ends[0], ends[99]);
    let half = ends.iter().filter(|end| **end < 172).count();
    assert!((25..=75).contains(&half), "{half} of 100 went in the first half");
    house.emptied().await;
    assert_eq!(house.ended_by("lifetime"), 100);
    // Who comes now is young.
    let mut young = house.visit("ada").await;
    young.quiet_for(Duration::from_secs(140)).await;
    house.handler.start_drain();
    keeping.await.expect("a drain is the end of it");
}

#[tokio::test(start_paused = true)]
async fn more_who_are_due_than_may_come_back_are_told_to_stay_away() {
    let house = House::open(|_| {});
    let handler = house.handler.clone();
    // A handler that starts to look when all are due at once.
    let mut peers = Vec::new();
    for n in 0..20 {
        peers.push(house.visit(&format!("user-{n}")).await);
    }
    let mut ends = JoinSet::new();
    for mut peer in peers {
        ends.spawn(async move {
            let goodbye = peer.next().await;
            let away = goodbye["reconnectAfterMs"].as_u64().expect("a number");
            let back = Instant::now() + Duration::from_millis(away);
            assert_eq!(peer.closed().await.0, 1012);
            back
        });
    }
    tokio::time::sleep(Duration::from_secs(200)).await;
    let keeping = tokio::spawn(async move { handler.keep_moving(|| moving(1)).await });
    let mut back = ends.join_all().await;
    back.sort_unstable();
    let apart = back.windows(2).map(|two| two[1] - two[0]);
    assert!(apart.into_iter().all(|apart| apart >= Duration::from_millis(990)), "{back:?}");
    keeping.abort();
}
