//! What was handed out already.
//!
//! What is delivered at least once arrives twice at times. A bounded memory of the ids makes it
//! once: an id is known until its time is over, or until it is the oldest and there is no room.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// A longer name is nobody's of ours, and not remembered: ten thousand of a megabyte would be too much.
const ID_BYTES_MAX: usize = 1_024;

/// The ids that were seen of late.
#[derive(Debug)]
pub struct Duplicates {
    ttl: Duration,
    entries_max: usize,
    /// Which entry of `order` remembers an id.
    numbers: HashMap<Arc<str>, u64>,
    /// By number and, with it, by age.
    order: VecDeque<Seen>,
    next_number: u64,
}

#[derive(Debug)]
struct Seen {
    number: u64,
    at: Instant,
    id: Arc<str>,
}

impl Duplicates {
    /// Remembers each id for `ttl`, and at most `entries_max` of them. With no entries, or no time,
    /// nothing is remembered.
    #[must_use]
    pub fn new(ttl: Duration, entries_max: usize) -> Self {
        let (numbers, order) = (HashMap::new(), VecDeque::new());
        Self { ttl, entries_max, numbers, order, next_number: 0 }
    }

    /// Remembers an id; false if it is known. One that is known does not become younger by it.
    pub fn insert(&mut self, id: &str, now: Instant) -> bool {
        self.forget_expired(now);
        if self.numbers.contains_key(id) {
            return false;
        }
        if self.entries_max == 0 || id.len() > ID_BYTES_MAX {
            return true;
        }
        if self.order.len() == self.entries_max {
            self.forget_oldest();
        }
        let id: Arc<str> = id.into();
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(Arc::clone(&id), number);
        self.order.push_back(Seen { number, at: now, id });
        debug_assert_eq!(self.numbers.len(), self.order.len());
        true
    }

    /// Whether an id is known.
    pub fn contains(&mut self, id: &str, now: Instant) -> bool {
        self.forget_expired(now);
        self.numbers.contains_key(id)
    }

    /// Makes an id unknown: what it was given to was not taken after all.
    pub fn forget(&mut self, id: &str) {
        let Some(number) = self.numbers.remove(id) else { return };
        if let Ok(index) = self.order.binary_search_by_key(&number, |seen| seen.number) {
            self.order.remove(index);
        }
        debug_assert_eq!(self.numbers.len(), self.order.len());
    }

    /// How many ids are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether no id is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget_expired(&mut self, now: Instant) {
        let ttl = self.ttl;
        let is_over = |seen: &Seen| now.saturating_duration_since(seen.at) >= ttl;
        while self.order.front().is_some_and(is_over) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(seen) = self.order.pop_front() {
            self.numbers.remove(&seen.id);
        }
    }
}
