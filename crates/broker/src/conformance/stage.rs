//! Where a case plays: nodes of the engine, and what they are asked.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use super::{
    Fixture, Server,
    heard::{Heard, Notes},
};
use crate::{
    Answer, Appended, Conflict, Engine, EngineError, Entry, Keep, Log, Page, ReadLimits, Record,
    Revision, Status, WhenFull,
};

/// Who asks is answered within this time, by an engine that gives up on a server that does not.
const ANSWERED: Duration = Duration::from_secs(30);

/// How often an answer may be lost, to what may be asked again.
const LOST_MAX: usize = 3;

/// What [`Keep`] of a case is about something else.
pub(super) const KEEP: Keep = Keep {
    entries_max: entries(10_000),
    ttl: Duration::from_secs(3600),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};

/// More than any case appends.
pub(super) const ALL: ReadLimits = ReadLimits { entries_max: 100_000, bytes_max: usize::MAX };

/// The engine of one case.
pub struct Stage {
    fixture: Box<dyn Fixture>,
    prefix: String,
}

/// One started node.
pub(super) struct Node {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) heard: Arc<Heard>,
}

impl Stage {
    pub(super) fn new(fixture: Box<dyn Fixture>) -> Self {
        Self { fixture, prefix: fresh_prefix() }
    }

    /// A node that is up.
    pub(super) async fn node(&self) -> Node {
        self.node_with(&self.prefix).await
    }

    /// Two nodes that are up, behind the same server.
    pub(super) async fn pair(&self) -> (Node, Node) {
        (self.node().await, self.node().await)
    }

    /// A node that the others do not meet.
    pub(super) async fn stranger(&self) -> Node {
        self.node_with(&fresh_prefix()).await
    }

    pub(super) async fn pass(&self, time: Duration) {
        self.fixture.pass(time).await;
    }

    pub(super) fn server(&self) -> &dyn Server {
        match self.fixture.server() {
            Some(server) => server,
            None => panic!("the fixture has no server: take `conformance_suite!(one node, …)`"),
        }
    }

    /// A node that may not be up.
    pub(super) async fn node_at_once(&self) -> Node {
        self.start(&self.prefix).await
    }

    async fn node_with(&self, prefix: &str) -> Node {
        let node = self.start(prefix).await;
        node.until_up().await;
        node
    }

    async fn start(&self, prefix: &str) -> Node {
        let engine = self.fixture.node(prefix).await;
        let heard = Heard::new(self.fixture.patience());
        engine.start(heard.clone());
        Node { engine, heard }
    }
}

/// Prefixes are short, and their characters are such as operators choose.
fn fresh_prefix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Node {
    /// Waits until the engine says that it is up; it may have been before it was started.
    pub(super) async fn until_up(&self) {
        let is_up = |_: &Notes| (self.engine.status() == Status::Up).then_some(());
        self.heard.until("the engine to be up", is_up).await;
    }

    /// Waits until the engine answers: it may not have noticed yet that the server was not there.
    pub(super) async fn until_at_work(&self) {
        let asking = async {
            // One of several servers may answer while another is not back yet.
            while outcome(self.engine.get("is anybody there")).await.is_err()
                || self.engine.status() != Status::Up
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(2 * ANSWERED, asking).await.is_err() {
            panic!("the server goes on, and the engine does not: {:?}", self.engine.status());
        }
    }

    /// Whether it was away, and is up.
    pub(super) fn is_back(&self) -> bool {
        self.heard.so_far(|notes| {
            let was_away = notes.statuses.iter().any(|status| matches!(status, Status::Down(_)));
            was_away && notes.statuses.last() == Some(&Status::Up)
        })
    }

    pub(super) async fn subscribe(&self, topic: &str) {
        done(self.engine.subscribe(topic)).await;
    }

    pub(super) fn publish(&self, topic: &str, payload: impl Into<Bytes>) {
        if let Err(error) = self.engine.publish(topic, payload.into()) {
            panic!("publish: {error}");
        }
    }

    pub(super) async fn follow(&self, name: &str) {
        done(self.engine.follow(&log(name))).await;
    }

    pub(super) async fn follow_log(&self, log: &Log<'_>) {
        done(self.engine.follow(log)).await;
    }

    pub(super) async fn append(&self, name: &str, payload: impl Into<Bytes>) -> Appended {
        self.append_to(&log(name), payload).await
    }

    pub(super) async fn append_to(&self, log: &Log<'_>, payload: impl Into<Bytes>) -> Appended {
        done(self.engine.append(log, payload.into(), None)).await
    }

    pub(super) async fn append_event(&self, log: &Log<'_>, payload: &str, event: &str) -> Appended {
        done(self.engine.append(log, payload.to_owned().into(), Some(event))).await
    }

    pub(super) async fn read(&self, name: &str, after: u64) -> Page {
        self.read_from(&log(name), after, ALL).await
    }

    pub(super) async fn read_from(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Page {
        asked_again(|| self.engine.read(log, after, limits)).await
    }

    pub(super) async fn get(&self, key: &str) -> Option<Record> {
        asked_again(|| self.engine.get(key)).await
    }

    pub(super) async fn put(
        &self,
        key: &str,
        value: Option<&str>,
        expected: Option<Revision>,
    ) -> Result<Revision, Conflict> {
        let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
        done(self.engine.put(key, value, expected)).await
    }

    /// Waits for so many entries of a log.
    pub(super) async fn entries(&self, name: &str, count: usize) -> Vec<Entry> {
        let what = format!("{count} entries of {name:?}");
        let find = |record: &Notes| {
            let entries = record.entries_of(name);
            (entries.len() >= count).then_some(entries)
        };
        self.heard.until(&what, find).await
    }

    /// Waits for so many messages of a topic.
    pub(super) async fn messages(&self, topic: &str, count: usize) -> Vec<Bytes> {
        let what = format!("{count} messages of {topic:?}");
        let find = |record: &Notes| {
            let messages = record.messages_of(topic);
            (messages.len() >= count).then_some(messages)
        };
        self.heard.until(&what, find).await
    }
}

/// A number of entries.
pub(super) const fn entries(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => panic!("a log keeps something"),
    }
}

/// A log whose keeping does not matter.
pub(super) fn log(name: &str) -> Log<'_> {
    Log { name, keep: &KEEP }
}

/// What an engine that is up answers.
pub(super) async fn done<T>(answer: Answer<T>) -> T {
    match outcome(answer).await {
        Ok(done) => done,
        Err(error) => panic!("the engine is up and says: {error}"),
    }
}

/// What an engine that is up answers to what may be asked twice: a cluster behind an outage may lose a call
/// while it moves what it leads, and says that it was lost.
async fn asked_again<T>(ask: impl Fn() -> Answer<T>) -> T {
    for _ in 0..LOST_MAX {
        match outcome(ask()).await {
            Err(EngineError::Unknown { .. }) => {}
            Err(error) => panic!("the engine is up and says: {error}"),
            Ok(done) => return done,
        }
    }
    done(ask()).await
}

/// What an engine answers, whatever it is.
pub(super) async fn outcome<T>(answer: Answer<T>) -> Result<T, EngineError> {
    match tokio::time::timeout(ANSWERED, answer).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("no answer within {ANSWERED:?}"),
    }
}

/// The payloads of entries.
pub(super) fn payloads(entries: &[Entry]) -> Vec<Bytes> {
    entries.iter().map(|entry| entry.payload.clone()).collect()
}

/// Texts to publish or append.
pub(super) fn numbered(start: &str, count: usize) -> Vec<Bytes> {
    (0..count).map(|number| Bytes::from(format!("{start}{number}"))).collect()
}
