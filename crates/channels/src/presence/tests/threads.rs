//! Many threads about one room: what it is told comes in the order in which it happened.

use std::{
    collections::BTreeSet,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64},
    },
    thread,
};

use super::*;

const THREADS: u64 = 4;
const ROUNDS: u64 = 1_000;

/// What the room was told, in that order, and who believes it.
#[derive(Default)]
struct Told(Mutex<BTreeSet<Arc<str>>>);

impl Told {
    fn joined(&self, user: &Arc<str>) {
        // Lets others go first, if anything can make them.
        thread::yield_now();
        assert!(self.0.lock().insert(user.clone()), "{user} is told to join twice");
    }

    fn left(&self, user: &Arc<str>) {
        thread::yield_now();
        assert!(self.0.lock().remove(user), "{user} is told to leave twice");
    }

    fn event(&self, event: PresenceEvent) {
        match event {
            PresenceEvent::Left { user, .. } => self.left(&user),
            PresenceEvent::Difference(told) => {
                told.joined.iter().for_each(|user| self.joined(user));
                told.left.iter().for_each(|user| self.left(user));
            }
        }
    }
}

#[test]
fn with_a_turn_for_each_change_nothing_is_told_out_of_order() {
    // About the boundary, so that changes are told at once and collected by turns.
    let presence = large(2, 100);
    let (told, start) = (Told::default(), Barrier::new(THREADS as usize + 1));
    let (clock, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let come_and_go = |first: u64| {
        start.wait();
        for round in 0..ROUNDS {
            let now = millis(clock.fetch_add(50, Ordering::Relaxed));
            // All threads are connections of the same four users.
            let user = user(&format!("user-{}", (first + round) % 4));
            let turn = presence.turn(&room());
            if presence.join(&room(), &user, now).announcement == Announcement::Now {
                told.joined(&user);
            }
            drop(turn);
            let departure = if round % 3 == 0 { Departure::Lost } else { Departure::Meant };
            let turn = presence.turn(&room());
            let change = presence.leave(&room(), &user, departure, now);
            if change.announcement == Announcement::Now {
                told.left(&user);
            }
            drop(turn);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|first| scope.spawn(move || come_and_go(first))).collect();
        scope.spawn(|| {
            start.wait();
            while !done.load(Ordering::Acquire) {
                let now = millis(clock.load(Ordering::Relaxed));
                presence.handle_timeout(now, |event| {
                    // Questions wait for no turn.
                    assert!(presence.count(&room()) <= 4);
                    told.event(event);
                });
                thread::yield_now();
            }
        });
        let ends: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Release);
        assert!(ends.iter().all(Result::is_ok));
    });
    let end = clock.into_inner();
    presence.handle_timeout(millis(end + GRACE), |event| told.event(event));
    presence.handle_timeout(millis(end + 2 * GRACE), |event| told.event(event));
    assert!(told.0.lock().is_empty());
    assert_eq!(presence.stats(), PresenceStats::default());
}
