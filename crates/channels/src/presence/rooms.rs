//! The rooms of one shard: a machine that is told the time.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use ahash::RandomState;

use super::{Announcement, Change, Departure, PresenceEvent, PresenceStats};
use crate::{ChannelKind, ChannelName, PresenceConfig};

mod difference;
mod others;
#[cfg(test)]
mod tests;

use others::Holding;

pub(super) struct Rooms {
    config: PresenceConfig,
    /// How many users are in their grace period, in all shards.
    absent: Arc<AtomicUsize>,
    hasher: RandomState,
    rooms: HashMap<ChannelName, Room, RandomState>,
    /// Those whose names say that clients join them.
    joinable: usize,
    /// Users who are here or absent, in all of these rooms.
    present: usize,
    /// Whom other nodes hold, in rooms in which they hold anybody.
    others: HashMap<ChannelName, Vec<Holding>, RandomState>,
    due: BTreeMap<Deadline, Due>,
    deadlines: u64,
}

/// When, and which of those at that instant.
type Deadline = (Instant, u64);

/// What a deadline is for.
enum Due {
    /// The grace period of a user is over.
    Absence(ChannelName, Arc<str>),
    /// What has been collected in a room is to be told.
    Batch(ChannelName),
}

struct Room {
    users: HashMap<Arc<str>, User, RandomState>,
    /// Users who are here or absent.
    present: usize,
    /// Users of whom the next difference may have to tell, each once. Not empty while a batch is due.
    changed: Vec<Arc<str>>,
}

/// A user in a room.
///
/// ```text
///          join            last leave: lost             grace over, or
///   ( ) ─────────► Here ────────────────────► Absent ─────────────────► Gone ──► ( )
///                 ▲    ▲ │      join            │     Here, meant         │   told
///                 │    └─┼──────────────────────┘                         │
///                 │      └─ join, leave: another connection or node       │
///                 └───────────────────────────────────────────────────────┘ join
/// ```
///
/// `Gone` lasts until the next difference; where changes are told at once, it does not come about.
struct User {
    state: State,
    /// Whether the room has been told that the user is there, and not yet that it is not.
    announced: bool,
    /// Whether it is among the changed.
    changed: bool,
}

enum State {
    /// By so many connections of this node, and so many other nodes; one of either at least.
    Here {
        connections: u32,
        others: u32,
    },
    Absent {
        until: Deadline,
    },
    Gone,
}

/// By what a user is in a room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Connection,
    OtherNode,
}

/// When a room is to be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// At once while the room is small.
    BySize,
    /// As a part of a difference, however small the room is.
    Collected,
}

impl Rooms {
    pub(super) fn new(
        config: PresenceConfig,
        absent: Arc<AtomicUsize>,
        hasher: RandomState,
    ) -> Self {
        Self {
            config,
            absent,
            rooms: HashMap::with_hasher(hasher.clone()),
            joinable: 0,
            present: 0,
            others: HashMap::with_hasher(hasher.clone()),
            hasher,
            due: BTreeMap::new(),
            deadlines: 0,
        }
    }

    pub(super) fn join(&mut self, name: &ChannelName, user: &Arc<str>, now: Instant) -> Change {
        self.arrive(name, user, By::Connection, Telling::BySize, now)
    }

    pub(super) fn leave(
        &mut self,
        name: &ChannelName,
        user: &Arc<str>,
        departure: Departure,
        now: Instant,
    ) -> Change {
        self.withdraw(name, user, By::Connection, departure, Telling::BySize, now)
    }

    /// A connection or a node more, by which the user is there.
    fn arrive(
        &mut self,
        name: &ChannelName,
        user: &Arc<str>,
        by: By,
        telling: Telling,
        now: Instant,
    ) -> Change {
        let config = self.config;
        let room = match self.rooms.entry(name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                self.joinable += usize::from(name.kind() == ChannelKind::Room);
                new.insert(Room {
                    users: HashMap::with_hasher(self.hasher.clone()),
                    present: 0,
                    changed: Vec::new(),
                })
            }
        };
        match room.users.entry(user.clone()) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let concerns_nodes = by == By::Connection && !known.is_own();
                match &mut known.state {
                    State::Here { connections, others } => match by {
                        By::Connection => *connections += 1,
                        By::OtherNode => *others += 1,
                    },
                    State::Absent { until } => {
                        self.due.remove(until);
                        self.absent.fetch_sub(1, Ordering::Relaxed);
                        known.state = State::first(by);
                    }
                    State::Gone => {
                        self.present += 1;
                        room.present += 1;
                        known.state = State::first(by);
                    }
                }
                Change { concerns_nodes, ..Change::nothing() }
            }
            Entry::Vacant(unknown) => {
                self.present += 1;
                room.present += 1;
                let batched = telling == Telling::Collected
                    || room.present > config.batch_above
                    || !room.changed.is_empty();
                unknown.insert(User {
                    state: State::first(by),
                    announced: !batched,
                    changed: batched,
                });
                let concerns_nodes = by == By::Connection;
                if !batched {
                    return Change {
                        announcement: Announcement::Now,
                        earlier: false,
                        concerns_nodes,
                    };
                }
                room.changed.push(user.clone());
                let first = room.changed.len() == 1;
                Change {
                    announcement: Announcement::Batched,
                    earlier: first && self.batch_is_due(name, now),
                    concerns_nodes,
                }
            }
        }
    }

    /// A connection or a node less.
    fn withdraw(
        &mut self,
        name: &ChannelName,
        user: &Arc<str>,
        by: By,
        departure: Departure,
        telling: Telling,
        now: Instant,
    ) -> Change {
        let known = self.rooms.get_mut(name).and_then(|room| room.users.get_mut(user));
        let Some(User { state: state @ State::Here { .. }, .. }) = known else {
            return Change::nothing();
        };
        let State::Here { connections, others } = state else { return Change::nothing() };
        let (less, rest) = match by {
            By::Connection => (connections, *others),
            By::OtherNode => (others, *connections),
        };
        if *less == 0 {
            return Change::nothing();
        }
        let concerns_nodes = by == By::Connection && *less == 1;
        if *less + rest > 1 {
            *less -= 1;
            return Change { concerns_nodes, ..Change::nothing() };
        }
        if departure == Departure::Meant
            || self.config.grace.is_zero()
            || !reserve(&self.absent, self.config.absent_max)
        {
            let change = self.depart(name, user, telling, now);
            return Change { concerns_nodes, ..change };
        }
        self.deadlines += 1;
        let until = (now + self.config.grace, self.deadlines);
        *state = State::Absent { until };
        let earlier = self.add(until, Due::Absence(name.clone(), user.clone()));
        Change { announcement: Announcement::None, earlier, concerns_nodes }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Adds what is to be told at `now` to `events`, until these are `max`.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        max: usize,
        events: &mut Vec<PresenceEvent>,
    ) {
        while events.len() < max
            && let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            match entry.remove() {
                Due::Absence(room, user) => {
                    self.absent.fetch_sub(1, Ordering::Relaxed);
                    let change = self.depart(&room, &user, Telling::BySize, now);
                    if change.announcement == Announcement::Now {
                        events.push(PresenceEvent::Left { room, user });
                    }
                }
                Due::Batch(room) => {
                    events.extend(self.difference(room).map(PresenceEvent::Difference));
                }
            }
        }
    }

    pub(super) fn count(&self, room: &str) -> usize {
        self.rooms.get(room).map_or(0, |room| room.present)
    }

    pub(super) fn users(&self, room: &str, max: usize) -> Vec<Arc<str>> {
        let Some(room) = self.rooms.get(room) else { return Vec::new() };
        let present = room.users.iter().filter(|(_, user)| user.is_present());
        present.map(|(name, _)| name.clone()).take(max).collect()
    }

    /// Those whom this node holds.
    pub(super) fn own_users(&self, room: &str) -> Vec<Arc<str>> {
        let Some(room) = self.rooms.get(room) else { return Vec::new() };
        let own = room.users.iter().filter(|(_, user)| user.is_own());
        own.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn is_own(&self, room: &str, user: &str) -> bool {
        let room = self.rooms.get(room);
        room.and_then(|room| room.users.get(user)).is_some_and(User::is_own)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &ChannelName> {
        self.rooms.keys()
    }

    pub(super) fn add_to(&self, stats: &mut PresenceStats) {
        stats.rooms += self.rooms.len();
        stats.joinable += self.joinable;
        stats.users += self.present;
    }

    /// A present user has no connection there any more, nor is one waited for.
    fn depart(
        &mut self,
        name: &ChannelName,
        user: &Arc<str>,
        telling: Telling,
        now: Instant,
    ) -> Change {
        let Some(room) = self.rooms.get_mut(name) else { return Change::nothing() };
        let batched = telling == Telling::Collected
            || room.present > self.config.batch_above
            || !room.changed.is_empty();
        let Some(known) = room.users.get_mut(user) else { return Change::nothing() };
        room.present -= 1;
        self.present -= 1;
        if batched {
            known.state = State::Gone;
            let mut earlier = false;
            if !std::mem::replace(&mut known.changed, true) {
                room.changed.push(user.clone());
                earlier = room.changed.len() == 1 && self.batch_is_due(name, now);
            }
            return Change { announcement: Announcement::Batched, earlier, ..Change::nothing() };
        }
        debug_assert!(known.announced, "who is not announced is among the changed");
        room.users.remove(user);
        room.give_back();
        if room.users.is_empty() {
            self.forget(name);
        }
        Change { announcement: Announcement::Now, ..Change::nothing() }
    }

    fn forget(&mut self, name: &ChannelName) {
        let is_known = self.rooms.remove(name).is_some();
        self.joinable -= usize::from(is_known && name.kind() == ChannelKind::Room);
    }

    /// Whether that made the nearest deadline nearer.
    fn batch_is_due(&mut self, name: &ChannelName, now: Instant) -> bool {
        self.deadlines += 1;
        let at = (now + self.config.batch_interval, self.deadlines);
        self.add(at, Due::Batch(name.clone()))
    }

    fn add(&mut self, deadline: Deadline, due: Due) -> bool {
        let earlier = self.due.first_key_value().is_none_or(|(first, _)| deadline < *first);
        self.due.insert(deadline, due);
        earlier
    }
}

impl Room {
    /// After a crowd has gone, its space goes, too: who asks for those who are left looks through all of it.
    fn give_back(&mut self) {
        let (len, capacity) = (self.users.len(), self.users.capacity());
        if capacity >= 64 && len < capacity / 8 {
            self.users.shrink_to(2 * len);
        }
    }
}

/// Counts one more, unless there are `max`.
fn reserve(count: &AtomicUsize, max: usize) -> bool {
    let fits = count.fetch_add(1, Ordering::Relaxed) < max;
    if !fits {
        count.fetch_sub(1, Ordering::Relaxed);
    }
    fits
}

impl State {
    const fn first(by: By) -> Self {
        match by {
            By::Connection => Self::Here { connections: 1, others: 0 },
            By::OtherNode => Self::Here { connections: 0, others: 1 },
        }
    }
}

impl User {
    const fn is_own(&self) -> bool {
        matches!(self.state, State::Here { connections: 1.., .. })
    }

    const fn is_present(&self) -> bool {
        match self.state {
            State::Here { .. } | State::Absent { .. } => true,
            State::Gone => false,
        }
    }
}

impl Change {
    const fn nothing() -> Self {
        Self { announcement: Announcement::None, earlier: false, concerns_nodes: false }
    }
}
