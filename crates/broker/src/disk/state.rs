//! What comes of all items: where each log is, where its entries stand on the disk, and all records.
//!
//! It is made by [`State::apply`] alone: of what was written just now as of what is read when a folder is opened.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ahash::RandomState;
use bytes::Bytes;

use super::{
    format::{Item, Kept},
    log::{LogState, Slot},
    segment::Segment,
};
use crate::{Record, Revision};

/// What is kept, by name.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) logs: BTreeMap<u32, LogState>,
    pub(super) ids: HashMap<Arc<str>, u32, RandomState>,
    /// Ordered by key, so that a prefix is a range.
    pub(super) records: BTreeMap<Box<str>, StoredRecord>,
    /// Logs that are made from now on have this one.
    pub(super) new_epoch: u64,
    pub(super) last_revision: u64,
    pub(super) last_log_id: u32,
    pub(super) segments: BTreeMap<u32, Arc<Segment>>,
    pub(super) totals: Totals,
    /// While a folder is read, entries that were carried come after those that are younger.
    is_recovering: bool,
}

/// What all logs and records take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) entries: u64,
    pub(super) events: u64,
    /// What is not garbage, on the disk.
    pub(super) live_bytes: u64,
    /// The part of it that no bound but their own may take: records, and entries of logs that refuse.
    pub(super) pinned_bytes: u64,
    /// The part of it that goes when there is too much: entries of logs that drop their oldest.
    pub(super) droppable_bytes: u64,
}

/// A record, and which segment has it.
#[derive(Debug)]
pub(super) struct StoredRecord {
    pub(super) record: Record,
    pub(super) segment: u32,
    pub(super) bytes: u32,
}

/// Where something stands on the disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) at: u32,
    pub(super) bytes: u32,
}

/// Bounds that a log does not know of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) log_bytes_max: u64,
}

impl State {
    pub(super) fn recovering() -> Self {
        Self { is_recovering: true, ..Self::default() }
    }

    /// What an item does.
    pub(super) fn apply(&mut self, item: &Item<'_>, place: Place, bounds: Bounds) {
        match *item {
            Item::Counters { new_epoch, revision, log_id } => {
                self.new_epoch = new_epoch;
                self.last_revision = self.last_revision.max(revision);
                self.last_log_id = self.last_log_id.max(log_id);
            }
            Item::Log { id, epoch, head, dropped, kept, name } => {
                self.last_log_id = self.last_log_id.max(id);
                let log = self.logs.entry(id).or_insert_with(LogState::undeclared);
                let before = if log.is_declared() { log.weight() } else { Weight::default() };
                if !log.is_declared() {
                    log.name = name.into();
                    self.ids.insert(Arc::clone(&log.name), id);
                }
                log.declare(epoch, head, dropped, kept, place.segment);
                if !self.is_recovering {
                    self.totals.change(before, log.weight());
                }
            }
            Item::Entry { id, offset, appended_ms, event, payload } => {
                let slot = Slot {
                    offset,
                    appended_ms,
                    segment: place.segment,
                    at: place.at,
                    payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
                    event_bytes: event.map_or(0, |event| u16::try_from(event.len()).unwrap_or(0)),
                };
                let is_recovering = self.is_recovering;
                self.change(id, |log| {
                    log.put(slot, is_recovering);
                    if let Some(event) = event {
                        log.remember(event, offset, appended_ms, place.segment);
                    }
                    if !is_recovering {
                        log.bound(bounds);
                    }
                });
            }
            Item::Removal { id, offset } => {
                let is_recovering = self.is_recovering;
                self.change(id, |log| log.remove(offset, is_recovering));
            }
            Item::Event { id, offset, appended_ms, event } => {
                self.change(id, |log| log.remember(event, offset, appended_ms, place.segment));
            }
            Item::Put { key, revision, value } => self.put(key, revision, value, place),
            Item::Deletion { key, revision } => {
                self.last_revision = self.last_revision.max(revision);
                if let Some(gone) = self.records.remove(key) {
                    self.totals.change(Weight::of_record(&gone), Weight::default());
                }
            }
            Item::Forgotten { id } => {
                if let Some(log) = self.logs.remove(&id) {
                    if self.ids.get(&log.name) == Some(&id) {
                        self.ids.remove(&log.name);
                    }
                    if !self.is_recovering {
                        self.totals.change(log.weight(), Weight::default());
                    }
                }
            }
        }
    }

    fn put(&mut self, key: &str, revision: u64, value: &[u8], place: Place) {
        self.last_revision = self.last_revision.max(revision);
        let record = Record { value: Bytes::copy_from_slice(value), revision: Revision(revision) };
        let stored = StoredRecord { record, segment: place.segment, bytes: place.bytes };
        let after = Weight::of_record(&stored);
        let before = self.records.insert(key.into(), stored);
        self.totals
            .change(before.map_or_else(Weight::default, |gone| Weight::of_record(&gone)), after);
    }

    /// Changes a log, and keeps the books.
    pub(super) fn change(&mut self, id: u32, change: impl FnOnce(&mut LogState)) {
        if self.is_recovering {
            // The segment that declared it first may be gone: it is declared again further on.
            let log = self.logs.entry(id).or_insert_with(LogState::undeclared);
            change(log);
        } else if let Some(log) = self.logs.get_mut(&id) {
            let before = log.weight();
            change(log);
            self.totals.change(before, log.weight());
        }
    }

    /// Everything was read: puts in order what came out of it.
    pub(super) fn settle(&mut self, bounds: Bounds, now_ms: u64) {
        self.is_recovering = false;
        // What is declared nowhere was damaged.
        self.logs.retain(|_, log| log.is_declared());
        for log in self.logs.values_mut() {
            log.settle(bounds, now_ms);
            self.totals.change(Weight::default(), log.weight());
        }
    }

    pub(super) fn counters(&self) -> Item<'static> {
        Item::Counters {
            new_epoch: self.new_epoch,
            revision: self.last_revision,
            log_id: self.last_log_id,
        }
    }
}

/// What something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) entries: u64,
    pub(super) events: u64,
    pub(super) live_bytes: u64,
    pub(super) pinned_bytes: u64,
    pub(super) droppable_bytes: u64,
}

impl Weight {
    fn of_record(stored: &StoredRecord) -> Self {
        let bytes = u64::from(stored.bytes);
        Self { live_bytes: bytes, pinned_bytes: bytes, ..Self::default() }
    }
}

impl Totals {
    fn change(&mut self, before: Weight, after: Weight) {
        self.entries = self.entries + after.entries - before.entries;
        self.events = self.events + after.events - before.events;
        self.live_bytes = self.live_bytes + after.live_bytes - before.live_bytes;
        self.pinned_bytes = self.pinned_bytes + after.pinned_bytes - before.pinned_bytes;
        self.droppable_bytes =
            self.droppable_bytes + after.droppable_bytes - before.droppable_bytes;
    }
}

/// The keep of a log, to tell whether it changed.
impl Kept {
    /// Entries appended before this are too old.
    pub(super) fn old_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.ttl_ms)
    }
}
