//! One log: its entries, the names of its events, and where it is.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
};

use ahash::RandomState;
use bytes::Bytes;

use super::clock::millis;
use crate::{Appended, Entry, Keep, Page, Position, ReadLimits, WhenFull};

#[cfg(test)]
mod tests;

/// What a payload takes beside its bytes: its owner, and what the allocator adds.
const PAYLOAD_OVERHEAD: usize = 24;

/// Offsets are contiguous: the entry before is always the one with the offset before.
#[derive(Debug)]
pub(super) struct KeptLog {
    keep: Keep,
    epoch: u64,
    /// The offset of the last entry that was ever appended.
    head: u64,
    /// The highest offset that a bound has taken: what is behind it is complete, but for what was removed.
    dropped: u64,
    /// By offset; holes are where something was removed.
    entries: VecDeque<Stored>,
    /// Most logs have none.
    events: Option<Box<Events>>,
    payload_bytes: usize,
    pub(super) appended_ms: u64,
    /// When it is looked at next for what has expired; 0 if nobody will.
    pub(super) due_ms: u64,
}

#[derive(Debug)]
struct Stored {
    offset: u64,
    appended_ms: u64,
    payload: Bytes,
}

/// The names of events, the oldest first.
#[derive(Debug, Default)]
struct Events {
    offsets: HashMap<Arc<str>, u64, RandomState>,
    order: VecDeque<(u64, Arc<str>)>,
    name_bytes: usize,
}

/// It refuses more than it holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl KeptLog {
    pub(super) fn new(epoch: u64, keep: &Keep) -> Self {
        Self {
            keep: keep.clone(),
            epoch,
            head: 0,
            dropped: 0,
            entries: VecDeque::new(),
            events: None,
            payload_bytes: 0,
            appended_ms: 0,
            due_ms: 0,
        }
    }

    /// From now on it keeps so much.
    pub(super) fn adopt(&mut self, keep: &Keep) {
        if self.keep != *keep {
            self.keep = keep.clone();
        }
    }

    /// Appends, unless the event is known. What `adopt` and `expire` do comes first.
    pub(super) fn append(
        &mut self,
        payload: Bytes,
        event: Option<&str>,
        now_ms: u64,
    ) -> Result<Appended, Full> {
        if let Some(offset) = event.and_then(|event| self.offset_of(event)) {
            let position = Position { epoch: self.epoch, offset };
            return Ok(Appended { position, is_repeated: true });
        }
        let entries_max = self.keep.entries_max.get() as usize;
        if self.entries.len() >= entries_max {
            match self.keep.when_full {
                WhenFull::Refuse => return Err(Full),
                WhenFull::DropOldest => self.drop_oldest(self.entries.len() + 1 - entries_max),
            }
        }
        self.head += 1;
        self.appended_ms = now_ms;
        self.payload_bytes += payload.len();
        self.entries.push_back(Stored { offset: self.head, appended_ms: now_ms, payload });
        if let Some(event) = event {
            self.events.get_or_insert_default().insert(event, self.head, now_ms);
        }
        Ok(Appended { position: self.head(), is_repeated: false })
    }

    /// The last entry as those are told who follow.
    pub(super) fn last(&self) -> Option<Entry> {
        self.entries.back().map(|stored| stored.entry(self.epoch, self.head - 1))
    }

    /// Drops what is too old. What it costs was paid by the appends of what it drops.
    pub(super) fn expire(&mut self, now_ms: u64) -> usize {
        let old_ms = now_ms.saturating_sub(millis(self.keep.ttl));
        let is_old = |stored: &Stored| stored.appended_ms < old_ms;
        let mut count = 0;
        while self.entries.get(count).is_some_and(is_old) {
            count += 1;
        }
        self.drop_oldest(count);
        if let Some(events) = &mut self.events {
            events.expire(now_ms.saturating_sub(millis(self.keep.event_window)));
            if events.order.is_empty() {
                self.events = None;
            }
        }
        count
    }

    /// What a bound takes.
    fn drop_oldest(&mut self, count: usize) {
        for stored in self.entries.drain(..count) {
            self.payload_bytes -= stored.payload.len();
            self.dropped = stored.offset;
        }
        // A log that was long once does not hold its room for ever.
        if self.entries.capacity() > 64 && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Forgets everything but where it is; how many entries that were.
    pub(super) fn clear(&mut self) -> usize {
        let count = self.entries.len();
        self.drop_oldest(count);
        self.events = None;
        count
    }

    /// Forgets the older half of its entries, and of its events.
    pub(super) fn halve(&mut self) -> usize {
        let count = self.entries.len().div_ceil(2);
        self.drop_oldest(count);
        if let Some(events) = &mut self.events {
            events.halve();
        }
        count
    }

    pub(super) fn read(&self, after: u64, limits: ReadLimits) -> Page {
        let first = self.entries.partition_point(|stored| stored.offset <= after);
        let mut bytes = 0_usize;
        let mut previous = after;
        let within = self.entries.range(first..).take(limits.entries_max as usize).enumerate();
        let entries = within.map_while(|(index, stored)| {
            bytes = bytes.saturating_add(stored.payload.len());
            (index == 0 || bytes <= limits.bytes_max)
                .then(|| stored.entry(self.epoch, mem::replace(&mut previous, stored.offset)))
        });
        Page {
            head: self.head(),
            // A place that is still to come is one of another life.
            is_complete: (self.dropped..=self.head).contains(&after),
            entries: entries.collect(),
        }
    }

    pub(super) fn remove(&mut self, offsets: &[u64]) -> usize {
        let before = self.entries.len();
        for offset in offsets {
            let found = self.entries.binary_search_by_key(offset, |stored| stored.offset);
            if let Some(removed) = found.ok().and_then(|index| self.entries.remove(index)) {
                self.payload_bytes -= removed.payload.len();
            }
        }
        before - self.entries.len()
    }

    pub(super) fn head(&self) -> Position {
        Position { epoch: self.epoch, offset: self.head }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to be forgotten.
    pub(super) fn is_bare(&self) -> bool {
        self.entries.is_empty() && self.events.is_none()
    }

    /// When the next thing in it is too old.
    pub(super) fn expires_ms(&self) -> Option<u64> {
        let after = |span| move |ms: u64| ms.saturating_add(millis(span)).saturating_add(1);
        let entry = self.entries.front().map(|stored| stored.appended_ms);
        let event = self.events.as_ref().and_then(|events| events.order.front());
        let entry = entry.map(after(self.keep.ttl));
        let event = event.map(|(ms, _)| *ms).map(after(self.keep.event_window));
        entry.into_iter().chain(event).min()
    }

    /// The memory that it takes, near enough.
    pub(super) fn bytes(&self) -> usize {
        let events = self.events.as_ref().map_or(0, |events| events.bytes());
        size_of::<Self>()
            + self.entries.capacity() * size_of::<Stored>()
            + self.entries.len() * PAYLOAD_OVERHEAD
            + self.payload_bytes
            + events
    }

    fn offset_of(&self, event: &str) -> Option<u64> {
        self.events.as_ref()?.offsets.get(event).copied()
    }
}

impl Stored {
    fn entry(&self, epoch: u64, previous: u64) -> Entry {
        Entry {
            position: Position { epoch, offset: self.offset },
            previous,
            appended_ms: self.appended_ms,
            payload: self.payload.clone(),
        }
    }
}

impl Events {
    /// A name takes its bytes, the counters before them and what the allocator adds, a slot in the table,
    /// and one in the order; both have room to grow.
    const OVERHEAD: usize = 24 + 40 + 36;

    fn insert(&mut self, event: &str, offset: u64, now_ms: u64) {
        let name: Arc<str> = event.into();
        self.name_bytes += name.len();
        self.order.push_back((now_ms, Arc::clone(&name)));
        self.offsets.insert(name, offset);
    }

    fn expire(&mut self, old_ms: u64) {
        while self.order.front().is_some_and(|(appended_ms, _)| *appended_ms < old_ms) {
            self.drop_oldest();
        }
    }

    fn halve(&mut self) {
        for _ in 0..self.order.len().div_ceil(2) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_front() {
            self.name_bytes -= name.len();
            self.offsets.remove(&name);
        }
    }

    fn bytes(&self) -> usize {
        self.name_bytes + self.order.len() * Self::OVERHEAD + size_of::<Self>()
    }
}
