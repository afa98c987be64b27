//! What waits for a client that does not keep up, when some of it may make way.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;
use ws_connection::{Origin, Prepared};

use super::Overflow;

/// Gaps that are not worth closing.
const GAPS_MIN: usize = 32;

/// Messages in their order. One that makes way leaves a gap, so that the others keep their numbers;
/// when more than half are gaps, they are closed.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: VecDeque<Option<Entry>>,
    /// The number of the first entry.
    base: u64,
    gaps: usize,
    /// Bytes of what may make way.
    droppable_bytes: usize,
    /// Nothing before this number may make way.
    cursor: u64,
    /// There once the client has been found slow: then each key waits once.
    newest: Option<Newest>,
}

#[derive(Debug)]
struct Entry {
    message: Arc<Prepared>,
    overflow: Overflow,
}

/// The numbers of the messages that a newer one with the same key replaces.
#[derive(Debug, Default)]
struct Newest {
    numbers: HashTable<u64>,
    hasher: RandomState,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that could be had by dropping all that may be dropped.
    pub(super) fn droppable_bytes(&self) -> usize {
        self.droppable_bytes
    }

    /// Whether a newer message replaces an older one with the same key.
    pub(super) fn is_conflating(&self) -> bool {
        self.newest.is_some()
    }

    /// Puts messages that were all sent with `overflow` before those that wait.
    pub(super) fn prepend(
        &mut self,
        messages: impl Iterator<Item = Arc<Prepared>>,
        overflow: Overflow,
    ) {
        let behind = std::mem::take(self).entries;
        messages.for_each(|message| self.push(message, overflow));
        behind.into_iter().flatten().for_each(|it| self.push(it.message, it.overflow));
    }

    /// Puts a message behind the others. While it conflates, one with the same key must be gone.
    pub(super) fn push(&mut self, message: Arc<Prepared>, overflow: Overflow) {
        if overflow.may_drop() {
            self.droppable_bytes += message.wire_len();
        }
        let number = self.base + self.entries.len() as u64;
        if let Some(newest) = &mut self.newest
            && let Some(origin) = key_of(&message, overflow)
        {
            let (entries, base, hasher) = (&self.entries, self.base, &newest.hasher);
            newest.numbers.insert_unique(hash(hasher, origin), number, |&other| {
                entry(entries, base, other).map_or(0, |(_, origin)| hash(hasher, origin))
            });
        }
        self.entries.push_back(Some(Entry { message, overflow }));
    }

    /// From now on each key waits once. Hands over what is older than another with its key already.
    pub(super) fn start_conflating(&mut self, mut replaced: impl FnMut(Arc<Prepared>)) {
        if self.is_conflating() {
            return;
        }
        self.newest = Some(Newest::default());
        let waiting = std::mem::take(&mut self.entries);
        (self.base, self.cursor, self.gaps, self.droppable_bytes) = (0, 0, 0, 0);
        for Entry { message, overflow } in waiting.into_iter().flatten() {
            if overflow == Overflow::Conflate
                && let Some(older) = self.take_same(&message)
            {
                replaced(older);
            }
            self.push(message, overflow);
        }
    }

    /// Takes out what is to be replaced by `message`.
    pub(super) fn take_same(&mut self, message: &Prepared) -> Option<Arc<Prepared>> {
        let origin = message.origin()?;
        let (entries, base) = (&self.entries, self.base);
        let newest = self.newest.as_mut()?;
        let found = newest.numbers.find_entry(hash(&newest.hasher, origin), |&number| {
            entry(entries, base, number).is_some_and(|(_, other)| is_same(origin, other))
        });
        let number = *found.ok()?.get();
        self.take(number)
    }

    /// Takes out what has waited longest of what may make way.
    pub(super) fn take_oldest(&mut self) -> Option<Arc<Prepared>> {
        let from = (self.cursor.max(self.base) - self.base) as usize;
        let mut rest = self.entries.range(from..);
        let at = rest.position(|it| it.as_ref().is_some_and(|it| it.overflow.may_drop()))?;
        self.cursor = self.base + (from + at) as u64;
        self.take(self.cursor)
    }

    /// All that wait, in order.
    pub(super) fn into_messages(self) -> impl Iterator<Item = Arc<Prepared>> {
        self.entries.into_iter().flatten().map(|entry| entry.message)
    }

    fn take(&mut self, number: u64) -> Option<Arc<Prepared>> {
        if let Some(newest) = &mut self.newest
            && let Some((_, origin)) = entry(&self.entries, self.base, number)
        {
            let hash = hash(&newest.hasher, origin);
            if let Ok(found) = newest.numbers.find_entry(hash, |&other| other == number) {
                found.remove();
            }
        }
        let at = usize::try_from(number - self.base).ok()?;
        let Entry { message, overflow } = self.entries.get_mut(at)?.take()?;
        debug_assert!(overflow.may_drop(), "what was promised a place makes way for nobody");
        self.droppable_bytes -= message.wire_len();
        self.gaps += 1;
        self.close_gaps();
        Some(message)
    }

    fn close_gaps(&mut self) {
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.base += 1;
            self.gaps -= 1;
        }
        if self.gaps > GAPS_MIN && 2 * self.gaps > self.entries.len() {
            let is_conflating = self.newest.take().is_some();
            let entries = std::mem::take(self).entries;
            self.newest = is_conflating.then(Newest::default);
            entries.into_iter().flatten().for_each(|it| self.push(it.message, it.overflow));
        }
    }
}

/// What a message is replaced by: another that was sent to be conflated, and has this origin's key.
fn key_of(message: &Prepared, overflow: Overflow) -> Option<&Origin> {
    if overflow == Overflow::Conflate { message.origin() } else { None }
}

fn entry(
    entries: &VecDeque<Option<Entry>>,
    base: u64,
    number: u64,
) -> Option<(&Arc<Prepared>, &Origin)> {
    let at = usize::try_from(number.checked_sub(base)?).ok()?;
    let entry = entries.get(at)?.as_ref()?;
    Some((&entry.message, key_of(&entry.message, entry.overflow)?))
}

fn is_same(origin: &Origin, other: &Origin) -> bool {
    origin.key == other.key && origin.channel == other.channel
}

fn hash(hasher: &RandomState, origin: &Origin) -> u64 {
    hasher.hash_one((&*origin.channel, origin.key))
}
