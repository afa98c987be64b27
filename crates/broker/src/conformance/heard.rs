//! What a node of a case was told.

use std::{collections::HashSet, fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Entry, Listener, Status};

/// So often it is looked again, whether or not something came.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A listener that remembers.
pub(super) struct Heard {
    notes: Mutex<Notes>,
    /// Of which topics and logs something is being told right now.
    being_told: Mutex<HashSet<String>>,
    changes: watch::Sender<u64>,
    patience: Duration,
}

/// In the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) messages: Vec<(String, Bytes)>,
    /// Without repetitions, which are allowed.
    pub(super) entries: Vec<(String, Entry)>,
    pub(super) statuses: Vec<Status>,
    /// How often something was told of a topic or a log of which something was being told.
    pub(super) overlaps: usize,
}

impl Heard {
    /// After so long, what has not come does not come.
    pub(super) fn new(patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            notes: Mutex::default(),
            being_told: Mutex::default(),
            changes: watch::Sender::new(0),
            patience,
        })
    }

    /// Waits for what `find` finds.
    pub(super) async fn until<T>(&self, what: &str, find: impl Fn(&Notes) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let found = tokio::time::timeout(self.patience, async {
            loop {
                if let Some(found) = find(&self.notes.lock()) {
                    return Some(found);
                }
                // What is found may also be something that nobody tells: an engine's status.
                let change = tokio::time::timeout(LOOK_AGAIN, changes.changed());
                if let Ok(Err(_)) = change.await {
                    return None;
                }
            }
        });
        match found.await {
            Ok(Some(found)) => found,
            _ => panic!("waited for {what}; this came: {:?}", self.summary()),
        }
    }

    /// What came so far.
    pub(super) fn so_far<T>(&self, look: impl Fn(&Notes) -> T) -> T {
        look(&self.notes.lock())
    }

    fn summary(&self) -> impl Debug {
        let notes = self.notes.lock();
        let entries: Vec<(String, u64)> = notes
            .entries
            .iter()
            .take(100)
            .map(|(log, entry)| (log.clone(), entry.position.offset))
            .collect();
        (notes.messages.len(), notes.entries.len(), entries, notes.statuses.clone())
    }

    /// Notes something of a topic or log, and lets others run now and then, so that they are caught.
    fn told(&self, kind: &str, name: &str, note: impl FnOnce(&mut Notes)) {
        let key = format!("{kind}{name}");
        let is_alone = self.being_told.lock().insert(key.clone());
        let mut count = 0;
        self.change(|notes| {
            notes.overlaps += usize::from(!is_alone);
            note(notes);
            count = notes.messages.len() + notes.entries.len();
        });
        // Now and then is enough, and each time takes long on a busy machine.
        if count.is_multiple_of(16) {
            std::thread::yield_now();
        }
        self.being_told.lock().remove(&key);
    }

    fn change(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.notes.lock());
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Listener for Heard {
    fn handle_message(&self, topic: &str, payload: Bytes) {
        let message = (topic.to_owned(), payload);
        self.told("topic ", topic, |notes| notes.messages.push(message));
    }

    fn handle_entry(&self, log: &str, entry: Entry) {
        self.told("log ", log, |notes| {
            let position = entry.position;
            let is_repeated =
                |(name, known): &(String, Entry)| name == log && known.position == position;
            if !notes.entries.iter().rev().any(is_repeated) {
                notes.entries.push((log.to_owned(), entry));
            }
        });
    }

    fn handle_status(&self, status: &Status) {
        self.change(|notes| notes.statuses.push(status.clone()));
    }
}

impl Notes {
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

    /// How often the engine said that it is up.
    pub(super) fn ups(&self) -> usize {
        self.statuses.iter().filter(|status| **status == Status::Up).count()
    }

    /// Whether the last that was said is that it is away.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.statuses.last(), Some(Status::Down(_)))
    }
}
