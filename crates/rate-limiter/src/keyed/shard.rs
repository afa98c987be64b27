//! One part of the table, under one lock.

use std::hash::Hash;
use std::time::Instant;

use ahash::RandomState;
use lru::LruCache;

use crate::{Limit, LimiterStats};

/// How many entries, from the one that was silent longest, are considered when one has to go.
const EVICTION_SAMPLE: usize = 8;

/// How many recovered keys make way for one new key: more than one, so that a table shrinks.
const RETIRED_PER_KEY: usize = 2;

pub(super) struct Shard<K, S> {
    /// Without a bound of its own: it would reserve its whole capacity at once, and the bound is a
    /// matter of all shards.
    pub(super) table: LruCache<K, S, RandomState>,
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) shadowed: u64,
    evicted: u64,
    recovered: u64,
}

impl<K: Hash + Eq + Clone, S> Shard<K, S> {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            table: LruCache::unbounded_with_hasher(hasher),
            allowed: 0,
            denied: 0,
            shadowed: 0,
            evicted: 0,
            recovered: 0,
        }
    }

    /// Forgets the keys at the silent end that have recovered, a few at a time; says how many.
    pub(super) fn retire_recovered<L>(&mut self, limit: &L, now: Instant) -> usize
    where
        L: Limit<State = S>,
    {
        let mut retired = 0;
        while retired < RETIRED_PER_KEY
            && self.table.peek_lru().is_some_and(|(_, state)| limit.fresh_at(state) <= now)
        {
            self.table.pop_lru();
            retired += 1;
        }
        self.recovered += retired as u64;
        retired
    }

    /// Forgets the one key of those silent longest that loses least by it; says how many, which is
    /// none if there is no key at all.
    pub(super) fn evict_one<L>(&mut self, limit: &L, now: Instant) -> usize
    where
        L: Limit<State = S>,
    {
        let victim = self
            .table
            .iter()
            .rev()
            .take(EVICTION_SAMPLE)
            .map(|(key, state)| (limit.fresh_at(state), key))
            .min_by_key(|(fresh_at, _)| *fresh_at);
        let Some((fresh_at, key)) = victim else {
            return 0;
        };
        let key = key.clone();
        self.table.pop(&key);
        if fresh_at <= now {
            self.recovered += 1;
        } else {
            self.evicted += 1;
        }
        1
    }

    pub(super) fn forget_recovered<L>(&mut self, limit: &L, now: Instant) -> usize
    where
        L: Limit<State = S>,
    {
        let before = self.table.len();
        self.table.retain(|_, state| limit.fresh_at(state) > now);
        let forgotten = before - self.table.len();
        self.recovered += forgotten as u64;
        forgotten
    }

    pub(super) fn add_to(&self, stats: &mut LimiterStats) {
        stats.allowed += self.allowed;
        stats.denied += self.denied;
        stats.shadowed += self.shadowed;
        stats.evicted += self.evicted;
        stats.recovered += self.recovered;
        stats.keys += self.table.len();
    }
}
