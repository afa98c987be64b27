//! One log: where it is, where its entries stand on the disk, and the names of its events.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
    sync::Arc,
};

use ahash::RandomState;

use super::{
    format::{ENTRY_OVERHEAD, Item, Kept},
    state::{Bounds, Weight},
};

/// Offsets are contiguous: the entry before is always the one with the offset before.
#[derive(Debug)]
pub(super) struct LogState {
    pub(super) name: Arc<str>,
    pub(super) kept: Kept,
    pub(super) epoch: u64,
    /// The offset of the last entry that was ever appended.
    pub(super) head: u64,
    /// The highest offset that a bound has taken: what is behind it is complete, but for what was removed.
    pub(super) dropped: u64,
    /// What the disk says of `dropped`.
    pub(super) dropped_on_disk: u64,
    /// Which segment says where it is.
    pub(super) declared_in: u32,
    /// When the last entry was appended: later ones are not older, whatever the clock does.
    pub(super) last_ms: u64,
    /// By offset; holes are where something was removed.
    slots: VecDeque<Slot>,
    slots_bytes: u64,
    /// Most logs have none.
    events: Option<Box<Events>>,
    recovered: Option<Box<Recovered>>,
}

/// An entry on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) offset: u64,
    pub(super) appended_ms: u64,
    pub(super) segment: u32,
    pub(super) at: u32,
    pub(super) payload_bytes: u32,
    pub(super) event_bytes: u16,
}

/// What is known only when everything was read.
#[derive(Debug, Default)]
struct Recovered {
    removed: HashSet<u64, RandomState>,
}

/// The names of events, the oldest first.
#[derive(Debug, Default)]
struct Events {
    by_name: HashMap<Arc<str>, Remembered, RandomState>,
    order: VecDeque<(u64, Arc<str>)>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    offset: u64,
    appended_ms: u64,
    segment: u32,
}

impl Slot {
    /// What it takes on the disk.
    pub(super) fn bytes(&self) -> usize {
        ENTRY_OVERHEAD + usize::from(self.event_bytes) + self.payload_bytes as usize
    }
}

impl LogState {
    /// What its declaration takes, beside its name.
    const DECLARATION_BYTES: u64 = 56;

    /// Of which no more than the number is known so far.
    pub(super) fn undeclared() -> Self {
        Self {
            name: "".into(),
            kept: Kept {
                entries_max: u32::MAX,
                ttl_ms: u64::MAX,
                event_window_ms: u64::MAX,
                refuses: true,
            },
            epoch: 0,
            head: 0,
            dropped: 0,
            dropped_on_disk: 0,
            declared_in: 0,
            last_ms: 0,
            slots: VecDeque::new(),
            slots_bytes: 0,
            events: None,
            recovered: None,
        }
    }

    /// Segments count from 1.
    pub(super) fn is_declared(&self) -> bool {
        self.declared_in != 0
    }

    pub(super) fn declare(
        &mut self,
        epoch: u64,
        head: u64,
        dropped: u64,
        kept: Kept,
        segment: u32,
    ) {
        self.epoch = epoch;
        self.kept = kept;
        self.head = self.head.max(head);
        self.dropped = self.dropped.max(dropped);
        self.dropped_on_disk = self.dropped_on_disk.max(dropped);
        self.declared_in = segment;
    }

    /// What is written to declare it again.
    pub(super) fn declaration(&self, id: u32) -> Item<'_> {
        let Self { epoch, head, dropped, kept, .. } = *self;
        Item::Log { id, epoch, head, dropped, kept, name: &self.name }
    }

    /// Notes where an entry stands: a new one, or one that was carried.
    pub(super) fn put(&mut self, slot: Slot, is_recovering: bool) {
        if self.slots.back().is_none_or(|last| last.offset < slot.offset) {
            // One that was removed is not carried, but a younger one may have been the last.
            if slot.offset > self.head || is_recovering {
                self.head = self.head.max(slot.offset);
                self.last_ms = self.last_ms.max(slot.appended_ms);
                self.slots_bytes += slot.bytes() as u64;
                self.slots.push_back(slot);
            }
        } else if is_recovering {
            self.slots_bytes += slot.bytes() as u64;
            self.slots.push_back(slot);
            self.recovered.get_or_insert_default();
        } else if let Ok(index) = self.index_of(slot.offset) {
            // Without the name of its event, if that is not remembered any more.
            self.slots_bytes =
                self.slots_bytes + slot.bytes() as u64 - self.slots[index].bytes() as u64;
            self.slots[index] = slot;
        }
    }

    pub(super) fn remove(&mut self, offset: u64, is_recovering: bool) {
        if is_recovering {
            self.recovered.get_or_insert_default().removed.insert(offset);
        } else if let Ok(index) = self.index_of(offset)
            && let Some(removed) = self.slots.remove(index)
        {
            self.slots_bytes -= removed.bytes() as u64;
        }
    }

    pub(super) fn remember(&mut self, event: &str, offset: u64, appended_ms: u64, segment: u32) {
        let remembered = Remembered { offset, appended_ms, segment };
        self.events.get_or_insert_default().insert(event, remembered);
    }

    /// Everything was read.
    pub(super) fn settle(&mut self, bounds: Bounds, now_ms: u64) {
        if let Some(recovered) = self.recovered.take() {
            let mut slots: Vec<Slot> = mem::take(&mut self.slots).into();
            slots.retain(|slot| !recovered.removed.contains(&slot.offset));
            // Stable: the copy that was written last is the last of its offset.
            slots.sort_by_key(|slot| slot.offset);
            slots.reverse();
            slots.dedup_by_key(|slot| slot.offset);
            slots.reverse();
            self.slots_bytes = slots.iter().map(|slot| slot.bytes() as u64).sum();
            self.slots = slots.into();
        }
        if let Some(events) = &mut self.events {
            events.order.make_contiguous().sort_by_key(|(appended_ms, _)| *appended_ms);
        }
        if self.last_ms == 0 {
            // Nothing tells for how long it has had nothing in it.
            self.last_ms = now_ms;
        }
        // What was dropped before may still be in the files; it is not to come back.
        let dropped = self.dropped;
        let count = self.slots.partition_point(|slot| slot.offset <= dropped);
        self.drop_oldest(count);
        self.bound(bounds);
    }

    /// Drops what is too much. A log that refuses was asked before.
    pub(super) fn bound(&mut self, bounds: Bounds) {
        let mut count = self.slots.len().saturating_sub(self.kept.entries_max as usize);
        if self.kept.refuses {
            // Only another keep makes it too long; what was promised is kept.
            return;
        }
        let mut bytes = self.slots_bytes;
        bytes -= self.slots.iter().take(count).map(|slot| slot.bytes() as u64).sum::<u64>();
        while bytes > bounds.log_bytes_max && count + 1 < self.slots.len() {
            bytes -= self.slots[count].bytes() as u64;
            count += 1;
        }
        self.drop_oldest(count);
    }

    /// Drops what is too old; whether anything was.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let count = self.expired(self.kept.old_ms(now_ms));
        self.drop_oldest(count);
        let old_ms = now_ms.saturating_sub(self.kept.event_window_ms);
        let Some(events) = &mut self.events else { return count > 0 };
        let had = events.order.len();
        events.expire(old_ms);
        let has = events.order.len();
        if has == 0 {
            self.events = None;
        }
        count > 0 || has < had
    }

    /// How many of the first entries are older.
    pub(super) fn expired(&self, old_ms: u64) -> usize {
        if self.slots.front().is_none_or(|slot| slot.appended_ms >= old_ms) {
            return 0;
        }
        self.slots.partition_point(|slot| slot.appended_ms < old_ms)
    }

    /// Drops all entries up to this one.
    pub(super) fn drop_through(&mut self, offset: u64) {
        let count = self.slots.partition_point(|slot| slot.offset <= offset);
        self.drop_oldest(count);
    }

    /// What a bound takes.
    fn drop_oldest(&mut self, count: usize) {
        for slot in self.slots.drain(..count) {
            self.slots_bytes -= slot.bytes() as u64;
            self.dropped = self.dropped.max(slot.offset);
        }
        // A log that was long once does not hold its room for ever.
        if self.slots.capacity() > 64 && self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }

    pub(super) fn slots(&self) -> &VecDeque<Slot> {
        &self.slots
    }

    pub(super) fn slots_bytes(&self) -> u64 {
        self.slots_bytes
    }

    pub(super) fn slot(&self, offset: u64) -> Option<&Slot> {
        self.index_of(offset).ok().map(|index| &self.slots[index])
    }

    /// The offset of an event, and which segment has it, if it is in its window.
    pub(super) fn event(&self, event: &str, now_ms: u64) -> Option<(u64, u32)> {
        let remembered = self.events.as_ref()?.by_name.get(event)?;
        let is_young = remembered.appended_ms >= now_ms.saturating_sub(self.kept.event_window_ms);
        is_young.then_some((remembered.offset, remembered.segment))
    }

    /// Whether there is nothing to be forgotten.
    pub(super) fn is_bare(&self) -> bool {
        self.slots.is_empty() && self.events.is_none()
    }

    pub(super) fn weight(&self) -> Weight {
        let (events, event_bytes) =
            self.events.as_ref().map_or((0, 0), |events| (events.order.len() as u64, events.bytes));
        let declaration = Self::DECLARATION_BYTES + self.name.len() as u64;
        Weight {
            entries: self.slots.len() as u64,
            events,
            live_bytes: self.slots_bytes + event_bytes + declaration,
            pinned_bytes: if self.kept.refuses { self.slots_bytes } else { 0 },
            droppable_bytes: if self.kept.refuses { 0 } else { self.slots_bytes },
        }
    }

    fn index_of(&self, offset: u64) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&offset, |slot| slot.offset)
    }
}

impl Events {
    /// What one takes on the disk when it is carried, beside its name.
    const CARRIED_BYTES: u64 = 23;

    fn insert(&mut self, event: &str, remembered: Remembered) {
        if let Some(known) = self.by_name.get_mut(event) {
            let is_carried = known.offset == remembered.offset;
            *known = remembered;
            if is_carried {
                return;
            }
        } else {
            self.by_name.insert(event.into(), remembered);
        }
        self.bytes += Self::CARRIED_BYTES + event.len() as u64;
        self.order.push_back((remembered.appended_ms, event.into()));
    }

    fn expire(&mut self, old_ms: u64) {
        while self.order.front().is_some_and(|(appended_ms, _)| *appended_ms < old_ms) {
            let Some((appended_ms, name)) = self.order.pop_front() else { return };
            self.bytes -= Self::CARRIED_BYTES + name.len() as u64;
            // It may have been used again after its window.
            if self.by_name.get(&name).is_some_and(|known| known.appended_ms <= appended_ms) {
                self.by_name.remove(&name);
            }
        }
    }
}
