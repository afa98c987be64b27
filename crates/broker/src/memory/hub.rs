//! What the nodes of one memory engine are behind: logs, records and topics under many locks.

use std::{
    hash::{BuildHasher, RandomState as Seed},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use ahash::RandomState;
use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    MemoryConfig,
    clock::Clock,
    feed::Feeds,
    link::Link,
    records::Records,
    shard::{Moment, Shard},
    stats::MemoryStats,
};
use crate::{Appended, EngineError, Log, Page, ReadLimits};

/// So many locks, each for the names that hash to it.
const SHARDS: usize = 32;
/// What a log takes of which only the position is left.
const HEAD_BYTES: usize = 384;
/// So many logs are evicted with one append at most: more than one append can make too many.
const EVICTED_AT_ONCE: usize = 16;

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) config: MemoryConfig,
    pub(super) clock: Clock,
    pub(super) records: Records,
    /// Of logs of which nothing is known: another one as soon as something that was known is forgotten.
    epoch: AtomicU64,
    /// Of all shards.
    bytes: AtomicUsize,
    evicting: Mutex<()>,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    topics: Box<[Mutex<Feeds<Bytes>>]>,
}

impl Hub {
    pub(super) fn new(config: MemoryConfig) -> Self {
        // An eighth of the bytes again for positions.
        let heads_max = (config.logs_bytes_max / 8 / HEAD_BYTES / SHARDS).max(1);
        Self {
            clock: Clock::new(),
            records: Records::default(),
            epoch: AtomicU64::new(random_epoch()),
            bytes: AtomicUsize::new(0),
            evicting: Mutex::new(()),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new(heads_max))).collect(),
            topics: (0..SHARDS).map(|_| Mutex::new(Feeds::new())).collect(),
            config,
        }
    }

    pub(super) fn append(
        &self,
        log: &Log<'_>,
        payload: Bytes,
        event: Option<&str>,
    ) -> Result<Appended, EngineError> {
        let shard = &self.shards[self.index(log.name)];
        let outcome = self.change(&mut shard.lock(), |shard, moment| {
            let outcome = shard.append(log, payload, event, moment);
            (outcome, shard.sweep(moment.now_ms))
        });
        let (appended, feed) = outcome?;
        self.make_room();
        if feed.is_some_and(|feed| feed.tell()) {
            shard.lock().feeds.sweep(log.name);
        }
        Ok(appended)
    }

    pub(super) fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Page {
        let shard = &self.shards[self.index(log.name)];
        let read = |shard: &mut Shard, moment: &Moment| (shard.read(log, after, limits, moment), 0);
        self.change(&mut shard.lock(), read)
    }

    pub(super) fn remove(&self, name: &str, offsets: &[u64]) {
        let shard = &self.shards[self.index(name)];
        self.change(&mut shard.lock(), |shard, _| (shard.remove(name, offsets), 0));
    }

    pub(super) fn follow(&self, name: &str, link: &Arc<Link>) {
        self.shards[self.index(name)].lock().feeds.follow(name, link);
    }

    pub(super) fn unfollow(&self, name: &str, link: &Arc<Link>) {
        self.shards[self.index(name)].lock().feeds.unfollow(name, link);
    }

    pub(super) fn subscribe(&self, topic: &str, link: &Arc<Link>) {
        self.topics[self.index(topic)].lock().follow(topic, link);
    }

    pub(super) fn unsubscribe(&self, topic: &str, link: &Arc<Link>) {
        self.topics[self.index(topic)].lock().unfollow(topic, link);
    }

    pub(super) fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        let topics = &self.topics[self.index(topic)];
        let Some(feed) = topics.lock().get(topic) else { return Ok(()) };
        if !feed.try_queue(payload, self.config.waiting_max) {
            return Err(EngineError::Overloaded { kind: super::KIND });
        }
        if feed.tell() {
            topics.lock().sweep(topic);
        }
        Ok(())
    }

    /// A node is gone.
    pub(super) fn forget(&self, link: &Arc<Link>) {
        self.shards.iter().for_each(|shard| shard.lock().feeds.forget(link));
        self.topics.iter().for_each(|topics| topics.lock().forget(link));
    }

    /// Forgets all logs, as an engine that keeps them in memory does when it dies.
    pub(super) fn forget_logs(&self) {
        // Whoever appends meanwhile does so before all of it or behind.
        let mut shards: Vec<_> = self.shards.iter().map(Mutex::lock).collect();
        self.epoch.store(random_epoch(), Ordering::Release);
        for shard in &mut shards {
            let before = shard.bytes();
            shard.forget();
            self.bytes.fetch_sub(before, Ordering::Relaxed);
        }
    }

    /// Counts, and drops what has expired since nobody appends.
    pub(super) fn stats(&self) -> MemoryStats {
        let count = |shard: &Mutex<Shard>| {
            self.change(&mut shard.lock(), |shard, moment| {
                let forgotten = shard.sweep(moment.now_ms);
                (shard.count(), forgotten)
            })
        };
        let (records, records_bytes) = self.records.size();
        MemoryStats {
            logs: self.shards.iter().map(count).sum(),
            records,
            records_bytes,
            topics: self.topics.iter().map(|topics| topics.lock().len()).sum(),
        }
    }

    /// Does something to a shard, and keeps the books: how many bytes there are, and that no log
    /// that was forgotten comes back in the life that it had.
    fn change<T>(
        &self,
        shard: &mut Shard,
        change: impl FnOnce(&mut Shard, &Moment) -> (T, usize),
    ) -> T {
        let moment = Moment {
            now_ms: self.clock.now_ms(),
            epoch: self.epoch.load(Ordering::Acquire),
            waiting_max: self.config.waiting_max,
        };
        let before = shard.bytes();
        let (outcome, forgotten) = change(shard, &moment);
        if forgotten > 0 {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        let after = shard.bytes();
        if after > before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
        outcome
    }

    /// Evicts the logs that are silent for the longest, until the rest fits. One thread at a time: another
    /// one's turn is as good.
    fn make_room(&self) {
        let bytes_max = self.config.logs_bytes_max;
        if self.bytes.load(Ordering::Relaxed) <= bytes_max {
            return;
        }
        let Some(_turn) = self.evicting.try_lock() else { return };
        for _ in 0..EVICTED_AT_ONCE {
            if self.bytes.load(Ordering::Relaxed) <= bytes_max {
                break;
            }
            let silent = |shard: &Mutex<Shard>| shard.lock().longest_silent_ms();
            let shards = self.shards.iter();
            let longest = shards.filter_map(|shard| Some((silent(shard)?, shard)));
            let Some((_, shard)) = longest.min_by_key(|(appended_ms, _)| *appended_ms) else {
                break;
            };
            self.change(&mut shard.lock(), |shard, _| ((), shard.evict(bytes_max / 2)));
        }
    }

    fn index(&self, name: &str) -> usize {
        // The remainder is less than the number of shards.
        (self.hasher.hash_one(name) % SHARDS as u64) as usize
    }
}

/// Another one for each start; there is room above for each time that something is forgotten.
fn random_epoch() -> u64 {
    (Seed::new().hash_one(std::process::id()) >> 12) | 1
}
