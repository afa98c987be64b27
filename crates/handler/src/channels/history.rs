//! A channel of which something is kept: this node's place in its log, and those who catch up with it.
//!
//! Everybody here sees the order of the log. What the engine hands over is delivered if it is the next; if
//! something is missing before it, it is set aside, and the log is read from where we are.
//!
//! ```text
//!   ┌─────────┐ where the log is   ┌──────┐  something is missing  ┌───────────┐
//!   │ opening │ ─────────────────► │ open │ ─────────────────────► │ repairing │
//!   └─────────┘                    └──────┘ ◄───────────────────── └───────────┘
//! ```
//!
//! Who comes back and wants what it has missed reads the log page by page, as fast as it takes them.
//! Meanwhile it is subscribed and passed over, and what is delivered to the others is remembered for all who
//! are catching up, within bounds: with that, the last step is one under a lock, after which it is told
//! everything as the others are, neither less nor twice.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use ws_broker::{Entry, Keep, Position, ReadLimits};
use ws_channels::{ChannelName, SlowConsumer};
use ws_connection::Origin;

use super::{
    Hub,
    delivery::{Parcel, Walk, prepare},
    feeds::Feed,
    stored::Stored,
};
use crate::client::ConnectionId;

mod repair;

pub(crate) use repair::READ_TIMEOUT;

/// What is read of a log at once.
pub(crate) const PAGE: ReadLimits = ReadLimits { entries_max: 512, bytes_max: 64 * 1024 };
/// What came while it could not be delivered; of more, the log is read.
const ASIDE_MAX: usize = 256;
/// What is remembered for those who catch up.
const TAIL_MAX: usize = 1024;
const TAIL_BYTES_MAX: usize = 256 * 1024;

/// One log, as it is seen from here.
#[derive(Debug)]
pub(crate) struct Log {
    keep: Arc<Keep>,
    state: Mutex<State>,
}

/// Held still: nothing is delivered in this channel meanwhile.
pub(crate) type Held<'l> = MutexGuard<'l, State>;

#[derive(Debug)]
pub(crate) struct State {
    phase: Phase,
    /// What was delivered last.
    cursor: Position,
    /// What cannot be delivered yet.
    aside: Vec<Entry>,
    /// The last offset that the engine has handed over, delivered or not.
    seen: u64,
    /// Something of another epoch was handed over: only the log itself knows which one is over.
    is_doubted: bool,
    /// Who is subscribed and catches up: looked for with each subscriber of each message, and many after a
    /// restart.
    catching_up: HashSet<ConnectionId, ahash::RandomState>,
    /// The last messages that were delivered, while anybody catches up.
    tail: VecDeque<Recent>,
    tail_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Repairing,
}

#[derive(Debug)]
struct Recent {
    /// Nothing is between this offset and the message's own.
    previous: u64,
    offset: u64,
    parcel: Parcel,
}

/// How an entry follows what was delivered.
#[derive(Debug, PartialEq, Eq)]
enum Continuity {
    Next,
    Stale,
    Behind,
}

impl Log {
    pub(crate) fn new(keep: Arc<Keep>) -> Self {
        Self {
            keep,
            state: Mutex::new(State {
                phase: Phase::Opening,
                cursor: Position { epoch: 0, offset: 0 },
                aside: Vec::new(),
                seen: 0,
                is_doubted: false,
                catching_up: HashSet::default(),
                tail: VecDeque::new(),
                tail_bytes: 0,
            }),
        }
    }

    pub(crate) fn keep(&self) -> &Keep {
        &self.keep
    }

    pub(crate) fn hold(&self) -> Held<'_> {
        self.state.lock()
    }

    pub(crate) fn position(&self) -> Position {
        self.state.lock().cursor
    }

    /// What comes from now on is set aside until it is known where the log is.
    pub(crate) fn start_opening(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Opening;
        state.aside.clear();
        (state.seen, state.is_doubted) = (0, false);
    }
}

impl State {
    pub(crate) fn position(&self) -> Position {
        self.cursor
    }

    /// Passes a subscriber over until it has caught up.
    pub(crate) fn start_catching_up(&mut self, id: ConnectionId) {
        self.catching_up.insert(id);
    }

    /// It does not catch up any more.
    pub(crate) fn stop_catching_up(&mut self, id: ConnectionId) {
        self.catching_up.remove(&id);
        if self.catching_up.is_empty() {
            // Not the room for all who came back after a restart either.
            self.catching_up = HashSet::default();
            (self.tail, self.tail_bytes) = (VecDeque::new(), 0);
        }
    }

    fn judge(&self, entry: &Entry) -> Continuity {
        let (at, cursor) = (entry.position, self.cursor);
        if at.epoch != cursor.epoch {
            // The new one, or a late word of the old one.
            Continuity::Behind
        } else if at.offset <= cursor.offset {
            Continuity::Stale
        } else if entry.previous <= cursor.offset {
            Continuity::Next
        } else {
            Continuity::Behind
        }
    }

    fn set_aside(&mut self, entry: Entry) {
        // What does not fit is missing then, and is read as anything else that is.
        if entry.position.epoch == self.cursor.epoch || self.phase == Phase::Opening {
            self.seen = self.seen.max(entry.position.offset);
        } else {
            self.is_doubted = true;
        }
        if self.aside.len() < ASIDE_MAX {
            self.aside.push(entry);
        }
    }

    /// Another life of the log has begun, and is here already.
    fn begin_anew(&mut self, head: Position) {
        (self.cursor, self.seen) = (head, head.offset);
        (self.tail, self.tail_bytes) = (VecDeque::new(), 0);
    }

    fn remember(&mut self, previous: u64, offset: u64, parcel: &Parcel) {
        self.tail_bytes += parcel.message.wire_len();
        self.tail.push_back(Recent { previous, offset, parcel: parcel.clone() });
        while self.tail.len() > TAIL_MAX || self.tail_bytes > TAIL_BYTES_MAX {
            let Some(oldest) = self.tail.pop_front() else { break };
            self.tail_bytes -= oldest.parcel.message.wire_len();
        }
    }
}

impl Hub {
    /// It is known where the log is: what came meanwhile follows. Answers whether something is missing.
    pub(crate) fn open_log(&self, feed: &Feed, log: &Log, head: Position) -> bool {
        let mut state = log.hold();
        state.cursor = head;
        state.phase = Phase::Open;
        let mut walk = Walk::default();
        let is_behind =
            self.take_aside(feed, &mut state, &mut walk) || state.cursor.offset < state.seen;
        if is_behind {
            state.phase = Phase::Repairing;
        }
        drop(state);
        self.conclude(&walk, 1);
        is_behind
    }

    /// Something was appended to the log of a channel.
    pub(crate) fn handle_entry(self: &Arc<Self>, channel: &str, entry: Entry) {
        let Some(feed) = self.feeds.get(channel) else { return };
        let Some(log) = &feed.log else { return };
        let mut walk = Walk::default();
        let mut state = log.hold();
        if state.phase != Phase::Open {
            return state.set_aside(entry);
        }
        match state.judge(&entry) {
            Continuity::Next => {
                let trace = Stored::trace_in(&entry.payload).map(|(trace, _)| trace);
                self.arrived(trace, &feed.name, || {
                    self.deliver_entry(&feed.name, &mut state, &entry, &mut walk);
                    walk.delivered
                });
            }
            Continuity::Stale => {}
            Continuity::Behind => {
                state.phase = Phase::Repairing;
                state.set_aside(entry);
                drop(state);
                return self.repair(&feed);
            }
        }
        drop(state);
        self.conclude(&walk, 1);
    }

    /// Hands an entry to all who are subscribed here, but for those who are catching up.
    fn deliver_entry(&self, name: &ChannelName, state: &mut State, entry: &Entry, walk: &mut Walk) {
        let previous = std::mem::replace(&mut state.cursor, entry.position).offset;
        let Some(channel) = self.table.channel(name) else { return };
        let Some(parcel) = self.parcel_of(name, entry) else { return };
        if !state.catching_up.is_empty() {
            state.remember(previous, entry.position.offset, &parcel);
        }
        let publication = channel.publish();
        for member in publication.members() {
            if state.catching_up.is_empty() || !state.catching_up.contains(&member.id()) {
                self.hand_over(member, &parcel, walk);
            }
        }
    }

    fn parcel_of(&self, name: &ChannelName, entry: &Entry) -> Option<Parcel> {
        let Position { epoch, offset } = entry.position;
        let Some(stored) = Stored::decode(&entry.payload) else {
            tracing::warn!(channel = %name, offset, "an entry of the log is no publication");
            return None;
        };
        let message = prepare(&stored.message(name, Some(offset)), stored.timestamp);
        let policy = self.policy(name);
        let message = match policy {
            SlowConsumer::Disconnect => message,
            SlowConsumer::DropOldest | SlowConsumer::DropNewest | SlowConsumer::Conflate => message
                .with_origin(Origin {
                    channel: name.as_str().into(),
                    key: self.key_of(stored.about()),
                    range: Some((epoch, offset, offset)),
                    count: 1,
                }),
        };
        Some(Parcel { message: Arc::new(message), event: None, policy })
    }

    /// Ends the catching up of a subscriber that has seen everything up to `at`: the rest follows at once.
    /// `false` if something between is not at hand and has to be read.
    pub(crate) fn finish_catching_up(
        &self,
        log: &Log,
        member: &super::Member,
        at: Position,
    ) -> bool {
        let mut state = log.hold();
        let cursor = state.cursor;
        let covers = |recent: &Recent| recent.previous <= at.offset;
        let is_covered = at.epoch == cursor.epoch
            && (at.offset == cursor.offset
                || (at.offset < cursor.offset && state.tail.front().is_some_and(covers)));
        if !is_covered {
            return false;
        }
        let mut walk = Walk::default();
        for recent in state.tail.iter().filter(|recent| recent.offset > at.offset) {
            self.hand_over(member, &recent.parcel, &mut walk);
        }
        state.stop_catching_up(member.id());
        drop(state);
        self.conclude(&walk, 1);
        true
    }
}
