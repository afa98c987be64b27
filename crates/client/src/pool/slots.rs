//! Who gets which connection, and which one has to go: the rules of a pool, without its I/O.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::config::{PoolConfig, PoolMetrics, Poolable};
use super::place::Place;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// The places of a pool. `W` is by whom a waiter is told.
///
/// After each call that changes something, [`Self::poll_action`] says what is to be done, until it
/// says nothing more.
#[derive(Debug)]
pub(super) struct Slots<C, W> {
    config: PoolConfig,
    /// Those that have a connection.
    hosts: HashMap<Arc<str>, Counts>,
    all: Counts,
    used: HashMap<u64, Member<C>>,
    /// The one that came back first is in front.
    idle: VecDeque<Idle<C>>,
    /// They count as closing already, and nobody was told yet.
    leaving: VecDeque<Member<C>>,
    /// By ticket, and with it in their order.
    waiting: BTreeMap<u64, Waiting<W>>,
    next_number: u64,
    is_closed: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Action<C, W> {
    /// This connection is the waiter's until it is released.
    Grant { waiter: W, id: u64, connection: Arc<C> },
    /// There is a place for the waiter to open a connection in.
    Open { waiter: W, place: Arc<Place> },
    /// This connection is to be closed. Its place is taken until it is.
    Close { place: Arc<Place>, connection: Arc<C> },
    /// The pool is closed.
    Refuse { waiter: W },
}

/// How many places are taken, and of them how many by what nobody uses.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    open: usize,
    idle: usize,
    closing: usize,
}

#[derive(Debug)]
struct Member<C> {
    place: Arc<Place>,
    connection: Arc<C>,
}

#[derive(Debug)]
struct Idle<C> {
    since: Instant,
    member: Member<C>,
}

#[derive(Debug)]
struct Waiting<W> {
    place: Arc<Place>,
    waiter: W,
}

/// How a waiter can be helped.
enum Help {
    /// By this idle connection.
    Reuse(usize),
    /// By a new one.
    Open,
    /// By the place of this idle connection, when it is closed.
    Evict(usize),
}

impl<C: Poolable, W> Slots<C, W> {
    pub(super) fn new(config: PoolConfig) -> Self {
        Self {
            config,
            hosts: HashMap::new(),
            all: Counts::default(),
            used: HashMap::new(),
            idle: VecDeque::new(),
            leaving: VecDeque::new(),
            waiting: BTreeMap::new(),
            next_number: 0,
            is_closed: false,
        }
    }

    /// Somebody wants a connection. The ticket is for who would rather not wait any more.
    pub(super) fn ask(&mut self, place: Arc<Place>, waiter: W) -> u64 {
        let ticket = self.number();
        self.waiting.insert(ticket, Waiting { place, waiter });
        ticket
    }

    /// Nobody waits with this ticket any more, if somebody did.
    pub(super) fn cancel(&mut self, ticket: u64) {
        self.waiting.remove(&ticket);
    }

    /// A connection was opened in the place for it; it is in use from now on. `None`: the pool was
    /// closed meanwhile, and so will this be.
    pub(super) fn handle_opened(&mut self, place: Arc<Place>, connection: Arc<C>) -> Option<u64> {
        let member = Member { place, connection };
        if self.is_closed {
            self.leave(member);
            return None;
        }
        let id = self.number();
        self.used.insert(id, member);
        Some(id)
    }

    /// No connection could be opened: the place is free.
    pub(super) fn handle_failed(&mut self, place: &Place) {
        self.count(place, |counts| counts.open -= 1);
    }

    /// A connection is in use no longer.
    pub(super) fn handle_released(&mut self, id: u64, now: Instant) {
        let Some(member) = self.used.remove(&id) else { return };
        if self.is_closed || !member.connection.is_healthy() {
            self.leave(member);
        } else {
            self.count(&member.place, |counts| counts.idle += 1);
            self.idle.push_back(Idle { since: now, member });
        }
    }

    /// A connection is closed: its place is free.
    pub(super) fn handle_closed(&mut self, place: &Place) {
        self.count(place, |counts| {
            counts.closing -= 1;
            counts.open -= 1;
        });
    }

    /// When the next idle connection was idle for long enough.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.idle.front()?.since.checked_add(self.config.idle_timeout)
    }

    /// Lets go of what was idle for long, or has stopped meanwhile.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        let (idle, stopped) = std::mem::take(&mut self.idle)
            .into_iter()
            .partition(|idle| idle.member.connection.is_healthy());
        self.idle = idle;
        let stopped: VecDeque<_> = stopped;
        for idle in stopped {
            self.leave_idle(idle);
        }
    }

    /// Ends it all, what is in use as well.
    pub(super) fn start_close(&mut self) {
        self.start_retirement();
        for member in std::mem::take(&mut self.used).into_values() {
            self.leave(member);
        }
    }

    /// Gives out nothing any more, and keeps nothing that comes back.
    pub(super) fn start_retirement(&mut self) {
        self.is_closed = true;
        for idle in std::mem::take(&mut self.idle) {
            self.leave_idle(idle);
        }
    }

    /// Whether it was closed, and nothing is closing any more.
    pub(super) const fn is_all_closed(&self) -> bool {
        self.is_closed && self.all.closing == 0
    }

    pub(super) fn metrics(&self) -> PoolMetrics {
        PoolMetrics { open: self.all.open, idle: self.all.idle, waiting: self.waiting.len() }
    }

    /// What is to be done next.
    pub(super) fn poll_action(&mut self, now: Instant) -> Option<Action<C, W>> {
        self.expire(now);
        loop {
            if let Some(Member { place, connection }) = self.leaving.pop_front() {
                return Some(Action::Close { place, connection });
            }
            if self.is_closed {
                let (_, Waiting { waiter, .. }) = self.waiting.pop_first()?;
                return Some(Action::Refuse { waiter });
            }
            let (ticket, help) = self.help()?;
            match help {
                Help::Evict(index) => self.evict(index),
                Help::Reuse(index) if !self.idle[index].member.connection.is_healthy() => {
                    self.evict(index);
                }
                Help::Reuse(index) => {
                    let Idle { member, .. } = self.idle.remove(index)?;
                    let Waiting { waiter, .. } = self.waiting.remove(&ticket)?;
                    self.count(&member.place, |counts| counts.idle -= 1);
                    let (id, connection) = (self.number(), Arc::clone(&member.connection));
                    self.used.insert(id, member);
                    return Some(Action::Grant { waiter, id, connection });
                }
                Help::Open => {
                    let Waiting { place, waiter } = self.waiting.remove(&ticket)?;
                    self.count(&place, |counts| counts.open += 1);
                    return Some(Action::Open { waiter, place });
                }
            }
        }
    }

    /// The first in the line who can be helped, and how. Nobody who came later is served before
    /// somebody whom the same would have helped.
    fn help(&self) -> Option<(u64, Help)> {
        let (per_host_max, all_max) =
            (self.config.connections_per_host_max.max(1), self.config.connections_max.max(1));
        // Places that will be free in a moment, and for whom: nothing else is closed for those.
        let mut awaited_at: HashMap<&str, usize> = HashMap::new();
        let mut awaited = 0;
        for (&ticket, Waiting { place, .. }) in &self.waiting {
            let host = self.hosts.get(&place.host).copied().unwrap_or_default();
            let is_same = |idle: &Idle<C>| idle.member.place == *place;
            let is_near = |idle: &Idle<C>| idle.member.place.host == place.host;
            if host.idle > 0
                && let Some(index) = self.idle.iter().rposition(is_same)
            {
                return Some((ticket, Help::Reuse(index)));
            }
            if host.open < per_host_max && self.all.open < all_max {
                return Some((ticket, Help::Open));
            }
            if host.open >= per_host_max {
                let awaited_here = awaited_at.entry(&place.host).or_default();
                if host.closing > *awaited_here {
                    *awaited_here += 1;
                    awaited += 1;
                } else if host.idle > 0 {
                    return Some((ticket, Help::Evict(self.idle.iter().position(is_near)?)));
                }
            } else if self.all.closing > awaited {
                awaited += 1;
            } else if self.all.idle > 0 {
                return Some((ticket, Help::Evict(0)));
            }
        }
        None
    }

    fn expire(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.evict(0);
        }
    }

    fn evict(&mut self, index: usize) {
        if let Some(idle) = self.idle.remove(index) {
            self.leave_idle(idle);
        }
    }

    fn leave_idle(&mut self, idle: Idle<C>) {
        self.count(&idle.member.place, |counts| counts.idle -= 1);
        self.leave(idle.member);
    }

    fn leave(&mut self, member: Member<C>) {
        self.count(&member.place, |counts| counts.closing += 1);
        self.leaving.push_back(member);
    }

    fn count(&mut self, place: &Place, change: impl Fn(&mut Counts)) {
        let host = self.hosts.entry(Arc::clone(&place.host)).or_default();
        change(host);
        if host.open == 0 {
            self.hosts.remove(&place.host);
        }
        change(&mut self.all);
        debug_assert!(self.all.open >= self.all.idle + self.all.closing);
    }

    const fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}
