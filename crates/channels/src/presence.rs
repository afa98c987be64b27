//! Who is in a room, and what the others are told of it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use ahash::RandomState;
use parking_lot::{Mutex, MutexGuard};

use crate::{ChannelName, PresenceConfig};

#[cfg(test)]
mod nodes;
#[cfg(test)]
mod properties;
mod rooms;
mod statement;
#[cfg(test)]
mod tests;

use rooms::Rooms;
pub use statement::{Holder, Part, Progress, Restated, Statement};

/// So many locks, each for the rooms whose names hash to it.
const SHARDS: usize = 32;
/// So many events are collected under a lock before they are handed out without it.
const EVENTS_AT_ONCE: usize = 256;

/// Who is in which room (any channel can be one), by user, whatever the number of connections.
///
/// A user joins with the first connection and has left when the last has been gone for the grace
/// period, so that a reconnect in a tunnel is no coming and going. In a small room each change is told
/// at once. In a large one changes are collected for an interval and told as one difference that names
/// a bounded number of users: what a wave of joins costs grows with the room and not with its square.
///
/// A user may be held by several nodes, each of which says so to the others, and what they say is
/// [heard](Self::hear): the user is there from the first connection at any of them until the last at any has been
/// gone for the grace period. What single users do is told as if they did it here. What becomes known of many
/// at once, because a node [restates](Self::restate) whom it holds, or [is gone](Self::drop_holder), is told as a
/// difference also in a small room, for it is no news that they came or went just now.
///
/// It owns no timer: whoever drives it sleeps until [`poll_timeout`](Self::poll_timeout), calls
/// [`handle_timeout`](Self::handle_timeout), and asks again, also when a [`Change`] says `earlier`.
///
/// What happens and what is told of it are two steps. Where several threads take them, hold a
/// [`turn`](Self::turn) over both.
pub struct Presence {
    hasher: RandomState,
    shards: Box<[Shard]>,
    /// How many users are in their grace period.
    absent: Arc<AtomicUsize>,
}

struct Shard {
    /// Taken before the rooms are, and held while it is told what has changed in them.
    turn: Mutex<()>,
    rooms: Mutex<Rooms>,
}

/// The right to change a room and to tell it of that, before anybody else does.
#[derive(Debug)]
#[must_use = "it lasts as long as it is held"]
pub struct Turn<'p>(#[expect(dead_code, reason = "dropping it is its use")] MutexGuard<'p, ()>);

/// Why somebody is no longer in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Departure {
    /// The user said so: the others hear of it at once.
    Meant,
    /// The connection ended. The user may come back within the grace period.
    Lost,
}

/// What follows from one join or leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What the room is to be told.
    pub announcement: Announcement,
    /// Whether [`Presence::poll_timeout`] may have moved nearer.
    pub earlier: bool,
    /// Whether other nodes are to be told: the user's first connection at this node has come, or the last one has
    /// gone.
    pub concerns_nodes: bool,
}

/// What a room is to be told of a join or leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// Tell everyone in it now.
    Now,
    /// It will be part of a [`Difference`].
    Batched,
    /// Nothing: the user has other connections there, comes back in time, or may do so yet.
    None,
}

/// What a room is to be told because time has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceEvent {
    /// A user has been away for too long.
    Left {
        /// From where.
        room: ChannelName,
        /// Who.
        user: Arc<str>,
    },
    /// What has changed in a large room within an interval.
    Difference(Difference),
}

/// What has changed in a large room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub room: ChannelName,
    /// Who is there that was not.
    pub joined: Vec<Arc<str>>,
    /// How many more, whom to name would be too much.
    pub joined_unnamed: usize,
    /// Who was there and is not.
    pub left: Vec<Arc<str>>,
    /// How many more, whom to name would be too much.
    pub left_unnamed: usize,
    /// How many users are there now.
    pub count: usize,
}

/// How much there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceStats {
    /// Rooms in which somebody is, channels of any name among them.
    pub rooms: usize,
    /// Those among them whose names say that clients join them: `room:…`.
    pub joinable: usize,
    /// Users in rooms, in each counted once.
    pub users: usize,
    /// Those among them who are in their grace period.
    pub absent: usize,
}

impl Presence {
    /// Rooms in which nobody is yet.
    #[must_use]
    pub fn new(config: PresenceConfig) -> Self {
        let hasher = RandomState::new();
        let absent = Arc::<AtomicUsize>::default();
        let shard = |_| Shard {
            turn: Mutex::new(()),
            rooms: Mutex::new(Rooms::new(config, absent.clone(), hasher.clone())),
        };
        Self { shards: (0..SHARDS).map(shard).collect(), hasher, absent }
    }

    /// Waits until nobody tells `room` of anything. Held from a join or leave until the room has been told,
    /// it makes what a room is told come in the order in which it happened: otherwise "bob left"
    /// of one thread may overtake "bob joined" of another, and everyone has a bob who is not there.
    ///
    /// Questions need no turn and wait for none. Who holds one must not ask for another, of any
    /// room, nor call [`handle_timeout`](Self::handle_timeout).
    pub fn turn(&self, room: &str) -> Turn<'_> {
        Turn(self.shard_of(room).turn.lock())
    }

    /// A connection of `user` has come into `room`. Count each connection once: who subscribes twice
    /// is there once.
    pub fn join(&self, room: &ChannelName, user: &Arc<str>, now: Instant) -> Change {
        self.shard_of(room).rooms.lock().join(room, user, now)
    }

    /// A connection of `user` is no longer in `room`. [`Announcement::Now`]: the user has left.
    pub fn leave(
        &self,
        room: &ChannelName,
        user: &Arc<str>,
        departure: Departure,
        now: Instant,
    ) -> Change {
        self.shard_of(room).rooms.lock().leave(room, user, departure, now)
    }

    /// Another node says something of one user. As for a join or leave, hold a [`turn`](Self::turn) over it and
    /// what follows from it.
    pub fn hear(
        &self,
        room: &ChannelName,
        holder: Holder,
        statement: Statement<'_>,
        now: Instant,
    ) -> Change {
        self.shard_of(room).rooms.lock().hear(room, holder, statement, false, now)
    }

    /// Another node says something of many users. What follows is part of a difference. Answers whether
    /// [`poll_timeout`](Self::poll_timeout) may have moved nearer.
    pub fn hear_many<'s>(
        &self,
        room: &ChannelName,
        holder: Holder,
        statements: impl IntoIterator<Item = Statement<'s>>,
        now: Instant,
    ) -> bool {
        let mut rooms = self.shard_of(room).rooms.lock();
        let hear =
            |earlier, statement| earlier | rooms.hear(room, holder, statement, true, now).earlier;
        statements.into_iter().fold(false, hear)
    }

    /// Another node names users whom it holds in a room, until it has named all: whoever is not among them, and
    /// was not said to have come meanwhile, is lost to it. Said twice, it is the same as once.
    ///
    /// An empty only part says that it holds nobody there.
    pub fn restate<'u>(
        &self,
        room: &ChannelName,
        holder: Holder,
        part: Part,
        users: impl IntoIterator<Item = &'u str>,
        now: Instant,
    ) -> Restated {
        self.shard_of(room).rooms.lock().restate(room, holder, part, users, now)
    }

    /// Marks what others have said, of all rooms, because something may have been missed. They are asked to
    /// restate; after a while, [`drop_doubted`](Self::drop_doubted) drops what nobody has restated.
    pub fn doubt(&self, mark: u32) {
        self.shards.iter().for_each(|shard| shard.rooms.lock().doubt(mark));
    }

    /// Drops whom nodes hold in rooms in which they have not restated since they were last doubted, if that was
    /// with this mark. They are lost, with the grace period. Answers whether
    /// [`poll_timeout`](Self::poll_timeout) may have moved nearer.
    pub fn drop_doubted(&self, mark: u32, now: Instant) -> bool {
        let doubted = |shard: &Shard| shard.rooms.lock().doubted(mark);
        let drop_all = |earlier, shard: &Shard| {
            let all = doubted(shard).into_iter();
            all.fold(earlier, |earlier, (room, holder)| {
                earlier | shard.lose_all(&room, holder, now)
            })
        };
        self.shards.iter().fold(false, drop_all)
    }

    /// A node is dead. Those whom it held are lost, with the grace period: their clients are on their way to
    /// other nodes, and who arrives there in time was never away. Answers whether
    /// [`poll_timeout`](Self::poll_timeout) may have moved nearer.
    pub fn drop_holder(&self, holder: Holder, now: Instant) -> bool {
        let drop_all = |earlier, shard: &Shard| {
            let rooms = shard.rooms.lock().rooms_of(holder);
            rooms.iter().fold(earlier, |earlier, room| earlier | shard.lose_all(room, holder, now))
        };
        self.shards.iter().fold(false, drop_all)
    }

    /// Drops what others have said of `room`, and what was still to be told there: for a room in which this node
    /// has no members any more, and of which it hears nothing from now on.
    pub fn forget_others(&self, room: &ChannelName) {
        self.shard_of(room).rooms.lock().forget_others(room);
    }

    /// Whom this node holds in `room`, for a restatement. Takes time in proportion to the room.
    pub fn own_users(&self, room: &str) -> Vec<Arc<str>> {
        self.shard_of(room).rooms.lock().own_users(room)
    }

    /// Whether this node has a connection of `user` in `room`.
    pub fn is_own(&self, room: &str, user: &str) -> bool {
        self.shard_of(room).rooms.lock().is_own(room, user)
    }

    /// All rooms in which somebody is.
    pub fn rooms(&self) -> Vec<ChannelName> {
        let names = |shard: &Shard| shard.rooms.lock().names().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(names).collect()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None`: not before something
    /// happens. Asks each shard.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shards.iter().filter_map(|shard| shard.rooms.lock().poll_timeout()).min()
    }

    /// Hands out what is to be told at `now`. Meanwhile the [`turn`](Self::turn) is held of the rooms that
    /// it is about, so `each` must not ask for one; it may ask who is there.
    pub fn handle_timeout(&self, now: Instant, mut each: impl FnMut(PresenceEvent)) {
        let mut events = Vec::new();
        let is_due = |shard: &Shard| shard.rooms.lock().poll_timeout().is_some_and(|at| at <= now);
        for shard in &self.shards {
            while is_due(shard) {
                // Given up in between, so that a wave of departures does not hold up those who join.
                let turn = shard.turn.lock();
                shard.rooms.lock().handle_timeout(now, EVENTS_AT_ONCE, &mut events);
                events.drain(..).for_each(&mut each);
                drop(turn);
            }
        }
    }

    /// How many users are in `room`.
    pub fn count(&self, room: &str) -> usize {
        self.shard_of(room).rooms.lock().count(room)
    }

    /// At most `max` of the users in `room`, in no particular order.
    pub fn users(&self, room: &str, max: usize) -> Vec<Arc<str>> {
        self.shard_of(room).rooms.lock().users(room, max)
    }

    /// How many rooms and users there are. Asks each shard.
    pub fn stats(&self) -> PresenceStats {
        let absent = self.absent.load(Ordering::Relaxed);
        let mut stats = PresenceStats { absent, ..PresenceStats::default() };
        for shard in &self.shards {
            shard.rooms.lock().add_to(&mut stats);
        }
        stats
    }

    fn shard_of(&self, room: &str) -> &Shard {
        // The upper bits: the maps within take the lower ones.
        &self.shards[(self.hasher.hash_one(room) >> 32) as usize % SHARDS]
    }
}

impl Shard {
    /// A node has lost all whom it holds in a room. The lock is given up in between, so that a large room does
    /// not hold up the others.
    fn lose_all(&self, room: &ChannelName, holder: Holder, now: Instant) -> bool {
        let lose_some = || self.rooms.lock().lose_some(room, holder, EVENTS_AT_ONCE, now);
        std::iter::from_fn(lose_some).fold(false, |earlier, is_nearer| earlier | is_nearer)
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
