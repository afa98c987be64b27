//! What waits to be sent, and what waits to be answered.
//!
//! ```text
//!  push ──▶ waiting ──── pop ────▶ sent ──── settle ──▶ out
//!              ▲                    │
//!              └── refuse, repeat, ─┘
//!                  handle_lost
//! ```
//!
//! An entry has one place in the order of its priority, that of its `push`, and returns to it as
//! often as it must be sent again. What waits behind it goes on waiting.

use std::time::{Duration, Instant};

pub use self::config::QueueConfig;
pub use self::entry::{Confirm, Key, Priority};
use self::entry::{Entry, PRIORITIES};
use self::lane::{Lane, Taken};
use self::turns::Turns;

mod config;
mod entry;
mod lane;
mod turns;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// No refusal keeps its priority waiting for longer: what a server tells must not carry a clock
/// beyond its end.
const RETRY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A bounded queue of four priorities that remembers what it has sent until that is answered.
///
/// It is asked for the next entry only while there is a connection that can take one.
#[derive(Debug)]
pub struct Queue<T> {
    config: QueueConfig,
    lanes: [Lane<T>; PRIORITIES],
    turns: Turns,
    bytes: usize,
    next_number: u64,
}

/// What goes out next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a, T> {
    /// The queue keeps it until it is settled.
    Kept {
        /// By which its answer will be found.
        key: Key,
        /// What is to be sent.
        value: &'a mut T,
    },
    /// To be written is all that it wants; the queue has done with it.
    Done {
        /// The key it had.
        key: Key,
        /// What is to be sent.
        value: T,
    },
}

/// What became of an entry that did not arrive.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Refused<T> {
    /// It waits in its old place and goes again.
    Again,
    /// It may not go again; here it is.
    Exhausted(T),
    /// There is none of that key.
    Unknown,
}

impl<T> Queue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(config: QueueConfig) -> Self {
        let lanes = std::array::from_fn(|_| Lane::new());
        Self { config, lanes, turns: Turns::default(), bytes: 0, next_number: 1 }
    }

    /// Appends an entry to its priority. `bytes` is its size for the bound of all;
    /// `is_repeatable`, whether it may be sent again if nobody knows that it has arrived.
    ///
    /// # Errors
    ///
    /// The queue is full: the value back.
    pub fn push(
        &mut self,
        priority: Priority,
        bytes: usize,
        confirm: Confirm,
        is_repeatable: bool,
        value: T,
    ) -> Result<Key, T> {
        let lane = &mut self.lanes[priority.index()];
        let is_full = lane.len() >= self.config.entries_max
            || bytes > self.config.bytes_max.saturating_sub(self.bytes);
        if is_full {
            return Err(value);
        }
        let key = Key::new(self.next_number, priority);
        self.next_number += 1;
        self.bytes += bytes;
        lane.put(key, Entry::new(bytes, confirm, is_repeatable, value));
        Ok(key)
    }

    /// Takes what goes out next, if anything may now.
    pub fn pop(&mut self, now: Instant) -> Option<Next<'_, T>> {
        let in_flight_max = self.config.in_flight_max.max(1);
        let can_send = std::array::from_fn(|index| self.lanes[index].can_send(now, in_flight_max));
        let index = self.turns.take(can_send, self.config.passes_max)?;
        match self.lanes[index].pop(now)? {
            Taken::Kept(key, value) => Some(Next::Kept { key, value }),
            Taken::Done(key, entry) => {
                self.bytes -= entry.bytes;
                Some(Next::Done { key, value: entry.value })
            }
        }
    }

    /// Takes an entry out for good, wherever it is: it was answered, or nobody waits for it.
    pub fn settle(&mut self, key: Key) -> Option<T> {
        let entry = self.lane(key).remove(key)?;
        Some(self.give_back(entry))
    }

    /// The server would not have an entry for now: it goes again, first in its priority, which
    /// waits for `retry_after`, or by the configuration if the server named no time.
    pub fn refuse(&mut self, key: Key, retry_after: Option<Duration>, now: Instant) -> Refused<T> {
        let Some(mut entry) = self.lane(key).remove(key) else { return Refused::Unknown };
        entry.refusals = entry.refusals.saturating_add(1);
        if entry.refusals >= self.config.refusals_max {
            return Refused::Exhausted(self.give_back(entry));
        }
        let delay = self.config.retry_delay.saturating_mul(entry.refusals);
        entry.not_before = Some(now + retry_after.unwrap_or(delay).min(RETRY_MAX));
        self.lane(key).put(key, entry);
        Refused::Again
    }

    /// Nobody answered an entry in time, on a connection that lives: it goes again at once if it
    /// may, and this time counts like a lost connection.
    pub fn repeat(&mut self, key: Key) -> Refused<T> {
        if self.lane(key).is_waiting(key) {
            return Refused::Again;
        }
        let Some(mut entry) = self.lane(key).remove(key) else { return Refused::Unknown };
        if !entry.survives_loss(self.config.losses_max) {
            return Refused::Exhausted(self.give_back(entry));
        }
        self.lane(key).put(key, entry);
        Refused::Again
    }

    /// The connection is gone. What was sent and not answered waits in its old place again if it
    /// may be repeated; the others are returned, oldest first.
    #[must_use]
    pub fn handle_lost(&mut self) -> Vec<T> {
        self.turns = Turns::default();
        let mut returned = Vec::new();
        for lane in &mut self.lanes {
            for (key, mut entry) in lane.take_sent() {
                if entry.survives_loss(self.config.losses_max) {
                    lane.put(key, entry);
                } else {
                    returned.push((key, entry));
                }
            }
        }
        self.give_all_back(returned)
    }

    /// When the next refused entry may go again. Meant for while there is a connection; what has
    /// to wait for an answer first needs no waking.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let in_flight_max = self.config.in_flight_max.max(1);
        self.lanes.iter().filter_map(|lane| lane.poll_timeout(in_flight_max)).min()
    }

    /// Tells the time: who waited for it waits for a [`Self::pop`] alone from now on. So a socket
    /// that takes nothing keeps nobody awake.
    pub fn handle_timeout(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            lane.handle_timeout(now);
        }
    }

    /// Takes everything out, oldest first.
    #[must_use]
    pub fn drain(&mut self) -> Vec<T> {
        let entries = self.lanes.iter_mut().flat_map(Lane::take_all).collect();
        self.give_all_back(entries)
    }

    /// What an entry holds, wherever it is.
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.lane(key).get_mut(key)
    }

    /// When an entry was sent last; `None` while it waits.
    #[must_use]
    pub fn sent_at(&self, key: Key) -> Option<Instant> {
        self.lanes[key.priority().index()].sent_at(key)
    }

    /// How many entries are held, waiting and unanswered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of all that is held.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    const fn lane(&mut self, key: Key) -> &mut Lane<T> {
        &mut self.lanes[key.priority().index()]
    }

    fn give_back(&mut self, entry: Entry<T>) -> T {
        self.bytes -= entry.bytes;
        entry.value
    }

    fn give_all_back(&mut self, mut entries: Vec<(Key, Entry<T>)>) -> Vec<T> {
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.into_iter().map(|(_, entry)| self.give_back(entry)).collect()
    }
}
