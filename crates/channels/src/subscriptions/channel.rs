//! One channel: who is subscribed, and how far it has come.

use std::{
    fmt,
    iter::Chain,
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};

use super::{Subscriber, roster::Roster};
use crate::ChannelName;

/// A channel with at least one subscriber, or one that has just been vacated.
///
/// ```text
///   (created) ──► in use ──► vacated        the last subscriber left: for good. Who subscribes again
///                                           gets another channel of that name, with a later epoch.
/// ```
///
/// It has a lock of its own, which is all that a publish takes once it has the channel.
pub struct Channel<M> {
    name: ChannelName,
    /// Of the name, by the table's hasher.
    pub(super) hash: u64,
    /// Written under the lock, read without.
    vacated: AtomicBool,
    members: AtomicU32,
    state: Mutex<State<M>>,
}

struct State<M> {
    roster: Roster<M>,
    position: Position,
}

/// A place in the sequence of what was published in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Which sequence. Offsets of two epochs cannot be compared; the later epoch is the greater.
    pub epoch: u64,
    /// The offset of the last message; 0 before the first.
    pub offset: u64,
}

/// How a position follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// Nothing is missing.
    Next,
    /// So many messages between the two were not seen here.
    Gap {
        /// How many.
        missed: u64,
    },
    /// It was here before, or is older than what was: not to be delivered again.
    Stale,
    /// Another sequence began. What is missing cannot be told.
    NewEpoch,
}

/// A channel held still: nobody joins, leaves or publishes until it is dropped.
///
/// Members are to be handed their messages while it is held: that is what makes all of them see
/// the same order. One that holds a [`Subscriber`] must not touch it before: it takes the same
/// lock.
pub struct Publication<'c, M> {
    channel: &'c Channel<M>,
    state: MutexGuard<'c, State<M>>,
}

/// The members to whom something goes, in no particular order.
pub type Members<'p, M> = Chain<slice::Iter<'p, M>, slice::Iter<'p, M>>;

/// Where a member has come to.
pub(super) struct Place {
    pub(super) slot: u32,
    /// Whether nobody else is in the channel.
    pub(super) first: bool,
    pub(super) position: Position,
}

/// Why somebody could not become a member.
pub(super) enum JoinError {
    /// The last member has gone; there is, or will be, another channel of that name.
    Vacated,
    /// There are as many members as may be.
    Full,
}

impl<M> Channel<M> {
    pub(super) fn new(name: ChannelName, hash: u64, epoch: u64) -> Self {
        let state = State { roster: Roster::new(), position: Position { epoch, offset: 0 } };
        Self {
            name,
            hash,
            vacated: AtomicBool::new(false),
            members: AtomicU32::new(0),
            state: Mutex::new(state),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &ChannelName {
        &self.name
    }

    /// How many are subscribed.
    pub fn len(&self) -> usize {
        self.members.load(Ordering::Relaxed) as usize
    }

    /// Whether nobody is, any more.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it is now.
    pub fn position(&self) -> Position {
        self.state.lock().position
    }

    /// Holds the channel still, to publish.
    pub fn publish(&self) -> Publication<'_, M> {
        Publication { channel: self, state: self.state.lock() }
    }

    /// Whether the last member has gone, and with it this channel.
    pub(super) fn is_vacated(&self) -> bool {
        self.vacated.load(Ordering::Acquire)
    }

    pub(super) fn join(
        &self,
        member: impl FnOnce() -> M,
        members_max: u32,
    ) -> Result<Place, JoinError> {
        let mut state = self.state.lock();
        if self.is_vacated() {
            return Err(JoinError::Vacated);
        }
        let before = state.roster.len();
        if before >= members_max {
            return Err(JoinError::Full);
        }
        let slot = state.roster.insert(member());
        self.members.store(before + 1, Ordering::Relaxed);
        Ok(Place { slot, first: before == 0, position: state.position })
    }

    /// Whether it was the last, and where the channel is.
    pub(super) fn leave(&self, slot: u32) -> (bool, Position) {
        let mut state = self.state.lock();
        let member = state.roster.remove(slot);
        let left = state.roster.len();
        self.members.store(left, Ordering::Relaxed);
        if left == 0 {
            self.vacated.store(true, Ordering::Release);
        }
        let position = state.position;
        drop(state);
        // Whatever a member does when it goes, it does outside of the lock.
        drop(member);
        (left == 0, position)
    }
}

impl<M> Publication<'_, M> {
    /// The channel.
    pub const fn channel(&self) -> &Channel<M> {
        self.channel
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        self.state.position
    }

    /// Gives `count` messages that begin here their offsets: the position of the last, the others
    /// are right before it.
    pub fn advance(&mut self, count: u32) -> Position {
        self.state.position.offset += u64::from(count);
        self.state.position
    }

    /// Follows a message that got its position elsewhere, and says how it follows the one before.
    /// A stale one moves nothing.
    pub fn advance_to(&mut self, to: Position) -> Continuity {
        let at = self.state.position;
        let continuity = match to.epoch.cmp(&at.epoch) {
            std::cmp::Ordering::Greater => Continuity::NewEpoch,
            std::cmp::Ordering::Less => Continuity::Stale,
            std::cmp::Ordering::Equal => match to.offset.checked_sub(at.offset) {
                None | Some(0) => Continuity::Stale,
                Some(1) => Continuity::Next,
                Some(ahead) => Continuity::Gap { missed: ahead - 1 },
            },
        };
        if continuity != Continuity::Stale {
            self.state.position = to;
        }
        continuity
    }

    /// All who are subscribed. Several messages that arrived together are best handed to one member
    /// after the other, all of them at once: each is touched once, and woken once.
    pub fn members(&self) -> Members<'_, M> {
        self.state.roster.members().iter().chain(&[])
    }

    /// All but one, who may as well not be subscribed at all.
    pub fn members_except(&self, one: &Subscriber<M>) -> Members<'_, M>
    where
        M: Clone,
    {
        let Some(slot) = one.slot_in(self.channel) else { return self.members() };
        let (before, behind) = self.state.roster.members_except(slot);
        before.iter().chain(behind)
    }
}

impl<M> fmt::Debug for Channel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("members", &self.len())
            .finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Publication<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("channel", &self.channel.name)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

/// Whether it is the same channel, not just one of the same name.
pub(super) fn is_same<M>(one: &Arc<Channel<M>>, other: &Channel<M>) -> bool {
    std::ptr::eq(&**one, other)
}
