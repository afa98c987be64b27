//! What waits for a client that does not keep up, when some of it may make way.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;
use ws_connection::{Origin, Prepared};

use super::Overflow;

/// So few gaps are not worth closing.
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

/// The numbers of those that a newer message replaces, by channel and key.
#[derive(Debug, Default)]
struct Newest {
    numbers: HashTable<u64>,
    /// Keys may be a client's choice.
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
        let behind = self.take_entries();
        messages.for_each(|message| self.push(message, overflow));
        behind.for_each(|it| self.push(it.message, it.overflow));
    }

    /// Puts a message behind the others. While it conflates, one with the same key must be gone.
    pub(super) fn push(&mut self, message: Arc<Prepared>, overflow: Overflow) {
        if overflow.may_drop() {
            self.droppable_bytes += message.wire_len();
        }
        let entry = Entry { message, overflow };
        if let Some(newest) = &mut self.newest
            && let Some(origin) = entry.replaceable()
        {
            let number = self.base + self.entries.len() as u64;
            let (hasher, entries, base) = (&newest.hasher, &self.entries, self.base);
            newest.numbers.insert_unique(hash(hasher, origin), number, |&other| {
                replaceable(entries, base, other).map_or(0, |other| hash(hasher, other))
            });
        }
        self.entries.push_back(Some(entry));
    }

    /// From now on each key waits once. Hands over what is older than another with its key already.
    pub(super) fn start_conflating(&mut self, mut replaced: impl FnMut(Arc<Prepared>)) {
        if self.is_conflating() {
            return;
        }
        let entries = self.take_entries();
        self.newest = Some(Newest::default());
        for Entry { message, overflow } in entries {
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
        let newest = self.newest.as_ref()?;
        let is_same = |&number: &u64| {
            replaceable(&self.entries, self.base, number)
                .is_some_and(|other| origin.key == other.key && origin.channel == other.channel)
        };
        let number = *newest.numbers.find(hash(&newest.hasher, origin), is_same)?;
        self.take(number)
    }

    /// Takes out what has waited longest of what may make way.
    pub(super) fn take_oldest(&mut self) -> Option<Arc<Prepared>> {
        let from = usize::try_from(self.cursor.saturating_sub(self.base)).ok()?;
        let may_drop = |it: &Option<Entry>| it.as_ref().is_some_and(|it| it.overflow.may_drop());
        let at = from + self.entries.range(from..).position(may_drop)?;
        self.cursor = self.base + at as u64;
        self.take(self.cursor)
    }

    /// All that wait, in order.
    pub(super) fn into_messages(self) -> impl Iterator<Item = Arc<Prepared>> {
        self.entries.into_iter().flatten().map(|entry| entry.message)
    }

    fn take(&mut self, number: u64) -> Option<Arc<Prepared>> {
        if let Some(newest) = &mut self.newest
            && let Some(origin) = replaceable(&self.entries, self.base, number)
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
            let entries = self.take_entries();
            entries.for_each(|it| self.push(it.message, it.overflow));
        }
    }

    /// Takes out all, to be put back with new numbers. If it conflates, it goes on.
    fn take_entries(&mut self) -> impl Iterator<Item = Entry> + use<> {
        let newest = self.newest.as_ref().map(|_| Newest::default());
        let taken = std::mem::replace(self, Self { newest, ..Self::default() });
        taken.entries.into_iter().flatten()
    }
}

impl Entry {
    /// Its origin if a newer message with the same key replaces it.
    fn replaceable(&self) -> Option<&Origin> {
        if self.overflow == Overflow::Conflate { self.message.origin() } else { None }
    }
}

fn replaceable(entries: &VecDeque<Option<Entry>>, base: u64, number: u64) -> Option<&Origin> {
    let at = usize::try_from(number.checked_sub(base)?).ok()?;
    entries.get(at)?.as_ref()?.replaceable()
}

fn hash(hasher: &RandomState, origin: &Origin) -> u64 {
    hasher.hash_one((&*origin.channel, origin.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: u64) -> Arc<Prepared> {
        let origin = Origin { channel: "feed".into(), key, range: None, count: 1 };
        Arc::new(Prepared::text("news").with_origin(origin))
    }

    #[test]
    fn gaps_do_not_outgrow_what_waits_however_often_it_is_replaced() {
        let mut backlog = Backlog::default();
        backlog.push(message(0), Overflow::Refuse);
        backlog.start_conflating(|_| panic!("nothing to replace"));
        (0..100).for_each(|key| backlog.push(message(key), Overflow::Conflate));
        for n in 0..100_000_u64 {
            let message = message(n * n % 100);
            assert!(backlog.take_same(&message).is_some(), "each key waits once");
            backlog.push(message, Overflow::Conflate);
            assert!(backlog.entries.len() <= 2 * 101 + GAPS_MIN);
            assert_eq!(backlog.newest.as_ref().map(|newest| newest.numbers.len()), Some(100));
        }
        assert_eq!(backlog.into_messages().count(), 101);
    }

    #[test]
    fn what_may_not_make_way_is_looked_at_once_however_much_is_dropped() {
        let mut backlog = Backlog::default();
        (0..1000).for_each(|key| backlog.push(message(key), Overflow::Refuse));
        for key in 0..1000 {
            backlog.push(message(key), Overflow::DropOldest);
            assert!(backlog.take_oldest().is_some());
            assert!(backlog.cursor >= 1000);
        }
        assert!(backlog.take_oldest().is_none());
        assert_eq!(backlog.droppable_bytes(), 0);
    }
}
