//! How many connections of a type there are, counted as they come and go.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use ahash::RandomState;
use parking_lot::Mutex;

use super::Target;
use crate::OnLimit;

const SHARDS: usize = 32;

type Shard<M> = Mutex<HashMap<Arc<str>, Holders<M>, RandomState>>;

/// The places of all connection types. `M` is what is needed to close a connection that makes way.
pub struct Places<M> {
    hasher: RandomState,
    shards: Box<[Shard<M>]>,
    tickets: AtomicU64,
    taken: AtomicUsize,
}

/// A connection has its place.
#[derive(Debug)]
pub struct Entered<M> {
    /// To be kept as long as the connection lives.
    pub place: Place<M>,
    /// The connection that had the place for longest and has lost it: to be closed.
    pub displaced: Option<M>,
}

/// One connection's place: dropping it makes room for another.
pub struct Place<M> {
    /// `None` where nothing is counted.
    held: Option<(Arc<Places<M>>, Arc<str>, u64)>,
}

/// Who holds the places of one key, by ticket. As a rule that is one, who needs no table; of thousands, each
/// is found when it goes.
struct Holders<M> {
    /// `None` only if there are no others either.
    oldest: Option<(u64, M)>,
    others: BTreeMap<u64, M>,
}

/// There are as many connections as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max} connections of this kind are allowed")]
pub struct TypeFull {
    /// How many that is.
    pub max: NonZeroU32,
}

impl<M> Places<M> {
    /// All free.
    #[must_use]
    pub fn new() -> Self {
        let hasher = RandomState::new();
        let shard = |_| Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            hasher,
            tickets: AtomicU64::new(0),
            taken: AtomicUsize::new(0),
        }
    }

    /// Takes a place for a connection, if there is one, or if the one that has been there longest has to
    /// make way. Whose it is ([`Target::admits`]) is to be asked before.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn enter(self: &Arc<Self>, target: &Target<'_>, holder: M) -> Result<Entered<M>, TypeFull> {
        let Some(max) = target.kind().max() else {
            return Ok(Entered { place: Place { held: None }, displaced: None });
        };
        let key = target.key();
        let mut shard = self.shard_of(&key).lock();
        let holders = shard.entry(key.clone()).or_insert_with(Holders::new);
        // Under the lock: who is let in later has the greater one.
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let mut displaced = None;
        if holders.len() >= max.get() as usize {
            match target.kind().on_limit() {
                OnLimit::Reject => return Err(TypeFull { max }),
                OnLimit::CloseOldest => displaced = holders.remove_oldest(),
            }
        }
        holders.insert(ticket, holder);
        if displaced.is_none() {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
        drop(shard);
        let held = Some((self.clone(), key, ticket));
        Ok(Entered { place: Place { held }, displaced })
    }

    /// How many places are taken, of all types; takes no lock.
    pub fn len(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn release(&self, key: &str, ticket: u64) {
        let mut shard = self.shard_of(key).lock();
        let Some(holders) = shard.get_mut(key) else { return };
        // Not there if it had to make way.
        let holder = holders.remove(ticket);
        if holders.len() == 0 {
            shard.remove(key);
        }
        drop(shard);
        if holder.is_some() {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
        // Whatever a holder does when it goes, it does outside of the lock.
        drop(holder);
    }

    fn shard_of(&self, key: &str) -> &Shard<M> {
        // The upper bits: the maps within take the lower ones.
        &self.shards[(self.hasher.hash_one(key) >> 32) as usize % SHARDS]
    }
}

impl<M> Holders<M> {
    const fn new() -> Self {
        Self { oldest: None, others: BTreeMap::new() }
    }

    fn len(&self) -> usize {
        usize::from(self.oldest.is_some()) + self.others.len()
    }

    /// Adds one with a ticket that is greater than all that are there.
    fn insert(&mut self, ticket: u64, holder: M) {
        match self.oldest {
            None => self.oldest = Some((ticket, holder)),
            Some(_) => drop(self.others.insert(ticket, holder)),
        }
    }

    fn remove_oldest(&mut self) -> Option<M> {
        let next = self.others.pop_first();
        std::mem::replace(&mut self.oldest, next).map(|(_, holder)| holder)
    }

    fn remove(&mut self, ticket: u64) -> Option<M> {
        match &self.oldest {
            Some((oldest, _)) if *oldest == ticket => self.remove_oldest(),
            _ => self.others.remove(&ticket),
        }
    }
}

impl<M> Default for Places<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Drop for Place<M> {
    fn drop(&mut self) {
        if let Some((places, key, ticket)) = &self.held {
            places.release(key, *ticket);
        }
    }
}

impl<M> fmt::Debug for Places<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").field("taken", &self.len()).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Place<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.held.as_ref().map(|(_, key, _)| key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicU32, thread};

    use super::*;
    use crate::{ConnectionTypeSpec, ConnectionTypes};

    #[test]
    fn however_many_come_at_once_there_are_never_more_than_may_be() {
        const MAX: u32 = 3;
        for on_limit in [OnLimit::Reject, OnLimit::CloseOldest] {
            let types = ConnectionTypes::compile(&[ConnectionTypeSpec {
                path: "/ws".into(),
                max: Some(MAX),
                on_limit,
                ..ConnectionTypeSpec::default()
            }])
            .unwrap();
            let places = Arc::new(Places::new());
            let displaced = AtomicU32::new(0);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..1_000 {
                            let target = types.target("/ws").unwrap().unwrap();
                            // More than one alone could have, whatever the others do.
                            let tried: Vec<_> =
                                (0..=MAX).map(|_| places.enter(&target, ())).collect();
                            let lost = tried.iter().flatten().filter(|it| it.displaced.is_some());
                            displaced.fetch_add(lost.count() as u32, Ordering::Relaxed);
                            let is_within = |shard: &Shard<()>| {
                                shard.lock().values().all(|holders| holders.len() <= MAX as usize)
                            };
                            assert!(places.shards.iter().all(is_within));
                        }
                    });
                }
            });
            assert!(places.is_empty());
            assert!(places.shards.iter().all(|shard| shard.lock().is_empty()));
            assert_eq!(on_limit == OnLimit::Reject, displaced.into_inner() == 0);
        }
    }
}
