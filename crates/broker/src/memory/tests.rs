//! The engine as a whole: its bounds, its order under threads, its switches.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;

use super::*;
use crate::{Entry, Keep, WhenFull};

mod bounds;
mod switches;
mod threads;

const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(100).unwrap(),
    ttl: Duration::from_secs(60),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};
const ALL: ReadLimits = ReadLimits { entries_max: u32::MAX, bytes_max: usize::MAX };

/// What a node was told.
#[derive(Default)]
struct Notes {
    messages: Mutex<Vec<(String, Bytes)>>,
    entries: Mutex<Vec<(String, Entry)>>,
    statuses: Mutex<Vec<Status>>,
}

impl Listener for Notes {
    fn handle_message(&self, topic: &str, payload: Bytes) {
        self.messages.lock().push((topic.to_owned(), payload));
    }

    fn handle_entry(&self, log: &str, entry: Entry) {
        self.entries.lock().push((log.to_owned(), entry));
    }

    fn handle_status(&self, status: &Status) {
        self.statuses.lock().push(status.clone());
    }
}

impl Notes {
    fn of(engine: &Memory) -> Arc<Self> {
        let notes = Arc::new(Self::default());
        engine.start(notes.clone());
        notes
    }

    fn payloads(&self) -> Vec<Bytes> {
        self.entries.lock().iter().map(|(_, entry)| entry.payload.clone()).collect()
    }
}

fn log(name: &str) -> Log<'_> {
    Log { name, keep: &KEEP }
}

/// What is answered at the first poll.
fn now<T>(answer: Answer<T>) -> Result<T, EngineError> {
    answer.now_or_never().unwrap()
}

fn append(engine: &Memory, name: &str, payload: &str) -> Appended {
    now(engine.append(&log(name), payload.to_owned().into(), None)).unwrap()
}

fn read(engine: &Memory, name: &str, after: u64) -> Page {
    now(engine.read(&log(name), after, ALL)).unwrap()
}

#[test]
fn every_answer_is_there_at_the_first_poll() {
    let engine = Memory::new();
    let notes = Notes::of(&engine);
    now(engine.subscribe("ch:a")).unwrap();
    now(engine.follow(&log("h:a"))).unwrap();
    engine.publish("ch:a", "hello".into()).unwrap();
    assert_eq!(*notes.messages.lock(), [("ch:a".to_owned(), "hello".into())]);
    append(&engine, "h:a", "one");
    assert_eq!(notes.payloads(), ["one"]);
    assert_eq!(read(&engine, "h:a", 0).entries.len(), 1);
    now(engine.remove(&log("h:a"), &[1])).unwrap();
    let revision = now(engine.put("user:a", Some("there".into()), None)).unwrap().unwrap();
    assert_eq!(now(engine.get("user:a")).unwrap().unwrap().revision, revision);
    assert_eq!(now(engine.keys("user:")).unwrap(), ["user:a"]);
    assert_eq!((engine.kind(), engine.is_shared(), engine.status()), ("memory", false, Status::Up));
}

#[test]
fn two_starts_have_no_epoch_in_common() {
    let epochs: std::collections::HashSet<u64> =
        (0..100).map(|_| read(&Memory::new(), "h:a", 0).head.epoch).collect();
    assert_eq!(epochs.len(), 100);
    assert!(epochs.iter().all(|epoch| *epoch < 1 << 52), "there is room for what is forgotten");
}

#[test]
fn what_was_done_is_counted() {
    let engine = Memory::new();
    let _notes = Notes::of(&engine);
    now(engine.follow(&log("h:a"))).unwrap();
    now(engine.subscribe("ch:a")).unwrap();
    for _ in 0..3 {
        now(engine.append(&log("h:a"), "one".into(), Some("event"))).unwrap();
    }
    append(&engine, "h:b", "two");
    let refusing = Keep { entries_max: NonZeroU32::MIN, when_full: WhenFull::Refuse, ..KEEP };
    let full = Log { name: "inbox:a", keep: &refusing };
    now(engine.append(&full, "three".into(), None)).unwrap();
    assert_eq!(now(engine.append(&full, "four".into(), None)), Err(EngineError::Full));
    read(&engine, "h:a", 0);
    read(&engine, "h:none", 0);
    now(engine.remove(&log("h:b"), &[1, 2])).unwrap();
    now(engine.put("user:a", Some("there".into()), None)).unwrap().unwrap();
    let stats = engine.stats();
    let expected = LogStats {
        logs: 3,
        followed: 1,
        entries: 2,
        bytes: stats.logs.bytes,
        appended: 3,
        repeated: 2,
        refused: 1,
        reads: 2,
        entries_read: 1,
        removed: 1,
        ..LogStats::default()
    };
    assert_eq!(stats.logs, expected);
    assert_eq!((stats.records, stats.topics), (1, 1));
}
