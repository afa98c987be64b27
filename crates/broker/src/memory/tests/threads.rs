//! Many threads at once.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::*;

const THREADS: usize = 8;
const EACH: usize = 2_000;

/// Appends to other logs from within, which nobody may: it must not hang for all that.
struct Meddler {
    engine: Arc<Memory>,
    notes: Notes,
}

impl Listener for Meddler {
    fn handle_message(&self, _topic: &str, _payload: Bytes) {}

    fn handle_entry(&self, log: &str, entry: Entry) {
        if entry.position.offset < 10 {
            append(&self.engine, log, "again");
        }
        self.notes.handle_entry(log, entry);
    }

    fn handle_status(&self, _status: &Status) {}
}

#[test]
fn entries_are_told_in_order_whoever_appends() {
    let cluster = MemoryCluster::new();
    let nodes: Vec<_> = (0..THREADS).map(|_| cluster.node()).collect();
    let notes: Vec<_> = nodes.iter().map(|node| Notes::of(node)).collect();
    for node in &nodes {
        now(node.follow(&log("h:a"))).unwrap();
    }
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..EACH {
                    append(node, "h:a", "x");
                }
            });
        }
    });
    for notes in notes {
        let entries = notes.entries.lock();
        assert_eq!(entries.len(), THREADS * EACH);
        for (index, (_, entry)) in entries.iter().enumerate() {
            assert_eq!((entry.previous, entry.position.offset), (index as u64, index as u64 + 1));
        }
    }
}

#[test]
fn who_leaves_and_follows_again_is_told_one_thing_at_a_time_in_order() {
    /// Notices what comes beside or behind something newer.
    #[derive(Default)]
    struct Watchful {
        is_told: AtomicBool,
        last: Mutex<u64>,
        wrong: AtomicUsize,
        told: AtomicUsize,
    }
    impl Watchful {
        fn hear(&self, number: u64) {
            let is_alone = !self.is_told.swap(true, Ordering::AcqRel);
            thread::yield_now();
            let last = std::mem::replace(&mut *self.last.lock(), number);
            self.wrong.fetch_add(usize::from(!is_alone || number <= last), Ordering::AcqRel);
            self.told.fetch_add(1, Ordering::AcqRel);
            self.is_told.store(false, Ordering::Release);
        }
    }
    impl Listener for Watchful {
        fn handle_message(&self, _topic: &str, _payload: Bytes) {}
        fn handle_entry(&self, _log: &str, entry: Entry) {
            self.hear(entry.position.offset);
        }
        fn handle_status(&self, _status: &Status) {}
    }
    let engine = Memory::with_config(MemoryConfig { waiting_max: 4, ..MemoryConfig::default() });
    let watchful = Arc::new(Watchful::default());
    engine.start(watchful.clone());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    // It may be too much for who listens.
                    let _ = now(engine.append(&log("h:a"), "x".into(), None));
                }
            });
        }
        for _ in 0..60 {
            now(engine.follow(&log("h:a"))).unwrap();
            thread::yield_now();
            engine.unfollow(&log("h:a"));
        }
        is_over.store(true, Ordering::Release);
    });
    assert_eq!(watchful.wrong.load(Ordering::Acquire), 0);
    assert!(watchful.told.load(Ordering::Acquire) > 0);
    append(&engine, "h:a", "x");
    assert_eq!(engine.stats().logs.followed, 0, "nothing is left of those who left");
}

#[test]
fn nobody_waits_for_a_listener_that_somebody_else_is_telling() {
    /// Stays with the first entry until it is told to go on.
    struct Slow {
        first: Arc<Barrier>,
        go_on: Arc<Barrier>,
        was_first: AtomicBool,
        notes: Notes,
    }
    impl Listener for Slow {
        fn handle_message(&self, _topic: &str, _payload: Bytes) {}
        fn handle_entry(&self, log: &str, entry: Entry) {
            if !self.was_first.swap(true, Ordering::AcqRel) {
                self.first.wait();
                self.go_on.wait();
            }
            self.notes.handle_entry(log, entry);
        }
        fn handle_status(&self, _status: &Status) {}
    }
    let engine = Memory::with_config(MemoryConfig { waiting_max: 2, ..MemoryConfig::default() });
    let (first, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let slow = Arc::new(Slow {
        first: Arc::clone(&first),
        go_on: Arc::clone(&go_on),
        was_first: AtomicBool::new(false),
        notes: Notes::default(),
    });
    engine.start(slow.clone());
    now(engine.follow(&log("h:a"))).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| append(&engine, "h:a", "0"));
        first.wait();
        append(&engine, "h:a", "1");
        append(&engine, "h:a", "2");
        let too_much = now(engine.append(&log("h:a"), "3".into(), None));
        assert_eq!(too_much, Err(EngineError::Overloaded { kind: "memory" }));
        // Nothing of it was done, and other logs are not concerned.
        assert_eq!(read(&engine, "h:a", 0).entries.len(), 3);
        append(&engine, "h:b", "0");
        go_on.wait();
    });
    assert_eq!(slow.notes.payloads(), ["0", "1", "2"]);
    assert_eq!(engine.stats().logs.overloaded, 1);
}

#[test]
fn a_listener_that_asks_from_within_does_not_hang() {
    let engine = Arc::new(Memory::new());
    let meddler = Arc::new(Meddler { engine: Arc::clone(&engine), notes: Notes::default() });
    engine.start(meddler.clone());
    now(engine.follow(&log("h:a"))).unwrap();
    append(&engine, "h:a", "first");
    let entries = meddler.notes.entries.lock();
    let offsets: Vec<u64> = entries.iter().map(|(_, entry)| entry.position.offset).collect();
    assert_eq!(offsets, (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_listener_that_panics_stops_nobody() {
    /// Once, and never again.
    #[derive(Default)]
    struct Panicking {
        has: AtomicBool,
        notes: Notes,
    }
    impl Listener for Panicking {
        fn handle_message(&self, _topic: &str, _payload: Bytes) {}
        fn handle_entry(&self, log: &str, entry: Entry) {
            assert!(self.has.swap(true, Ordering::AcqRel), "once");
            self.notes.handle_entry(log, entry);
        }
        fn handle_status(&self, _status: &Status) {}
    }
    let engine = Arc::new(Memory::new());
    let listener = Arc::new(Panicking::default());
    engine.start(listener.clone());
    now(engine.follow(&log("h:a"))).unwrap();
    let other = Arc::clone(&engine);
    assert!(thread::spawn(move || append(&other, "h:a", "0")).join().is_err());
    append(&engine, "h:a", "1");
    assert_eq!(listener.notes.payloads(), ["1"]);
}
