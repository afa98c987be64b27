//! How many connections of a type there are, counted as they come and go.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ahash::RandomState;
use parking_lot::Mutex;

use super::Target;
use crate::OnLimit;

const SHARDS: usize = 32;

/// The type's path, and the value by which it is counted.
type Key = (Box<str>, Box<str>);
type Shard<M> = Mutex<HashMap<Key, VecDeque<(u64, M)>, RandomState>>;

/// The places of all connection types. `M` is what is needed to close a connection that makes way.
pub struct Places<M> {
    hasher: RandomState,
    shards: Box<[Shard<M>]>,
    tickets: AtomicU64,
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
    held: Option<(Arc<Places<M>>, Key, u64)>,
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
        Self { shards: (0..SHARDS).map(shard).collect(), hasher, tickets: AtomicU64::new(0) }
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
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let mut shard = self.shard_of(&key).lock();
        let holders = shard.entry(key.clone()).or_default();
        let mut displaced = None;
        if holders.len() >= max.get() as usize {
            match target.kind().on_limit() {
                OnLimit::Reject => return Err(TypeFull { max }),
                OnLimit::CloseOldest => displaced = holders.pop_front().map(|(_, holder)| holder),
            }
        }
        holders.push_back((ticket, holder));
        drop(shard);
        let held = Some((self.clone(), key, ticket));
        Ok(Entered { place: Place { held }, displaced })
    }

    /// How many places are taken, of all types.
    pub fn len(&self) -> usize {
        let taken = |shard: &Shard<M>| shard.lock().values().map(VecDeque::len).sum::<usize>();
        self.shards.iter().map(taken).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn release(&self, key: &Key, ticket: u64) {
        let mut shard = self.shard_of(key).lock();
        let Some(holders) = shard.get_mut(key) else { return };
        // Not there if it had to make way.
        let index = holders.iter().position(|(other, _)| *other == ticket);
        let holder = index.and_then(|index| holders.remove(index));
        if holders.is_empty() {
            shard.remove(key);
        }
        drop(shard);
        // Whatever a holder does when it goes, it does outside of the lock.
        drop(holder);
    }

    fn shard_of(&self, key: &Key) -> &Shard<M> {
        // The upper bits: the maps within take the lower ones.
        &self.shards[(self.hasher.hash_one(key) >> 32) as usize % SHARDS]
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
