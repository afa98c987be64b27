//! What a node of a case was told.

use std::{fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Entry, Listener, Status};

/// After so long, what has not come does not come. Generous, as machines that test are busy.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A listener that remembers.
pub(super) struct Heard {
    record: Mutex<Record>,
    changes: watch::Sender<u64>,
}

/// In the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) messages: Vec<(String, Bytes)>,
    pub(super) entries: Vec<(String, Entry)>,
    pub(super) statuses: Vec<Status>,
}

impl Heard {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { record: Mutex::default(), changes: watch::Sender::new(0) })
    }

    /// Waits for what `find` finds.
    pub(super) async fn until<T>(&self, what: &str, find: impl Fn(&Record) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                if let Some(found) = find(&self.record.lock()) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        });
        match found.await {
            Ok(Some(found)) => found,
            _ => panic!("waited for {what}; this came: {:?}", self.summary()),
        }
    }

    /// What came so far.
    pub(super) fn so_far<T>(&self, look: impl Fn(&Record) -> T) -> T {
        look(&self.record.lock())
    }

    fn summary(&self) -> impl Debug {
        let record = self.record.lock();
        let entries: Vec<(String, u64)> = record
            .entries
            .iter()
            .take(100)
            .map(|(log, entry)| (log.clone(), entry.position.offset))
            .collect();
        (record.messages.len(), record.entries.len(), entries, record.statuses.clone())
    }

    fn change(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record.lock());
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Listener for Heard {
    fn handle_message(&self, topic: &str, payload: Bytes) {
        self.change(|record| record.messages.push((topic.to_owned(), payload)));
    }

    fn handle_entry(&self, log: &str, entry: Entry) {
        self.change(|record| record.entries.push((log.to_owned(), entry)));
    }

    fn handle_status(&self, status: &Status) {
        self.change(|record| record.statuses.push(status.clone()));
    }
}

impl Record {
    /// The payloads that came in a topic.
    pub(super) fn messages_of(&self, topic: &str) -> Vec<Bytes> {
        let of_topic = self.messages.iter().filter(|(name, _)| name == topic);
        of_topic.map(|(_, payload)| payload.clone()).collect()
    }

    /// The entries that came of a log.
    pub(super) fn entries_of(&self, log: &str) -> Vec<Entry> {
        let of_log = self.entries.iter().filter(|(name, _)| name == log);
        of_log.map(|(_, entry)| entry.clone()).collect()
    }
}
