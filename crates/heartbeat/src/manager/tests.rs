use proptest::prelude::*;

use super::*;
use crate::heartbeat::tests::base;

const SECOND: Duration = Duration::from_secs(1);

fn manager() -> HeartbeatManager<u32> {
    HeartbeatManager::new(HeartbeatConfig::default(), 7)
}

/// Fires everything that is due up to `until`, each on its deadline.
fn run(manager: &mut HeartbeatManager<u32>, until: Instant) -> Vec<(u32, Action)> {
    let mut done = Vec::new();
    while let Some(at) = manager.poll_timeout().filter(|&at| at <= until) {
        while let Some(action) = manager.handle_timeout(at) {
            done.push(action);
        }
    }
    done
}

#[test]
fn each_silent_connection_is_pinged_three_times_and_declared_dead_once() {
    let start = base();
    let mut manager = manager();
    for key in 0..1000 {
        assert!(manager.start(key, start));
    }
    let done = run(&mut manager, start + 45 * SECOND);
    assert_eq!(done.iter().filter(|(_, action)| *action == Action::DeclareDead).count(), 1000);
    assert_eq!(done.len(), 4000);
    assert_eq!(manager.poll_timeout(), None);
    assert_eq!(run(&mut manager, start + 1000 * SECOND), []);
    assert_eq!(manager.len(), 1000, "dead ones stay until they are stopped");
}

#[test]
fn first_pings_of_a_wave_are_spread() {
    let start = base();
    let mut manager = manager();
    for key in 0..10_000 {
        manager.start(key, start);
    }
    let mut most = 0;
    for second in 15..30u32 {
        let due = run(&mut manager, start + (second + 1) * SECOND);
        let first =
            due.iter().filter(|(key, _)| manager.watched[key].heartbeat.stats(start).pings == 1);
        most = most.max(first.count());
    }
    // 10,000 over 15 seconds are 667 each.
    assert!(most < 900, "{most} first pings in one second");
}

#[test]
fn a_frame_touches_only_its_own_connection() {
    let start = base();
    let mut manager = manager();
    manager.start(1, start);
    manager.start(2, start);
    let mut now = start;
    while manager.is_healthy(&2) {
        now = manager.poll_timeout().unwrap();
        manager.handle_timeout(now);
    }
    manager.handle_frame(&1, now);
    assert!(manager.is_healthy(&1));
    assert!(!manager.is_healthy(&2));
    assert!(!manager.is_healthy(&3), "unknown");
    let done = run(&mut manager, now + 20 * SECOND);
    assert!(done.contains(&(2, Action::DeclareDead)));
    assert!(!done.contains(&(1, Action::DeclareDead)));
}

#[test]
fn a_stopped_connection_is_heard_of_no_more() {
    let start = base();
    let mut manager = manager();
    manager.start(1, start);
    assert!(manager.stop(&1));
    assert!(!manager.stop(&1));
    assert!(manager.is_empty());
    assert_eq!(manager.poll_timeout(), None);
    assert_eq!(manager.stats(&1, start), None);
    assert_eq!(manager.handle_pong(&1, b"", start), None);
    manager.handle_frame(&1, start);
    assert_eq!(run(&mut manager, start + 1000 * SECOND), []);
}

#[test]
fn a_key_that_starts_again_starts_anew() {
    let start = base();
    let mut manager = manager();
    manager.start(1, start);
    run(&mut manager, start + 1000 * SECOND);
    assert!(!manager.start(1, start + 1000 * SECOND), "it was there");
    assert!(manager.is_healthy(&1));
    assert_eq!(manager.len(), 1);
    assert_eq!(run(&mut manager, start + 1045 * SECOND).len(), 4);
}

#[test]
fn the_summary_tells_of_all_and_reads_well() {
    let start = base();
    let mut manager = manager();
    assert_eq!(
        manager.summary(start).to_string(),
        "0 connections, 0 healthy, 0 unhealthy; latency unknown; 0 pings, 0 pongs, 0 declared dead"
    );
    for key in 0..3 {
        manager.start(key, start);
    }
    // Zero and one answer their pings after 20 and 40 ms, two never does.
    while let Some(at) = manager.poll_timeout().filter(|_| manager.summary(start).dead == 0) {
        if let Some((key @ (0 | 1), Action::SendPing(payload))) = manager.handle_timeout(at) {
            let latency = Duration::from_millis(20) * (key + 1);
            assert_eq!(manager.handle_pong(&key, &payload, at + latency), Some(latency));
        }
    }
    let now = manager.poll_timeout().unwrap();
    let summary = manager.summary(now);
    assert_eq!((summary.connections, summary.healthy, summary.unhealthy()), (3, 2, 1));
    assert_eq!(summary.pongs, 2);
    assert_eq!(summary.pings, 2 + 3);
    assert_eq!(
        summary.to_string(),
        "3 connections, 2 healthy, 1 unhealthy; latency 30.0ms average, 40.0ms max; \
         5 pings, 2 pongs, 1 declared dead"
    );
    manager.stop(&2);
    assert_eq!(manager.summary(now).dead, 1, "what happened stays counted");
    assert_eq!(manager.all_stats(now).count(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The registry does for each connection what a heartbeat of its own would do.
    #[test]
    fn any_sequence_leaves_one_deadline_for_each_living_connection(
        steps in proptest::collection::vec((0..5u8, 0..8u32, 0..9_000u64), 1..200),
    ) {
        let mut manager = manager();
        let mut now = base();
        let mut dead = std::collections::HashSet::new();
        for (what, key, millis) in steps {
            match what {
                0 => {
                    manager.start(key, now);
                    dead.remove(&key);
                }
                1 => {
                    manager.stop(&key);
                    dead.remove(&key);
                }
                2 => manager.handle_frame(&key, now),
                _ => now += Duration::from_millis(millis),
            }
            while let Some((key, action)) = manager.handle_timeout(now) {
                if action == Action::DeclareDead {
                    prop_assert!(dead.insert(key), "declared dead twice");
                }
            }
            prop_assert!(manager.poll_timeout().is_none_or(|at| at > now));
            prop_assert_eq!(manager.deadlines.len(), manager.len() - dead.len());
            for key in 0..8 {
                let watched = manager.watched.get(&key);
                prop_assert_eq!(watched.is_some_and(|it| it.armed.is_none()), dead.contains(&key));
            }
        }
    }
}
