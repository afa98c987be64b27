//! What was done, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was done since the engine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisStats {
    /// Messages that were published in topics.
    pub publishes: u64,
    /// Of these, those that the server did not take, or of which it is not known.
    pub publishes_lost: u64,
    /// Everything that was asked: publishes, appends, reads, records.
    pub calls: u64,
    /// How often something was written for them: `calls / batches` went out with each write.
    pub batches: u64,
    /// Calls that were refused because too much was under way.
    pub overloaded: u64,
    /// Calls that were refused because the server was away.
    pub unavailable: u64,
    /// Calls of which it is not known whether they were done.
    pub unknown: u64,
    /// Messages that came from topics.
    pub messages: u64,
    /// Entries that came from logs.
    pub entries: u64,
    /// How often a connection was made.
    pub connects: u64,
    /// How often a connection was lost, or could not be made.
    pub disconnects: u64,
    /// Calls that are under way now.
    pub pending: u64,
    /// Connections that are at work now: two for each server, one for calls and one for what is followed.
    pub connections: u64,
    /// Topics and logs that are followed now.
    pub follows: u64,
}

macro_rules! counters {
    ($($name:ident)+) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)+ }

        impl Counters {
            pub(crate) fn read(&self) -> RedisStats {
                RedisStats { $($name: self.$name.0.load(Ordering::Relaxed),)+ ..RedisStats::default() }
            }
        }
    };
}

counters!(publishes publishes_lost calls batches overloaded unavailable unknown messages entries connects disconnects);

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}
