//! One limit for each of many callers, in a table that cannot outgrow its bound.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ahash::RandomState;
use parking_lot::Mutex;

use crate::mode::ModeCell;
use crate::{Denied, DeniedReason, Limit, Mode};

mod shard;
#[cfg(test)]
mod tests;

use shard::Shard;

/// A limit for each key (an address, a user, a channel), shared by all threads.
///
/// A key that is known costs one lock that few others want and two hashes; its counters are under the
/// same lock, and nothing else is shared. Only a key that comes or goes touches the common count.
///
/// # Bounded memory
///
/// At most `capacity` keys are remembered, whatever arrives. The memory grows with the keys and stays
/// at its peak: about 120 bytes for a short key with a [`TokenBucket`](crate::TokenBucket), so 12 MB
/// for 100,000 of them. A key that has its whole allowance needs no entry: it gets none, and the entry of
/// one that has recovered is the first to go when another key arrives.
///
/// Only a full table (from 99.6 % of its capacity) forgets a key that has not recovered, and
/// [`LimiterStats::evicted`] counts that. Among the eight keys that have been silent longest it forgets
/// the one that has used least. So a spray of addresses, each good for a request or two, pushes out its
/// own kind and not the key that is being denied; and to have one used-up key forgotten, an
/// attacker would need more keys than the table holds, each with an allowance of its own, which is what
/// it wanted in the first place. Choose the capacity above the number of honest callers within
/// the time that a limit takes to recover.
pub struct KeyedLimiter<K, L: Limit> {
    limit: L,
    mode: ModeCell,
    capacity: NonZeroUsize,
    hasher: RandomState,
    shards: Box<[Padded<K, L::State>]>,
    /// How many keys are remembered, in all shards.
    keys: AtomicUsize,
    /// From how many keys on another one has to push one out.
    keys_full: usize,
}

/// Two cache lines, because processors fetch them in pairs: shards do not disturb each other.
#[repr(align(128))]
struct Padded<K, S>(Mutex<Shard<K, S>>);

/// What a limiter has decided so far, and how full it is. The counters never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimiterStats {
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were denied.
    pub denied: u64,
    /// Requests that would have been denied, were the limit enforced: [`Mode::Shadow`]. They are among the
    /// allowed.
    pub shadowed: u64,
    /// Keys that were forgotten because the table was full, and with them what they had used. If this
    /// moves, the capacity is too small or somebody sprays.
    pub evicted: u64,
    /// Keys that were forgotten because they had their whole allowance back.
    pub recovered: u64,
    /// Keys that are remembered.
    pub keys: usize,
}

/// More than there are threads in most servers; one for each 256 keys at most, so that hashing
/// fills all of them about evenly.
const SHARDS_MAX: usize = 64;
const KEYS_PER_SHARD_MIN: usize = 256;

impl<K, L> KeyedLimiter<K, L>
where
    K: Hash + Eq + Clone,
    L: Limit,
{
    /// The same `limit` for each key, and memory for at most `capacity` of them.
    #[must_use]
    pub fn new(limit: L, capacity: NonZeroUsize) -> Self {
        let wanted = (capacity.get() / KEYS_PER_SHARD_MIN).clamp(1, SHARDS_MAX);
        // The largest power of two that is not larger: a mask chooses the shard.
        let shards = 1 << wanted.ilog2();
        // The seed is random for each table, so that nobody can aim at one shard or bucket.
        let hasher = RandomState::new();
        Self {
            limit,
            mode: ModeCell::new(Mode::Enforce),
            capacity,
            shards: (0..shards).map(|_| Padded(Mutex::new(Shard::new(hasher.clone())))).collect(),
            hasher,
            keys: AtomicUsize::new(0),
            // A shard that has no key yet keeps its first one in any case.
            keys_full: capacity.get() - (shards - 1),
        }
    }

    /// Takes 1 from the allowance of `key`, or says when to come back.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance is used up.
    pub fn check<Q>(&self, key: &Q, now: Instant) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.check_cost(key, 1, now)
    }

    /// Takes `cost` from the allowance of `key`, or takes nothing and says when to come back.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance does not hold so much.
    pub fn check_cost<Q>(&self, key: &Q, cost: u32, now: Instant) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut shard = self.shard_of(key).lock();
        match self.take(&mut shard, key, cost, now) {
            Ok(()) => {
                shard.allowed += 1;
                Ok(())
            }
            Err(denied) => self.deny(&mut shard, denied),
        }
    }

    /// As [`KeyedLimiter::check_cost`], but what costs more than an allowance ever holds costs all of it:
    /// whoever waits for long enough is allowed anything once.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance does not hold so much now.
    pub fn charge<Q>(&self, key: &Q, cost: u32, now: Instant) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut shard = self.shard_of(key).lock();
        let mut cost = cost;
        loop {
            match self.take(&mut shard, key, cost, now) {
                Ok(()) => {
                    shard.allowed += 1;
                    return Ok(());
                }
                Err(Denied { reason: DeniedReason::CostAboveLimit { limit }, .. })
                    if limit < cost =>
                {
                    cost = limit;
                }
                Err(denied) => return self.deny(&mut shard, denied),
            }
        }
    }

    /// Whether a request of that cost would be allowed; nothing is taken, counted or remembered.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance does not hold so much now.
    pub fn probe<Q>(&self, key: &Q, cost: u32, now: Instant) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        L::State: Clone,
    {
        let known = self.shard_of(key).lock().table.peek(key).cloned();
        let mut state = known.unwrap_or_else(|| self.limit.new_state(now));
        self.limit.check(&mut state, cost, now)
    }

    /// What becomes of denied requests from now on; what callers have used stays used.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.set(mode);
    }

    /// The same limiter in another mode.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        self.set_mode(mode);
        self
    }

    /// What becomes of denied requests.
    pub fn mode(&self) -> Mode {
        self.mode.get()
    }

    /// Gives `key` its whole allowance back; says whether anything was known of it.
    ///
    /// For an operator who pardons. Not for a caller that disconnects: it would come back with a new
    /// allowance. Those who are silent are forgotten without help.
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let known = self.shard_of(key).lock().table.pop(key).is_some();
        if known {
            self.keys.fetch_sub(1, Ordering::Relaxed);
        }
        known
    }

    /// Forgets every key that has its whole allowance back, and says how many those were.
    ///
    /// Not needed for the bound. Walks the whole table, one shard at a time under its lock.
    pub fn forget_recovered(&self, now: Instant) -> usize {
        let mut forgotten = 0;
        for shard in &self.shards {
            forgotten += shard.0.lock().forget_recovered(&self.limit, now);
        }
        self.keys.fetch_sub(forgotten, Ordering::Relaxed);
        forgotten
    }

    /// The sums over all shards. Takes each shard's lock for a moment, one after the other.
    pub fn stats(&self) -> LimiterStats {
        let mut stats = LimiterStats::default();
        for shard in &self.shards {
            shard.0.lock().add_to(&mut stats);
        }
        stats
    }

    // In line, so that an outcome that is nearly always the same is not written down to be read again.
    #[inline(always)]
    fn take<Q>(
        &self,
        shard: &mut Shard<K, L::State>,
        key: &Q,
        cost: u32,
        now: Instant,
    ) -> Result<(), Denied>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match shard.table.get_mut(key) {
            Some(state) => self.limit.check(state, cost, now),
            None => self.check_stranger(shard, key, cost, now),
        }
    }

    /// Where limits are only watched, what is denied is allowed.
    #[cold]
    fn deny(&self, shard: &mut Shard<K, L::State>, denied: Denied) -> Result<(), Denied> {
        match self.mode.get() {
            Mode::Enforce => {
                shard.denied += 1;
                Err(denied)
            }
            Mode::Shadow => {
                shard.allowed += 1;
                shard.shadowed += 1;
                Ok(())
            }
        }
    }

    /// A key of which nothing is known: it has its whole allowance.
    fn check_stranger<Q>(
        &self,
        shard: &mut Shard<K, L::State>,
        key: &Q,
        cost: u32,
        now: Instant,
    ) -> Result<(), Denied>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        let mut state = self.limit.new_state(now);
        self.limit.check(&mut state, cost, now)?;
        if self.limit.fresh_at(&state) <= now {
            return Ok(());
        }
        let mut forgotten = shard.retire_recovered(&self.limit, now);
        let others = self.keys.fetch_add(1, Ordering::Relaxed) - forgotten;
        if others >= self.keys_full {
            forgotten += shard.evict_one(&self.limit, now);
        }
        self.keys.fetch_sub(forgotten, Ordering::Relaxed);
        shard.table.put(key.to_owned(), state);
        Ok(())
    }

    fn shard_of<Q>(&self, key: &Q) -> &Mutex<Shard<K, L::State>>
    where
        Q: Hash + ?Sized,
    {
        // The table inside uses the lowest and the highest bits of the same hash.
        let hash = self.hasher.hash_one(key) >> 32;
        &self.shards[hash as usize & (self.shards.len() - 1)].0
    }
}

impl<K, L: Limit> KeyedLimiter<K, L> {
    /// The limit of each key.
    pub const fn limit(&self) -> &L {
        &self.limit
    }

    /// The most keys that are ever remembered.
    pub const fn capacity(&self) -> NonZeroUsize {
        self.capacity
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, L: Limit + fmt::Debug> fmt::Debug for KeyedLimiter<K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLimiter")
            .field("limit", &self.limit)
            .field("capacity", &self.capacity)
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}
