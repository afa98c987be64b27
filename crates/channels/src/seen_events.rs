//! Which events one client has been sent.

use std::num::NonZeroU16;

use hashbrown::HashTable;

use crate::EventId;

/// Behind the last entry.
const NONE: u16 = u16::MAX;

/// The events that one client has been sent most recently, so that none is sent twice.
///
/// It belongs to the connection and needs no lock. Of a client that is sent nothing with a name it
/// costs 16 bytes; otherwise 12 for each event and up to 6 for finding it: 18 KB when it remembers
/// 1,000. When it is full, the event that was neither sent nor offered for longest is forgotten.
#[derive(Debug)]
pub struct SeenEvents {
    capacity: NonZeroU16,
    lru: Option<Box<Lru>>,
}

/// What a cache of events has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenEventsStats {
    /// Offered again, and not to be sent.
    pub hits: u64,
    /// Not known, and to be sent.
    pub misses: u64,
    /// Forgotten to make room. If a client is sent events twice and this moves, it is too small.
    pub evicted: u64,
}

#[derive(Debug)]
struct Lru {
    /// In no order; each knows its neighbours in the order of use.
    entries: Vec<Entry>,
    /// Indices of the entries, by id.
    table: HashTable<u16>,
    newest: u16,
    oldest: u16,
    stats: SeenEventsStats,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The id in halves, so that an entry has twelve bytes and not sixteen.
    id: [u32; 2],
    newer: u16,
    older: u16,
}

impl SeenEvents {
    /// Remembers at most `capacity` events.
    #[must_use]
    pub const fn new(capacity: NonZeroU16) -> Self {
        Self { capacity, lru: None }
    }

    /// Says whether the event is to be sent, that is whether it is not known to have been, and
    /// remembers it from now on.
    pub fn insert(&mut self, event: EventId) -> bool {
        let lru = self.lru.get_or_insert_with(Box::default);
        lru.insert(event.0, self.capacity)
    }

    /// Whether the event is remembered. Changes nothing.
    #[must_use]
    pub fn contains(&self, event: EventId) -> bool {
        self.lru.as_ref().is_some_and(|lru| lru.find(event.0).is_some())
    }

    /// How many events are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lru.as_ref().map_or(0, |lru| lru.entries.len())
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has been asked so far.
    #[must_use]
    pub fn stats(&self) -> SeenEventsStats {
        self.lru.as_ref().map_or_else(SeenEventsStats::default, |lru| lru.stats)
    }
}

impl Lru {
    fn insert(&mut self, id: u64, capacity: NonZeroU16) -> bool {
        if let Some(index) = self.find(id) {
            self.stats.hits += 1;
            if index != self.newest {
                self.unlink(index);
                self.link_newest(index);
            }
            return false;
        }
        self.stats.misses += 1;
        // One index is `NONE`, so the last of 65,535 is not used.
        let capacity = capacity.get().min(NONE - 1) as usize;
        let index = if self.entries.len() < capacity {
            self.entries.push(Entry::new(id));
            (self.entries.len() - 1) as u16
        } else {
            self.stats.evicted += 1;
            let index = self.oldest;
            self.unlink(index);
            let old = self.entries[index as usize].id();
            if let Ok(found) = self.table.find_entry(old, |&other| other == index) {
                found.remove();
            }
            self.entries[index as usize] = Entry::new(id);
            index
        };
        self.link_newest(index);
        let entries = &self.entries;
        self.table.insert_unique(id, index, |&index| entries[index as usize].id());
        true
    }

    fn find(&self, id: u64) -> Option<u16> {
        self.table.find(id, |&index| self.entries[index as usize].id() == id).copied()
    }

    fn unlink(&mut self, index: u16) {
        let Entry { newer, older, .. } = self.entries[index as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, index: u16) {
        let before = std::mem::replace(&mut self.newest, index);
        let entry = &mut self.entries[index as usize];
        (entry.newer, entry.older) = (NONE, before);
        match before {
            NONE => self.oldest = index,
            before => self.entries[before as usize].newer = index,
        }
    }
}

impl Default for Lru {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            table: HashTable::new(),
            newest: NONE,
            oldest: NONE,
            stats: SeenEventsStats::default(),
        }
    }
}

impl Entry {
    const fn new(id: u64) -> Self {
        Self { id: [id as u32, (id >> 32) as u32], newer: NONE, older: NONE }
    }

    const fn id(&self) -> u64 {
        self.id[0] as u64 | (self.id[1] as u64) << 32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::EventIds;

    fn seen(capacity: u16) -> SeenEvents {
        SeenEvents::new(NonZeroU16::new(capacity).unwrap())
    }

    proptest! {
        #[test]
        fn it_remembers_what_a_list_in_order_of_use_remembers(
            capacity in 1..12_u16,
            events in proptest::collection::vec(0..20_u64, 1..300),
        ) {
            let mut seen = seen(capacity);
            let mut model: VecDeque<u64> = VecDeque::new();
            let mut stats = SeenEventsStats::default();
            for event in events {
                // Ids that differ in the upper half only, too.
                let id = EventId((event << 32) | (event % 3));
                let known = model.iter().position(|other| *other == event);
                prop_assert_eq!(seen.contains(id), known.is_some());
                prop_assert_eq!(seen.insert(id), known.is_none());
                if let Some(index) = known {
                    model.remove(index);
                    stats.hits += 1;
                } else {
                    stats.misses += 1;
                }
                model.push_back(event);
                if model.len() > capacity.into() {
                    model.pop_front();
                    stats.evicted += 1;
                }
                prop_assert_eq!(seen.len(), model.len());
                prop_assert_eq!(seen.stats(), stats);
            }
        }
    }

    #[test]
    fn a_client_that_is_sent_nothing_costs_nothing() {
        assert_eq!(size_of::<SeenEvents>(), 16);
        assert_eq!(size_of::<Entry>(), 12);
        assert!(seen(1000).lru.is_none());
    }

    #[test]
    fn a_flood_of_events_is_bounded() {
        let ids = EventIds::new();
        for capacity in [1, 1000, u16::MAX] {
            let mut seen = seen(capacity);
            for event in 0..100_000 {
                assert!(seen.insert(ids.id(&format!("event-{event}"))));
            }
            assert!(seen.len() <= capacity.into());
            let lru = seen.lru.as_ref().unwrap();
            assert!(lru.table.capacity() <= 4 * seen.len() + 4, "{}", lru.table.capacity());
            assert!(!seen.insert(ids.id("event-99999")), "the newest is remembered");
        }
    }
}
