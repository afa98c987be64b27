//! One connection's side: what it is subscribed to.

use std::{fmt, sync::Arc};

use super::{
    Channel, Position, Subscriptions,
    channel::is_same,
    seats::{Seat, Seats},
};
use crate::{ChannelName, SubscribeError};

/// What one connection is subscribed to. The connection owns it, so that its list needs neither a lock
/// nor a place in a table, and dropping it leaves every channel.
///
/// It costs 48 bytes with a pointer for a member, and 16 for each subscription from the second on.
pub struct Subscriber<M: Clone> {
    table: Arc<Subscriptions<M>>,
    member: M,
    seats: Seats<M>,
}

/// How somebody came into a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Whether others were there.
    pub arrival: Arrival,
    /// Where the channel was at that moment: every later message will be delivered. The epoch is that
    /// of [`Left`] when the last subscriber has gone.
    pub position: Position,
}

/// Whether somebody else was in a channel before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// Nobody was: whoever brings messages from elsewhere is to begin.
    First,
    /// Others were.
    Another,
    /// The subscriber itself was: nothing has changed.
    Repeated,
}

/// How somebody left a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Whether nobody is there any more: whoever brings messages from elsewhere may stop.
    ///
    /// Meanwhile somebody may have come again, in another thread. That one has a later epoch: a last of
    /// one epoch says nothing about a first of a later one, whichever is heard of first.
    pub last: bool,
    /// Where the channel was at that moment.
    pub position: Position,
}

impl<M: Clone> Subscriber<M> {
    /// Somebody who is subscribed to nothing yet. Channels will keep clones of `member`, by which it
    /// can be reached.
    pub const fn new(table: Arc<Subscriptions<M>>, member: M) -> Self {
        Self { table, member, seats: Seats::new() }
    }

    /// Subscribes to `name`. Doing so twice is the same as once.
    ///
    /// # Errors
    ///
    /// The limit that would be exceeded; nothing has changed.
    pub fn subscribe(&mut self, name: &ChannelName) -> Result<Subscribed, SubscribeError> {
        let hash = self.table.hash(name);
        if let Some(seat) = self.seats.find(hash, name) {
            let position = seat.channel.position();
            return Ok(Subscribed { arrival: Arrival::Repeated, position });
        }
        let max = self.table.limits().channels_per_subscriber_max;
        if self.seats.len() >= max.get() as usize {
            return Err(SubscribeError::TooManyChannels { max });
        }
        let (channel, place) = self.table.join(name, hash, || self.member.clone())?;
        self.seats.insert(Seat { channel, slot: place.slot, tag: Seat::<M>::tag(hash) });
        let arrival = if place.first { Arrival::First } else { Arrival::Another };
        Ok(Subscribed { arrival, position: place.position })
    }

    /// Leaves `name`; `None` if it was not subscribed to it.
    pub fn unsubscribe(&mut self, name: &str) -> Option<Left> {
        let seat = self.seats.take(self.table.hash(name), name)?;
        Some(self.table.leave(&seat.channel, seat.slot))
    }

    /// Leaves every channel, and says of each how. Dropping does the same and says nothing.
    pub fn leave_all(&mut self, mut each: impl FnMut(&ChannelName, Left)) {
        while let Some(seat) = self.seats.pop() {
            let left = self.table.leave(&seat.channel, seat.slot);
            each(seat.channel.name(), left);
        }
    }

    /// How many channels it is subscribed to.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether it is subscribed to nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The channel of that name, if it is subscribed to it: without the table and its locks.
    pub fn channel(&self, name: &str) -> Option<&Arc<Channel<M>>> {
        self.seats.find(self.table.hash(name), name).map(|seat| &seat.channel)
    }

    /// Every channel that it is subscribed to, in no particular order.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<Channel<M>>> {
        self.seats.iter().map(|seat| &seat.channel)
    }

    /// What channels keep of it.
    pub const fn member(&self) -> &M {
        &self.member
    }

    pub(super) fn slot_in(&self, channel: &Channel<M>) -> Option<u32> {
        let seat = self.seats.find(channel.hash, channel.name())?;
        is_same(&seat.channel, channel).then_some(seat.slot)
    }
}

impl<M: Clone> Drop for Subscriber<M> {
    fn drop(&mut self) {
        self.leave_all(|_, _| {});
    }
}

impl<M: Clone> fmt::Debug for Subscriber<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.channels().map(|channel| channel.name())).finish()
    }
}
