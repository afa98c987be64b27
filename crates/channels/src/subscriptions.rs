//! Who is subscribed to which channel.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use ahash::RandomState;
use hashbrown::HashTable;
use parking_lot::RwLock;

use crate::{ChannelName, SubscribeError, SubscriptionLimits};

mod channel;
mod limits;
#[cfg(test)]
mod properties;
mod roster;
mod seats;
mod subscriber;
#[cfg(test)]
mod tests;

pub use channel::{Channel, Continuity, Members, Position, Publication};
use channel::{JoinError, Place, is_same};
use limits::LiveLimits;
pub use subscriber::{Arrival, Left, Subscribed, Subscriber};

/// More than threads that a server is likely to have, so that who looks for a channel rarely waits for
/// who makes one.
const SHARDS: usize = 64;

/// All channels that somebody is subscribed to, for all threads.
///
/// `M` is what channels keep of a member: a handle to its outbox, cheap to clone. Nothing is asked of it.
///
/// Publishing takes a shard's read lock for as long as it takes to find a channel (not at all with a
/// [`Channel`] at hand), and then the lock of that channel: publishers to two channels do not wait for each
/// other, and no lock is ever taken while another is held. A subscription costs its member and eight
/// bytes in the channel, and 16 at its subscriber.
pub struct Subscriptions<M> {
    limits: LiveLimits,
    hasher: RandomState,
    shards: Box<[Shard<M>]>,
    /// Changes only when a channel comes or goes.
    channels: AtomicUsize,
    next_epoch: AtomicU64,
}

/// Two cache lines, because processors fetch them in pairs: shards do not disturb each other.
#[repr(align(128))]
struct Shard<M> {
    table: RwLock<HashTable<Arc<Channel<M>>>>,
    subscriptions: AtomicUsize,
}

/// How much there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionStats {
    /// Channels with a subscriber.
    pub channels: usize,
    /// Subscriptions of all subscribers.
    pub subscriptions: usize,
}

impl<M> Subscriptions<M> {
    /// An empty table. The first channel gets `first_epoch`, each later one a greater epoch: give a
    /// number that no earlier run has reached, and positions of then are recognized as such.
    /// Microseconds since 1970 will do, and fit into a JavaScript number.
    #[must_use]
    pub fn new(limits: SubscriptionLimits, first_epoch: u64) -> Self {
        let shard =
            |_| Shard { table: RwLock::new(HashTable::new()), subscriptions: AtomicUsize::new(0) };
        Self {
            limits: LiveLimits::new(limits),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(shard).collect(),
            channels: AtomicUsize::new(0),
            next_epoch: AtomicU64::new(first_epoch),
        }
    }

    /// The limits.
    pub fn limits(&self) -> SubscriptionLimits {
        self.limits.get()
    }

    /// From now on these are the limits. Who is above them stays; nobody comes in addition.
    pub fn set_limits(&self, limits: SubscriptionLimits) {
        self.limits.set(limits);
    }

    /// The channel of that name, if somebody is subscribed to it.
    pub fn channel(&self, name: &str) -> Option<Arc<Channel<M>>> {
        self.find(name, self.hash(name))
    }

    /// Calls `each` with every channel. A shard at a time is held still for channels to come or go,
    /// so `each` must not subscribe or unsubscribe anybody.
    pub fn for_each_channel(&self, mut each: impl FnMut(&Arc<Channel<M>>)) {
        for shard in &self.shards {
            shard.table.read().iter().filter(|channel| !channel.is_vacated()).for_each(&mut each);
        }
    }

    /// How many channels and subscriptions there are; takes no lock.
    pub fn stats(&self) -> SubscriptionStats {
        let subscriptions = |shard: &Shard<M>| shard.subscriptions.load(Ordering::Relaxed);
        SubscriptionStats {
            channels: self.channels.load(Ordering::Relaxed),
            subscriptions: self.shards.iter().map(subscriptions).sum(),
        }
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    fn find(&self, name: &str, hash: u64) -> Option<Arc<Channel<M>>> {
        let table = self.shard_of(hash).table.read();
        let found = table.find(hash, |channel| channel.name().as_str() == name);
        found.filter(|channel| !channel.is_vacated()).cloned()
    }

    /// Makes a member of the channel, which is made if need be.
    fn join(
        &self,
        name: &ChannelName,
        hash: u64,
        member: impl Fn() -> M,
    ) -> Result<(Arc<Channel<M>>, Place), SubscribeError> {
        let max = self.limits.get().subscribers_per_channel_max;
        loop {
            let channel = match self.find(name, hash) {
                Some(channel) => channel,
                None => self.find_or_create(name, hash)?,
            };
            match channel.join(&member, max.get()) {
                Ok(place) => {
                    self.shard_of(hash).subscriptions.fetch_add(1, Ordering::Relaxed);
                    return Ok((channel, place));
                }
                Err(JoinError::Full) => return Err(SubscribeError::ChannelFull { max }),
                // Its last member has left since it was found; the next search finds or makes another.
                Err(JoinError::Vacated) => {}
            }
        }
    }

    fn find_or_create(
        &self,
        name: &ChannelName,
        hash: u64,
    ) -> Result<Arc<Channel<M>>, SubscribeError> {
        let create = || {
            let epoch = self.next_epoch.fetch_add(1, Ordering::Relaxed);
            Arc::new(Channel::new(name.clone(), hash, epoch))
        };
        let mut table = self.shard_of(hash).table.write();
        if let Some(channel) = table.find_mut(hash, |channel| channel.name() == name) {
            if channel.is_vacated() {
                // Who vacated it has not yet come to take it out, and will find that it is not there.
                *channel = create();
            }
            return Ok(channel.clone());
        }
        let max = self.limits.get().channels_max;
        if self.channels.fetch_add(1, Ordering::Relaxed) >= max.get() {
            self.channels.fetch_sub(1, Ordering::Relaxed);
            return Err(SubscribeError::TooManyChannelsInAll { max });
        }
        let channel = create();
        table.insert_unique(hash, channel.clone(), |channel| channel.hash);
        Ok(channel)
    }

    fn leave(&self, channel: &Channel<M>, slot: u32) -> Left {
        let (last, position) = channel.leave(slot);
        let shard = self.shard_of(channel.hash);
        shard.subscriptions.fetch_sub(1, Ordering::Relaxed);
        if last {
            let mut table = shard.table.write();
            if let Ok(found) = table.find_entry(channel.hash, |other| is_same(other, channel)) {
                found.remove();
                self.channels.fetch_sub(1, Ordering::Relaxed);
                let (len, capacity) = (table.len(), table.capacity());
                if capacity >= 64 && len < capacity / 8 {
                    table.shrink_to(2 * len, |channel| channel.hash);
                }
            }
        }
        Left { last, position }
    }

    const fn shard_of(&self, hash: u64) -> &Shard<M> {
        // The table inside uses the lowest and the highest bits of the same hash.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl<M> fmt::Debug for Subscriptions<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("limits", &self.limits())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
