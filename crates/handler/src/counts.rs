//! Counters by cause, kept apart for each thread.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;

/// `N` counters that many threads add to without sharing a cache line: for what an application counts
/// on the way of a message. Reading them adds up all threads' shares.
#[derive(Debug)]
pub struct Counts<const N: usize> {
    shards: Box<[Shard<N>]>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard<const N: usize>([AtomicU64; N]);

static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

impl<const N: usize> Counts<N> {
    /// All at zero.
    pub fn new() -> Self {
        let shard = || Shard(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Adds one; an index beyond `N` counts as the last.
    pub fn add(&self, index: usize) {
        self.add_many(index, 1);
    }

    /// Adds `count`; an index beyond `N` counts as the last.
    pub fn add_many(&self, index: usize, count: u64) {
        let shard = &self.shards[SHARD.with(|shard| *shard)];
        shard.0[index.min(N - 1)].fetch_add(count, Ordering::Relaxed);
    }

    /// What each came to.
    pub fn totals(&self) -> [u64; N] {
        std::array::from_fn(|index| {
            self.shards.iter().map(|shard| shard.0[index].load(Ordering::Relaxed)).sum()
        })
    }
}

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl Counts<1> {
    /// Adds one to the only counter.
    pub fn count(&self) {
        self.add(0);
    }
}
