use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

const IDLE: Duration = Duration::from_secs(60);

/// A connection that is as healthy as it is told to be.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) is_sick: AtomicBool,
}

impl Poolable for Fake {
    type Error = Infallible;

    fn is_healthy(&self) -> bool {
        !self.is_sick.load(Ordering::Relaxed)
    }

    async fn close(&self) {}
}

/// What was done, in short.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    Granted(&'static str, u64),
    Opened(&'static str, u64),
    Closed,
    Refused(&'static str),
}

use Done::{Closed, Granted, Opened, Refused};

/// Slots whose openings succeed at once, and whose closings wait to be finished.
struct Rig {
    slots: Slots<Fake, &'static str>,
    now: Instant,
    closing: Vec<Arc<Place>>,
}

impl Rig {
    fn new(connections_max: usize, connections_per_host_max: usize) -> Self {
        let config = PoolConfig {
            connections_max,
            connections_per_host_max,
            idle_timeout: IDLE,
            ..PoolConfig::default()
        };
        let now = tokio::time::Instant::now().into_std();
        Self { slots: Slots::new(config), now, closing: Vec::new() }
    }

    fn ask(&mut self, url: &str, waiter: &'static str) -> Vec<Done> {
        self.slots.ask(Place::new(url, "token"), waiter);
        self.act()
    }

    /// Asks, expects a new connection, and returns its id.
    fn open(&mut self, url: &str) -> u64 {
        let [Opened("open", id)] = self.ask(url, "open")[..] else { panic!("none was opened") };
        id
    }

    fn release(&mut self, id: u64) -> Vec<Done> {
        self.slots.handle_released(id, self.now);
        self.act()
    }

    /// The oldest closing is over.
    fn finish(&mut self) -> Vec<Done> {
        let place = self.closing.remove(0);
        self.slots.handle_closed(&place);
        self.act()
    }

    fn pass(&mut self, time: Duration) -> Vec<Done> {
        self.now += time;
        self.slots.handle_timeout(self.now);
        self.act()
    }

    fn sicken(&self, id: u64) {
        self.slots.used[&id].connection.is_sick.store(true, Ordering::Relaxed);
    }

    fn act(&mut self) -> Vec<Done> {
        let mut done = Vec::new();
        while let Some(action) = self.slots.poll_action(self.now) {
            done.push(match action {
                Action::Grant { waiter, id, .. } => Granted(waiter, id),
                Action::Open { waiter, place } => {
                    let id = self.slots.handle_opened(place, Arc::default());
                    Opened(waiter, id.expect("the pool is open"))
                }
                Action::Close { place, .. } => {
                    self.closing.push(place);
                    Closed
                }
                Action::Refuse { waiter } => Refused(waiter),
            });
        }
        done
    }
}

#[test]
fn the_latest_idle_connection_is_taken_again() {
    let mut rig = Rig::new(8, 8);
    let (first, second) = (rig.open("ws://a/"), rig.open("ws://a/"));
    assert_eq!((rig.release(first), rig.release(second)), (vec![], vec![]));
    assert_eq!(rig.slots.metrics(), PoolMetrics { open: 2, idle: 2, waiting: 0 });
    let latest = Arc::clone(&rig.slots.idle[1].member.connection);
    let [Granted("again", id)] = rig.ask("ws://a/", "again")[..] else { panic!("none was idle") };
    assert!(Arc::ptr_eq(&rig.slots.used[&id].connection, &latest));
    assert!(rig.release(first).is_empty(), "it was released before");
    assert_eq!(rig.slots.metrics(), PoolMetrics { open: 2, idle: 1, waiting: 0 });
}

#[test]
fn only_the_same_url_and_token_share() {
    let mut rig = Rig::new(8, 8);
    let id = rig.open("ws://a/one");
    rig.release(id);
    assert!(matches!(rig.ask("ws://a/two", "other url")[..], [Opened(..)]));
    rig.slots.ask(Place::new("ws://a/one", "another"), "other token");
    assert!(matches!(rig.act()[..], [Opened(..)]));
}

#[test]
fn a_full_host_makes_nobody_else_wait() {
    let mut rig = Rig::new(8, 1);
    let first = rig.open("ws://a/");
    assert_eq!(rig.ask("ws://a/", "waits"), []);
    assert!(matches!(rig.ask("ws://b/", "does not")[..], [Opened("does not", _)]));
    assert!(matches!(rig.release(first)[..], [Granted("waits", _)]));
}

#[test]
fn waiters_are_served_in_their_order() {
    let mut rig = Rig::new(1, 1);
    let mut id = rig.open("ws://a/");
    for waiter in ["first", "second", "third"] {
        assert_eq!(rig.ask("ws://a/", waiter), []);
    }
    for waiter in ["first", "second", "third"] {
        let [Granted(served, next)] = rig.release(id)[..] else { panic!("nobody is served") };
        assert_eq!(served, waiter);
        id = next;
    }
}

#[test]
fn what_is_idle_makes_way_when_it_is_closed() {
    let mut rig = Rig::new(2, 1);
    let (a, b) = (rig.open("ws://a/one"), rig.open("ws://b/"));
    rig.release(b);
    rig.release(a);
    // The host is full: one of its own goes, though another was idle for longer.
    assert_eq!(rig.ask("ws://a/two", "same host"), [Closed]);
    assert_eq!(&*rig.closing[0].host, "a:80");
    assert_eq!(rig.ask("ws://c/", "all are full"), [Closed], "another one for another waiter");
    assert_eq!(&*rig.closing[1].host, "b:80");
    assert_eq!(rig.slots.metrics(), PoolMetrics { open: 2, idle: 0, waiting: 2 });
    assert!(matches!(rig.finish()[..], [Opened("same host", _)]));
    assert!(matches!(rig.finish()[..], [Opened("all are full", _)]));
}

#[test]
fn one_that_comes_back_serves_the_first_in_the_line() {
    let mut rig = Rig::new(1, 1);
    let id = rig.open("ws://a/");
    assert_eq!(rig.ask("ws://b/", "first"), []);
    assert_eq!(rig.ask("ws://a/", "second"), []);
    // It would suit the second, and it is the place of it that the first gets.
    assert_eq!(rig.release(id), [Closed]);
    assert!(matches!(rig.finish()[..], [Opened("first", _)]));
}

#[test]
fn who_went_away_is_not_served() {
    let mut rig = Rig::new(1, 1);
    let id = rig.open("ws://a/");
    let ticket = rig.slots.ask(Place::new("ws://a/", "token"), "gone");
    assert_eq!(rig.ask("ws://a/", "waits"), []);
    rig.slots.cancel(ticket);
    assert!(matches!(rig.release(id)[..], [Granted("waits", _)]));
    rig.slots.cancel(ticket);
}

#[test]
fn what_is_idle_for_long_or_has_stopped_goes() {
    let mut rig = Rig::new(8, 8);
    let ids = [(); 3].map(|()| rig.open("ws://a/"));
    rig.release(ids[0]);
    assert_eq!(rig.slots.poll_timeout(), Some(rig.now + IDLE));
    assert_eq!(rig.pass(IDLE / 2), []);
    rig.release(ids[1]);
    assert_eq!(rig.pass(IDLE / 2), [Closed]);
    assert_eq!(rig.slots.poll_timeout(), Some(rig.now + IDLE / 2));

    // One that stopped in use is not kept; one that stops while it is idle is not given out.
    rig.sicken(ids[2]);
    assert_eq!(rig.release(ids[2]), [Closed]);
    rig.slots.idle[0].member.connection.is_sick.store(true, Ordering::Relaxed);
    assert!(matches!(rig.ask("ws://a/", "next")[..], [Closed, Opened("next", _)]));
    assert_eq!(rig.slots.poll_timeout(), None);
    assert_eq!(rig.slots.metrics(), PoolMetrics { open: 4, idle: 0, waiting: 0 });
    for _ in 0..3 {
        assert_eq!(rig.finish(), []);
    }
    assert_eq!(rig.slots.metrics(), PoolMetrics { open: 1, idle: 0, waiting: 0 });
}

#[test]
fn the_time_takes_what_stopped_while_it_was_idle() {
    let mut rig = Rig::new(8, 8);
    let ids = [rig.open("ws://a/"), rig.open("ws://b/")];
    rig.release(ids[0]);
    rig.release(ids[1]);
    rig.slots.idle[1].member.connection.is_sick.store(true, Ordering::Relaxed);
    assert_eq!(rig.pass(Duration::ZERO), [Closed]);
    assert_eq!(&*rig.closing[0].host, "b:80");
}

#[test]
fn a_place_whose_opening_failed_is_free() {
    let mut rig = Rig::new(1, 1);
    rig.slots.ask(Place::new("ws://a/", "token"), "fails");
    let Some(Action::Open { place, .. }) = rig.slots.poll_action(rig.now) else {
        panic!("no room")
    };
    assert_eq!(rig.ask("ws://b/", "next"), []);
    rig.slots.handle_failed(&place);
    assert!(matches!(rig.act()[..], [Opened("next", _)]));
    assert_eq!(rig.slots.hosts.len(), 1, "nothing is kept of a host without connections");
}

#[test]
fn a_closed_pool_refuses_and_keeps_nothing() {
    let mut rig = Rig::new(3, 3);
    let ids = [(); 3].map(|()| rig.open("ws://a/"));
    rig.release(ids[0]);
    rig.slots.start_retirement();
    assert_eq!(rig.act(), [Closed], "what is in use may go on");
    assert_eq!(rig.ask("ws://a/", "late"), [Refused("late")]);
    assert_eq!(rig.release(ids[1]), [Closed]);
    rig.slots.start_close();
    assert_eq!(rig.act(), [Closed]);
    assert_eq!(rig.release(ids[2]), [], "it is closed already");
    for _ in 0..3 {
        assert!(!rig.slots.is_all_closed());
        rig.finish();
    }
    assert!(rig.slots.is_all_closed());
    assert_eq!(rig.slots.metrics(), PoolMetrics::default());

    rig.slots.count(&Place::new("ws://a/", "token"), |counts| counts.open += 1);
    let opened = rig.slots.handle_opened(Place::new("ws://a/", "token"), Arc::default());
    assert_eq!(opened, None, "its opening took longer than the pool lived");
    assert_eq!(rig.act(), [Closed]);
}
