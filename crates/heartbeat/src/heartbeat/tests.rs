use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// The first ping of this seed goes at the end of the interval.
const FIRST_AT_INTERVAL: u64 = u64::MAX;

/// A fixed point from which a test counts.
#[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
pub(crate) fn base() -> Instant {
    Instant::now()
}

fn heartbeat(start: Instant) -> Heartbeat {
    Heartbeat::new(HeartbeatConfig::default(), start, FIRST_AT_INTERVAL)
}

fn expect_ping(action: Option<Action>) -> [u8; 8] {
    match action {
        Some(Action::SendPing(payload)) => payload,
        other => panic!("expected a ping, got {other:?}"),
    }
}

/// Fires every deadline up to and including `until`, on time, and tells what was done when.
fn run(heartbeat: &mut Heartbeat, start: Instant, until: Duration) -> Vec<(Duration, Action)> {
    let mut done = Vec::new();
    while let Some(at) = heartbeat.poll_timeout().filter(|&at| at <= start + until) {
        done.extend(heartbeat.handle_timeout(at).map(|action| (at - start, action)));
    }
    done
}

#[test]
fn a_heartbeat_takes_eighty_bytes() {
    assert_eq!(size_of::<Heartbeat>(), 80);
}

#[test]
fn a_peer_that_vanishes_is_pinged_at_30_35_40_and_dead_at_45_seconds() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let done = run(&mut heartbeat, start, 1000 * SECOND);
    let when: Vec<u64> = done.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(when, [30, 35, 40, 45]);
    for (_, action) in &done[..3] {
        expect_ping(Some(*action));
    }
    assert_eq!(done[3].1, Action::DeclareDead);
    assert!(heartbeat.is_dead());
}

#[test]
fn missed_pongs_declare_the_peer_dead_once() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    run(&mut heartbeat, start, 45 * SECOND);
    assert_eq!(heartbeat.poll_timeout(), None);
    for later in [45, 46, 100, 100_000] {
        assert_eq!(heartbeat.handle_timeout(start + later * SECOND), None);
    }
}

#[test]
fn nothing_brings_the_dead_back() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let done = run(&mut heartbeat, start, 45 * SECOND);
    let last_ping = expect_ping(Some(done[2].1));
    let later = start + 46 * SECOND;
    assert_eq!(heartbeat.handle_pong(&last_ping, later), None);
    heartbeat.handle_frame(later);
    assert_eq!(heartbeat.poll_timeout(), None);
    assert!(heartbeat.is_dead() && !heartbeat.is_healthy());
}

#[test]
fn a_timer_that_fires_early_does_nothing() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    assert_eq!(heartbeat.handle_timeout(start + 29 * SECOND), None);
    assert_eq!(heartbeat.poll_timeout(), Some(start + 30 * SECOND));
    expect_ping(heartbeat.handle_timeout(start + 30 * SECOND));
    assert_eq!(heartbeat.handle_timeout(start + 34 * SECOND), None);
    assert_eq!(heartbeat.stats(start + 34 * SECOND).missed, 0);
}

#[test]
fn a_connection_that_talks_fires_once_an_interval_and_is_never_pinged() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let mut fired = 0;
    for tenth in 1..=36_000u32 {
        let now = start + tenth * (SECOND / 10);
        heartbeat.handle_frame(now);
        if heartbeat.poll_timeout().unwrap() <= now {
            fired += 1;
            assert_eq!(heartbeat.handle_timeout(now), None);
        }
    }
    assert_eq!(fired, 3600 / 30, "an hour of traffic");
    assert_eq!(heartbeat.stats(start + 3600 * SECOND).pings, 0);
}

#[test]
fn traffic_never_moves_the_armed_deadline() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let armed = heartbeat.poll_timeout();
    heartbeat.handle_frame(start + 20 * SECOND);
    assert_eq!(heartbeat.poll_timeout(), armed);
    assert_eq!(heartbeat.handle_timeout(start + 30 * SECOND), None);
    assert_eq!(heartbeat.poll_timeout(), Some(start + 50 * SECOND), "20 s + the interval");
}

#[test]
fn a_matching_pong_is_a_round_trip_and_ends_the_wait() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let payload = expect_ping(heartbeat.handle_timeout(start + 30 * SECOND));
    let now = start + 30 * SECOND + Duration::from_micros(1234);
    assert_eq!(heartbeat.handle_pong(&payload, now), Some(Duration::from_micros(1234)));
    assert_eq!(heartbeat.poll_timeout(), Some(now + 30 * SECOND));
    assert_eq!(heartbeat.handle_pong(&payload, now), None, "a second time");
    let stats = heartbeat.stats(now);
    assert_eq!((stats.pings, stats.pongs, stats.missed), (1, 1, 0));
    assert_eq!(stats.latency.unwrap().last, Duration::from_micros(1234));
}

#[test]
fn a_pong_in_the_instant_of_its_ping_counts() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let payload = expect_ping(heartbeat.handle_timeout(start + 30 * SECOND));
    assert_eq!(heartbeat.handle_pong(&payload, start + 30 * SECOND), Some(Duration::ZERO));
}

#[test]
fn a_frame_in_the_instant_of_the_ping_proves_life() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    expect_ping(heartbeat.handle_timeout(start + 30 * SECOND));
    heartbeat.handle_frame(start + 30 * SECOND);
    assert_eq!(heartbeat.handle_timeout(start + 35 * SECOND), None);
    assert_eq!(heartbeat.stats(start + 35 * SECOND).missed, 0);
}

#[test]
fn a_pong_that_matches_nothing_proves_life_and_measures_nothing() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    assert_eq!(heartbeat.handle_pong(b"unasked", start + SECOND), None);
    let first = expect_ping(heartbeat.handle_timeout(start + 31 * SECOND));
    assert_eq!(heartbeat.handle_pong(b"", start + 31 * SECOND), None);
    assert_eq!(heartbeat.handle_timeout(start + 36 * SECOND), None, "it was life");
    let second = expect_ping(heartbeat.handle_timeout(start + 61 * SECOND));
    assert_ne!(first, second);
    assert_eq!(heartbeat.handle_pong(&first, start + 62 * SECOND), None, "an older ping");
    assert_eq!(heartbeat.stats(start + 62 * SECOND).latency, None);
}

#[test]
fn another_frame_prevents_the_miss_and_the_late_pong_is_a_measure_all_the_same() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let payload = expect_ping(heartbeat.handle_timeout(start + 30 * SECOND));
    heartbeat.handle_frame(start + 31 * SECOND);
    assert_eq!(heartbeat.handle_timeout(start + 35 * SECOND), None);
    assert_eq!(heartbeat.poll_timeout(), Some(start + 61 * SECOND), "31 s + the interval");
    heartbeat.handle_frame(start + 60 * SECOND);
    assert_eq!(heartbeat.handle_timeout(start + 61 * SECOND), None);
    assert_eq!(heartbeat.handle_pong(&payload, start + 62 * SECOND), Some(32 * SECOND));
    assert_eq!(heartbeat.stats(start + 62 * SECOND).missed, 0);
}

#[test]
fn a_pong_an_hour_late_is_forgotten() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let payload = expect_ping(heartbeat.handle_timeout(start + 30 * SECOND));
    let mut now = start + 30 * SECOND;
    for _ in 0..300 {
        now += 20 * SECOND;
        heartbeat.handle_frame(now);
        assert_eq!(heartbeat.handle_timeout(now), None);
    }
    assert_eq!(heartbeat.handle_pong(&payload, now), None);
}

#[test]
fn a_frame_between_misses_starts_the_count_again() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    run(&mut heartbeat, start, 40 * SECOND);
    assert_eq!(heartbeat.stats(start + 40 * SECOND).missed_in_a_row, 2);
    assert!(!heartbeat.is_healthy());
    heartbeat.handle_frame(start + 44 * SECOND);
    assert!(heartbeat.is_healthy(), "at once, not when the timer fires");
    let done = run(&mut heartbeat, start, 1000 * SECOND);
    let when: Vec<u64> = done.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(when, [74, 79, 84, 89], "44 s + 45 s");
    assert_eq!(heartbeat.stats(start + 89 * SECOND).missed, 2 + 3);
}

#[test]
fn first_pings_are_spread_and_the_spread_survives_a_greeting() {
    let start = base();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..1000u64 {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut heartbeat = Heartbeat::new(HeartbeatConfig::default(), start, seed);
        // All clients of a wave say hello at the same time; that must not bring them into step.
        heartbeat.handle_frame(start + SECOND);
        let (at, _) = run(&mut heartbeat, start, 100 * SECOND)[0];
        assert!((16 * SECOND..=31 * SECOND).contains(&at), "{at:?}");
        seen.insert(at);
    }
    assert!(seen.len() > 900, "only {} different times", seen.len());
}

#[test]
fn payloads_differ_by_seed_and_by_ping() {
    let start = base();
    let mut seen = std::collections::HashSet::new();
    for seed in 0..100 {
        let mut heartbeat = Heartbeat::new(HeartbeatConfig::default(), start, seed);
        for (_, action) in run(&mut heartbeat, start, 100 * SECOND) {
            if let Action::SendPing(payload) = action {
                assert!(seen.insert(payload));
            }
        }
    }
    assert_eq!(seen.len(), 300);
}

#[test]
fn latency_is_last_smoothed_and_max() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    for millis in [80, 160, 8] {
        let at = heartbeat.poll_timeout().unwrap();
        let payload = expect_ping(heartbeat.handle_timeout(at));
        heartbeat.handle_pong(&payload, at + Duration::from_millis(millis));
    }
    let latency = heartbeat.stats(start).latency.unwrap();
    assert_eq!(latency.last, Duration::from_millis(8));
    assert_eq!(latency.max, Duration::from_millis(160));
    // (80 × 7 + 160) / 8 = 90; (90 × 7 + 8) / 8 = 79.75.
    assert_eq!(latency.smoothed, Duration::from_micros(79_750));
}

#[test]
fn silence_is_counted_from_the_last_frame_through_pings_and_death() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    heartbeat.handle_frame(start + 2 * SECOND);
    for seconds in [3, 31, 33, 40, 46, 47, 60] {
        run(&mut heartbeat, start, seconds * SECOND);
        let stats = heartbeat.stats(start + seconds * SECOND);
        assert_eq!(stats.silent_for, (seconds - 2) * SECOND, "at {seconds} s");
    }
    assert!(heartbeat.is_dead());
}

#[test]
fn a_driver_that_overslept_gives_the_peer_its_full_timeout() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    // The machine was suspended for ten hours; more than the offsets hold.
    let woke = start + 36_000 * SECOND;
    expect_ping(heartbeat.handle_timeout(woke));
    assert_eq!(heartbeat.poll_timeout(), Some(woke + 5 * SECOND));
    heartbeat.handle_frame(woke + SECOND);
    assert_eq!(heartbeat.handle_timeout(woke + 5 * SECOND), None);
    assert_eq!(heartbeat.poll_timeout(), Some(woke + 31 * SECOND));
}

#[test]
fn a_clock_that_is_read_once_for_a_batch_does_no_harm() {
    let start = base();
    let mut heartbeat = heartbeat(start);
    let payload = expect_ping(heartbeat.handle_timeout(start + 30 * SECOND));
    // The read was stamped before the ping went out.
    heartbeat.handle_frame(start + 29 * SECOND);
    assert_eq!(heartbeat.handle_pong(&payload, start + 29 * SECOND), Some(Duration::ZERO));
}
