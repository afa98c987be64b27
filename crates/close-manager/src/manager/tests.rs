use std::{
    collections::{BTreeSet, HashSet},
    num::{NonZeroU32, NonZeroUsize},
};

use tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::{Pace, Side, handshake::tests::base};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn restart() -> CloseOptions {
    CloseOptions::new(SendableCode::RESTART).reason("Server restart")
}

fn paced(per_second: u32) -> CloseOptions {
    restart().pace(Pace::new(NonZeroU32::new(per_second).unwrap(), 42))
}

/// What a world of peers saw: who was told and who was forced when, and the most that were in flight.
#[derive(Default)]
pub(super) struct Seen {
    told: Vec<(u32, Duration)>,
    forced: Vec<(u32, Duration)>,
    most_in_flight: usize,
}

/// Drives the manager until it is idle, on time. Peers answer after `latency`, if they do.
pub(super) fn run(
    manager: &mut GracefulCloseManager<u32>,
    start: Instant,
    latency: impl Fn(u32) -> Option<Duration>,
) -> Seen {
    let mut seen = Seen::default();
    let mut answers = BTreeSet::new();
    let mut now = start;
    loop {
        while let Some((at, key)) = answers.first().copied().filter(|&(at, _)| at <= now) {
            answers.remove(&(at, key));
            manager.handle_closed(&key, true, now);
        }
        manager.handle_timeout(now);
        while let Some((key, _)) = manager.poll_close(now) {
            seen.told.push((key, now - start));
            answers.extend(latency(key).map(|latency| (now + latency, key)));
            seen.most_in_flight = seen.most_in_flight.max(manager.in_flight);
        }
        while let Some(key) = manager.poll_force(now) {
            seen.forced.push((key, now - start));
        }
        let next = manager.poll_timeout().into_iter().chain(answers.first().map(|&(at, _)| at));
        match next.min() {
            Some(next) => now = now.max(next),
            None => return seen,
        }
    }
}

#[test]
fn closing_one_goes_from_frame_to_acknowledgement() {
    let now = base();
    let mut manager = GracefulCloseManager::default();
    assert!(manager.close_normal(7, "User disconnected", now));
    assert!(manager.is_closing(&7) && !manager.is_closing(&8));
    assert_eq!(manager.closing_count(), 1);
    let (key, frame) = manager.poll_close(now).unwrap();
    assert_eq!((key, frame.code, &*frame.reason), (7, CloseCode::Normal, "User disconnected"));
    assert_eq!(manager.poll_close(now), None);
    assert!(!manager.close_policy(7, "again", now), "it is closing already");
    assert_eq!(manager.poll_timeout(), Some(now + 5 * SECOND));
    manager.handle_closed(&7, true, now + 20 * MS);
    assert_eq!((manager.closing_count(), manager.poll_timeout()), (0, None));
    let report = manager.report();
    assert_eq!((report.total, report.acknowledged, report.took), (1, 1, 20 * MS));
    assert_eq!(report.handshake.unwrap().max, 20 * MS);
}

#[test]
fn each_named_close_sends_its_code() {
    let now = base();
    let mut manager = GracefulCloseManager::default();
    assert!(manager.close_normal(1000, "", now));
    assert!(manager.close_going_away(1001, "", now));
    assert!(manager.close_protocol_error(1002, "", now));
    assert!(manager.close_policy(1008, "", now));
    assert!(manager.close_too_big(1009, "", now));
    assert!(manager.close_internal_error(1011, "", now));
    assert!(manager.close_restart(1012, "", now));
    assert!(manager.close(3000, SendableCode::UNAUTHORIZED, "", now));
    let mut told = 0;
    while let Some((key, frame)) = manager.poll_close(now) {
        assert_eq!(u16::from(frame.code), key);
        told += 1;
    }
    assert_eq!(told, 8);
}

#[test]
fn one_that_does_not_answer_is_forced_once_at_its_deadline() {
    let now = base();
    let mut manager = GracefulCloseManager::new(2 * SECOND);
    manager.close_internal_error(1, "", now);
    let seen = run(&mut manager, now, |_| None);
    assert_eq!(seen.told, [(1, Duration::ZERO)]);
    assert_eq!(seen.forced, [(1, 2 * SECOND)]);
    assert_eq!(manager.poll_force(now + 9 * SECOND), None);
    assert_eq!(manager.report().forced, 1);
    manager.handle_closed(&1, true, now + 3 * SECOND);
    assert_eq!(manager.report().acknowledged, 0, "too late, it is not known any more");
}

#[test]
fn one_that_ends_in_the_instant_of_its_deadline_is_not_forced_as_well() {
    let now = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_normal(1, "", now);
    manager.close_normal(2, "", now);
    while manager.poll_close(now).is_some() {}
    let deadline = now + 5 * SECOND;
    manager.handle_timeout(deadline);
    manager.handle_closed(&1, true, deadline);
    manager.handle_closed(&2, false, deadline);
    assert_eq!(manager.poll_force(deadline), None);
    let report = manager.report();
    assert_eq!((report.acknowledged, report.dropped, report.forced), (1, 1, 0));
}

#[test]
fn metadata_says_code_reason_since_when_and_who() {
    let now = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_going_away(1, "Server maintenance", now);
    let frame = SendableCode::NORMAL.frame("bye");
    assert!(manager.handle_peer_close(2, Some(&frame), now + SECOND));
    assert!(manager.handle_peer_close(3, None, now + SECOND));
    let metadata = manager.metadata(&1).unwrap();
    assert_eq!(metadata.code, Some(CloseCode::Away));
    assert_eq!(&*metadata.reason, "Server maintenance");
    assert_eq!((metadata.since, metadata.started_by), (now, Side::Local));
    let metadata = manager.metadata(&2).unwrap();
    assert_eq!((metadata.code, &*metadata.reason), (Some(CloseCode::Normal), "bye"));
    assert_eq!((metadata.since, metadata.started_by), (now + SECOND, Side::Peer));
    assert_eq!(manager.metadata(&3).unwrap().code, None);
    assert_eq!(manager.metadata(&4), None);
    assert_eq!(manager.all_metadata().count(), 3);
}

#[test]
fn a_peer_that_began_is_not_told_and_has_a_deadline() {
    let now = base();
    let mut manager = GracefulCloseManager::default();
    assert!(manager.handle_peer_close(1, None, now));
    assert!(!manager.handle_peer_close(1, None, now), "known");
    assert!(!manager.close_normal(1, "", now));
    assert_eq!(manager.close_all([1], &restart(), now), 0);
    assert_eq!(manager.poll_close(now), None);
    let seen = run(&mut manager, now, |_| None);
    assert_eq!(seen.forced, [(1, 5 * SECOND)]);
}

#[test]
fn ten_thousand_that_answer_are_all_acknowledged() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    assert_eq!(manager.close_all(0..10_000, &restart(), start), 10_000);
    assert_eq!(manager.closing_count(), 10_000);
    let seen = run(&mut manager, start, |key| Some(MS * (key % 50)));
    assert_eq!((seen.told.len(), seen.forced.len()), (10_000, 0));
    assert!(seen.most_in_flight <= 1000, "{} in flight", seen.most_in_flight);
    let report = manager.report();
    assert!(report.is_done());
    assert_eq!((report.total, report.acknowledged), (10_000, 10_000));
    assert!(report.took < SECOND, "{report}");
}

#[test]
fn the_bound_holds_while_peers_answer() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    let options = restart().concurrency(NonZeroUsize::new(10).unwrap());
    manager.close_all(0..1000, &options, start);
    let seen = run(&mut manager, start, |_| Some(10 * MS));
    assert_eq!(seen.most_in_flight, 10);
    assert_eq!(manager.report().took, SECOND, "a hundred rounds of ten milliseconds");
}

#[test]
fn every_peer_is_told_before_the_deadline_though_none_answers() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    let options = restart().concurrency(NonZeroUsize::new(10).unwrap()).timeout(10 * SECOND);
    manager.close_all(0..1000, &options, start);
    let seen = run(&mut manager, start, |_| None);
    assert_eq!(seen.told.len(), 1000);
    assert!(seen.told.iter().all(|&(_, at)| at <= 8 * SECOND), "a fifth is left to answer");
    // Spread evenly, not in one burst when the time is up.
    let by_half = seen.told.iter().filter(|&&(_, at)| at <= 4 * SECOND).count();
    assert!((495..=511).contains(&by_half), "{by_half} of 1000 at half the time");
    assert_eq!(seen.forced.len(), 1000);
    assert!(seen.forced.iter().all(|&(_, at)| at == 10 * SECOND), "one deadline for all");
    assert_eq!(manager.report().forced, 1000);
}

#[test]
fn half_that_never_answer_do_not_keep_the_other_half_from_a_clean_close() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_all(0..10_000, &restart(), start);
    run(&mut manager, start, |key| key.is_multiple_of(2).then_some(30 * MS));
    let report = manager.report();
    assert_eq!((report.acknowledged, report.forced), (5000, 5000));
    assert_eq!(report.took, 5 * SECOND);
}

#[test]
fn a_pace_spreads_the_batch_with_jitter() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_all(0..1000, &paced(200).timeout(60 * SECOND), start);
    let seen = run(&mut manager, start, |_| Some(MS));
    assert_eq!(seen.told.len(), 1000);
    let last = seen.told[999].1;
    assert!((4800 * MS..=5200 * MS).contains(&last), "1000 at 200 a second took {last:?}");
    let gaps: Vec<Duration> = seen.told.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert!(gaps.iter().all(|gap| (2500 * MS / 1000..7500 * MS / 1000).contains(gap)));
    assert!(gaps.iter().collect::<HashSet<_>>().len() > 900, "jittered");
}

#[test]
fn a_pace_too_slow_for_the_deadline_is_quickened() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    // At ten a second, a thousand would take a hundred seconds.
    manager.close_all(0..1000, &paced(10), start);
    let seen = run(&mut manager, start, |_| Some(MS));
    assert_eq!((seen.told.len(), seen.forced.len()), (1000, 0));
    assert!(seen.told[999].1 <= 4 * SECOND);
    assert_eq!(manager.report().acknowledged, 1000);
}

#[test]
fn a_late_timer_catches_up_ten_milliseconds_and_no_more() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_all(0..10_000, &paced(1000).timeout(60 * SECOND), start);
    assert!(manager.poll_close(start).is_some());
    let late = start + SECOND;
    let burst = std::iter::from_fn(|| manager.poll_close(late)).count();
    assert!((5..=25).contains(&burst), "{burst} at once after a second of sleep");
}

#[test]
fn a_timeout_of_zero_forces_all_at_once() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_all(0..10, &restart().timeout(Duration::ZERO), start);
    let seen = run(&mut manager, start, |_| Some(MS));
    assert_eq!((seen.told.len(), seen.forced.len()), (0, 10));
}

#[test]
fn one_that_ends_while_it_waits_is_already_closed_and_never_told() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_all(0..10, &restart().concurrency(NonZeroUsize::MIN), start);
    manager.poll_close(start).unwrap();
    for key in 1..9 {
        manager.handle_closed(&key, false, start);
    }
    manager.handle_closed(&0, false, start + MS);
    let seen = run(&mut manager, start + MS, |_| Some(MS));
    assert_eq!(seen.told, [(9, Duration::ZERO)]);
    let report = manager.report();
    assert_eq!((report.already_closed, report.dropped, report.acknowledged), (8, 1, 1));
}

#[test]
fn a_single_close_overtakes_the_batch() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_all(0..3, &paced(1).timeout(60 * SECOND), start);
    assert_eq!(manager.poll_close(start).unwrap().0, 0);
    assert!(manager.close_policy(2, "abuse", start), "waiting in the batch");
    assert!(manager.close_policy(9, "abuse", start), "not in it");
    assert!(!manager.close_policy(0, "abuse", start), "told already");
    for expect in [2, 9] {
        let (key, frame) = manager.poll_close(start).unwrap();
        assert_eq!((key, frame.code), (expect, CloseCode::Policy));
    }
    assert_eq!(manager.poll_close(start), None);
    let seen = run(&mut manager, start, |_| Some(MS));
    assert_eq!(seen.told.len(), 1, "only 1 was left");
    assert_eq!(manager.report().total, 4);
}

#[test]
fn a_second_batch_joins_the_first_with_its_own_code_and_deadline() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    let slow = restart().timeout(60 * SECOND).concurrency(NonZeroUsize::MIN);
    assert_eq!(manager.close_all(0..2, &slow, start), 2);
    let policy = CloseOptions::new(SendableCode::POLICY).timeout(SECOND);
    assert_eq!(manager.close_all([1, 2, 3], &policy, start), 2, "1 is in the first");
    let mut told = std::iter::from_fn(|| manager.poll_close(start)).collect::<Vec<_>>();
    told.sort_by_key(|(key, _)| *key);
    let codes: Vec<u16> = told.iter().map(|(_, frame)| frame.code.into()).collect();
    assert_eq!(codes, [1012, 1012, 1008, 1008]);
    let seen = run(&mut manager, start, |_| None);
    let by_key = seen.forced.into_iter().collect::<HashMap<_, _>>();
    assert_eq!((by_key[&0], by_key[&1]), (60 * SECOND, 60 * SECOND));
    assert_eq!((by_key[&2], by_key[&3]), (SECOND, SECOND));
}

#[test]
fn a_joining_batch_does_not_make_the_first_one_late() {
    let start = base();
    let mut manager = GracefulCloseManager::default();
    let one = NonZeroUsize::MIN;
    manager.close_all(0..100, &restart().concurrency(one), start);
    manager.close_all(100..200, &restart().concurrency(one).timeout(60 * SECOND), start);
    let seen = run(&mut manager, start, |_| None);
    assert_eq!(seen.told.len(), 200, "every one was told before it was forced");
}

#[test]
fn a_new_report_begins_when_all_was_closed() {
    let now = base();
    let mut manager = GracefulCloseManager::default();
    manager.close_all(0..5, &restart(), now);
    run(&mut manager, now, |_| Some(MS));
    assert_eq!(manager.report().total, 5);
    manager.close_normal(9, "", now);
    assert_eq!(manager.report().total, 1);
}

#[test]
fn an_empty_batch_is_done_at_once() {
    let now = base();
    let mut manager = GracefulCloseManager::<u32>::default();
    assert_eq!(manager.close_all([], &restart(), now), 0);
    assert_eq!((manager.poll_timeout(), manager.poll_close(now)), (None, None));
    assert!(manager.report().is_done());
}
