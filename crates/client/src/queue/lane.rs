//! The entries of one priority.

use std::collections::BTreeMap;
use std::time::Instant;

use super::entry::{Confirm, Entry, Key};

/// Two lists in the order of the keys, which is that of the pushes: so an entry that has to go
/// again finds its old place by itself, and any can leave from the middle.
#[derive(Debug)]
pub(super) struct Lane<T> {
    waiting: BTreeMap<Key, Entry<T>>,
    sent: BTreeMap<Key, Sent<T>>,
    /// How many of `sent` count as such.
    in_flight: usize,
}

#[derive(Debug)]
struct Sent<T> {
    at: Instant,
    entry: Entry<T>,
}

pub(super) enum Taken<'a, T> {
    Kept(Key, &'a mut T),
    Done(Key, Entry<T>),
}

impl<T> Lane<T> {
    pub(super) const fn new() -> Self {
        Self { waiting: BTreeMap::new(), sent: BTreeMap::new(), in_flight: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.sent.len()
    }

    /// Whether the first in the order may be sent. The others wait for it.
    pub(super) fn can_send(&self, now: Instant, in_flight_max: usize) -> bool {
        self.sendable(in_flight_max)
            .is_some_and(|entry| entry.not_before.is_none_or(|not_before| not_before <= now))
    }

    /// When the first in the order may be sent, if the time is all that it waits for.
    pub(super) fn poll_timeout(&self, in_flight_max: usize) -> Option<Instant> {
        self.sendable(in_flight_max)?.not_before
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(mut first) = self.waiting.first_entry() {
            let not_before = &mut first.get_mut().not_before;
            *not_before = not_before.filter(|not_before| *not_before > now);
        }
    }

    fn sendable(&self, in_flight_max: usize) -> Option<&Entry<T>> {
        let (_, entry) = self.waiting.first_key_value()?;
        let must_wait = entry.confirm == Confirm::Answered && self.in_flight >= in_flight_max;
        (!must_wait).then_some(entry)
    }

    pub(super) fn put(&mut self, key: Key, entry: Entry<T>) {
        self.waiting.insert(key, entry);
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Taken<'_, T>> {
        let (key, mut entry) = self.waiting.pop_first()?;
        entry.not_before = None;
        match entry.confirm {
            Confirm::Written => return Some(Taken::Done(key, entry)),
            Confirm::Answered => self.in_flight += 1,
            Confirm::Tracked => {}
        }
        let sent = self.sent.entry(key).or_insert(Sent { at: now, entry });
        Some(Taken::Kept(key, &mut sent.entry.value))
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry<T>> {
        let Some(sent) = self.sent.remove(&key) else { return self.waiting.remove(&key) };
        if sent.entry.confirm == Confirm::Answered {
            debug_assert!(self.in_flight > 0, "what was sent was counted");
            self.in_flight -= 1;
        }
        Some(sent.entry)
    }

    pub(super) fn take_sent(&mut self) -> impl Iterator<Item = (Key, Entry<T>)> + use<T> {
        self.in_flight = 0;
        std::mem::take(&mut self.sent).into_iter().map(|(key, sent)| (key, sent.entry))
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (Key, Entry<T>)> + use<T> {
        self.take_sent().chain(std::mem::take(&mut self.waiting))
    }

    pub(super) fn is_waiting(&self, key: Key) -> bool {
        self.waiting.contains_key(&key)
    }

    pub(super) fn sent_at(&self, key: Key) -> Option<Instant> {
        self.sent.get(&key).map(|sent| sent.at)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let sent = self.sent.get_mut(&key).map(|sent| &mut sent.entry);
        sent.or_else(|| self.waiting.get_mut(&key)).map(|entry| &mut entry.value)
    }
}
