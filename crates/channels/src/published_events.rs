//! Which events have been published lately, so that a repeated publish is delivered once.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use ahash::RandomState;
use hashbrown::HashTable;
use lru::LruCache;
use parking_lot::Mutex;

use crate::{ChannelName, EventId, EventIds, PublishedEventsConfig};

#[cfg(test)]
mod tests;

/// So many locks, each for the channels whose names hash to it.
const SHARDS: usize = 32;
/// So many channels that are silent for longer than the window are forgotten with each publish: more
/// than one publish adds.
const RETIRED_AT_ONCE: usize = 2;

/// The names of events of each channel, for a while: who publishes again because no answer came publishes
/// once.
///
/// Bounded in time, in events of a channel, and in events of all channels. What a bound pushes out
/// before its time is counted: a repetition of it would be delivered again.
pub struct PublishedEvents {
    config: PublishedEventsConfig,
    events_max_of_shard: usize,
    ids: EventIds,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

/// What has been published with a name so far, and what is remembered of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishedEventsStats {
    /// Published for the first time, as far as is known.
    pub new: u64,
    /// Published again within the window.
    pub repeated: u64,
    /// Forgotten within the window, because there were too many.
    pub evicted: u64,
    /// Channels of which something is remembered.
    pub channels: usize,
    /// Events that are remembered.
    pub events: usize,
}

struct Shard {
    /// In the order in which something was published; none is empty.
    windows: LruCache<ChannelName, Window, RandomState>,
    stats: PublishedEventsStats,
}

/// The events of one channel.
#[derive(Default)]
struct Window {
    /// The oldest first.
    order: VecDeque<(EventId, Instant)>,
    table: HashTable<u64>,
}

impl PublishedEvents {
    /// Nothing has been published yet.
    #[must_use]
    pub fn new(config: PublishedEventsConfig) -> Self {
        let hasher = RandomState::new();
        let shard = |_| {
            Mutex::new(Shard {
                windows: LruCache::unbounded_with_hasher(hasher.clone()),
                stats: PublishedEventsStats::default(),
            })
        };
        Self {
            config,
            // One channel alone may be as busy as a channel may.
            events_max_of_shard: config
                .events_max
                .get()
                .div_ceil(SHARDS)
                .max(config.events_per_channel_max.get()),
            ids: EventIds::new(),
            shards: (0..SHARDS).map(shard).collect(),
            hasher,
        }
    }

    /// Says whether `event` is to be delivered, that is whether it is not known to have been published in
    /// `channel` within the window, and remembers it from now on. Of two who ask at once, one is told
    /// so. A repetition does not prolong the window.
    pub fn insert(&self, channel: &ChannelName, event: &str, now: Instant) -> bool {
        let id = self.ids.id(event);
        let mut shard = self.shard_of(channel).lock();
        let shard = &mut *shard;
        shard.retire(self.config.window, now);
        let window = shard.windows.get_or_insert_mut_ref(channel, Window::default);
        shard.stats.events -= window.expire(self.config.window, now);
        if !window.insert(id, now) {
            shard.stats.repeated += 1;
            return false;
        }
        shard.stats.new += 1;
        shard.stats.events += 1;
        if window.order.len() > self.config.events_per_channel_max.get() {
            window.forget_oldest();
            shard.stats.events -= 1;
            shard.stats.evicted += 1;
        }
        while shard.stats.events > self.events_max_of_shard {
            let Some((_, window)) = shard.windows.pop_lru() else { break };
            shard.stats.events -= window.order.len();
            shard.stats.evicted += window.order.len() as u64;
        }
        true
    }

    /// Forgets an event whose publish has failed after all, so that it may be tried again.
    pub fn forget(&self, channel: &ChannelName, event: &str) {
        let id = self.ids.id(event);
        let mut shard = self.shard_of(channel).lock();
        let Some(window) = shard.windows.peek_mut(&**channel) else { return };
        if !window.forget(id) {
            return;
        }
        let empty = window.order.is_empty();
        shard.stats.events -= 1;
        if empty {
            shard.windows.pop(&**channel);
        }
    }

    /// What has happened so far. Takes each shard's lock for a moment.
    pub fn stats(&self) -> PublishedEventsStats {
        let mut sum = PublishedEventsStats::default();
        for shard in &self.shards {
            let shard = shard.lock();
            sum.new += shard.stats.new;
            sum.repeated += shard.stats.repeated;
            sum.evicted += shard.stats.evicted;
            sum.events += shard.stats.events;
            sum.channels += shard.windows.len();
        }
        sum
    }

    fn shard_of(&self, channel: &str) -> &Mutex<Shard> {
        // The upper bits: the map within takes the lower ones.
        &self.shards[(self.hasher.hash_one(channel) >> 32) as usize % SHARDS]
    }
}

impl Shard {
    /// Forgets channels in which nothing was published within the window.
    fn retire(&mut self, window: Duration, now: Instant) {
        for _ in 0..RETIRED_AT_ONCE {
            let Some((_, oldest)) = self.windows.peek_lru() else { return };
            let silent = oldest.order.back().is_none_or(|(_, at)| is_over(*at, window, now));
            if !silent {
                return;
            }
            if let Some((_, oldest)) = self.windows.pop_lru() {
                self.stats.events -= oldest.order.len();
            }
        }
    }
}

impl Window {
    /// Whether it was not there.
    fn insert(&mut self, id: EventId, now: Instant) -> bool {
        let entry = self.table.entry(id.0, |other| *other == id.0, |other| *other);
        if let hashbrown::hash_table::Entry::Vacant(entry) = entry {
            entry.insert(id.0);
            self.order.push_back((id, now));
            return true;
        }
        false
    }

    /// How many were too old.
    fn expire(&mut self, window: Duration, now: Instant) -> usize {
        let before = self.order.len();
        while self.order.front().is_some_and(|(_, at)| is_over(*at, window, now)) {
            self.forget_oldest();
        }
        before - self.order.len()
    }

    fn forget_oldest(&mut self) {
        if let Some((id, _)) = self.order.pop_front() {
            self.forget_id(id);
        }
    }

    /// Whether it was there. What has just failed has just been published: searched from the end.
    fn forget(&mut self, id: EventId) -> bool {
        let Some(index) = self.order.iter().rposition(|(other, _)| *other == id) else {
            return false;
        };
        self.order.remove(index);
        self.forget_id(id);
        true
    }

    fn forget_id(&mut self, id: EventId) {
        if let Ok(found) = self.table.find_entry(id.0, |other| *other == id.0) {
            found.remove();
        }
    }
}

/// Whether an event of then is no longer within the window.
fn is_over(at: Instant, window: Duration, now: Instant) -> bool {
    now.saturating_duration_since(at) >= window
}

impl fmt::Debug for PublishedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedEvents")
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
