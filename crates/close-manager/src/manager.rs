//! Closing one, several or all, as a machine over keys.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

use tungstenite::protocol::CloseFrame;

use crate::{
    CloseOptions, CloseReason, CloseReport, SendableCode, config::DEFAULT_TIMEOUT,
    schedule::Schedule,
};
use book::Book;
pub use entry::CloseMetadata;
use entry::{Entry, Stage};

mod book;
mod entry;
#[cfg(test)]
mod properties;
mod shorthand;
#[cfg(test)]
mod tests;

/// Closes connections gracefully, one or ten thousand, and keeps book of it.
///
/// A key is anything that names a connection and is cheap to clone. Every operation is O(log n) or
/// better, but for [`close_all`](Self::close_all), which is that for each key. Connections that are
/// not closing are unknown here and cost nothing.
///
/// ```text
/// close_all ──▶ waiting ── poll_close ──▶ closing ── handle_closed ──▶ acknowledged or dropped
///     close ──────────────── poll_close ──▶   │
/// handle_peer_close ──────────────────────▶   │ ────── handle_closed ──▶ already closed
///               waiting ── handle_closed ──────────────────────────────▶ already closed
///               waiting, closing ── handle_timeout ──▶ poll_force ─────▶ forced
/// ```
///
/// How to drive it: whenever something was called or the time of [`poll_timeout`](Self::poll_timeout)
/// has come, call [`handle_timeout`](Self::handle_timeout), then [`poll_close`](Self::poll_close) and
/// [`poll_force`](Self::poll_force) until they return `None`. Report each end of a transport with
/// [`handle_closed`](Self::handle_closed).
#[derive(Debug)]
pub struct GracefulCloseManager<K> {
    timeout: Duration,
    closing: HashMap<K, Entry>,
    /// Single closes, which go before every batch and know no pace.
    single: VecDeque<(K, u64)>,
    /// The batch. The front is never stale, so that `poll_timeout` can trust it.
    queue: VecDeque<(K, u64)>,
    schedule: Option<Schedule>,
    deadlines: BTreeMap<(Instant, u64), K>,
    to_force: VecDeque<(K, u64)>,
    /// How many of the batch have been told and are not closed yet.
    in_flight: usize,
    waiting: usize,
    serial: u64,
    book: Book,
}

impl<K: Clone + Eq + Hash> GracefulCloseManager<K> {
    /// Nothing closes yet. `timeout` (the gateway's CLOSE_TIMEOUT, default 5 s) is the deadline of
    /// single closes and of those that peers begin; a batch has its own. Zero forces them at once.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            closing: HashMap::new(),
            single: VecDeque::new(),
            queue: VecDeque::new(),
            schedule: None,
            deadlines: BTreeMap::new(),
            to_force: VecDeque::new(),
            in_flight: 0,
            waiting: 0,
            serial: 0,
            book: Book::default(),
        }
    }

    /// Closes one connection, at once. `false`: it is closing already. One that waits for its turn in
    /// a batch is taken out of it and closed with this code instead.
    pub fn close(
        &mut self,
        key: K,
        code: SendableCode,
        reason: impl Into<CloseReason>,
        now: Instant,
    ) -> bool {
        let is_waiting = match self.closing.get(&key).map(|entry| entry.stage) {
            None => false,
            Some(Stage::Waiting) => true,
            Some(_) => return false,
        };
        if is_waiting {
            self.remove(&key);
            self.trim_queue();
        } else {
            self.begin(now);
        }
        let metadata = CloseMetadata::of_local(code, reason.into(), now);
        let serial = self.insert(key.clone(), metadata, Stage::Single, now + self.timeout);
        self.single.push_back((key, serial));
        true
    }

    /// Closes all these connections, at the pace and by the deadline of `options`. Returns how many;
    /// those that are closing already are left as they are.
    ///
    /// A second batch joins the one that runs: its connections queue behind with a code, a reason and
    /// a deadline of their own, and its pace and bound hold for all from now on.
    pub fn close_all(
        &mut self,
        keys: impl IntoIterator<Item = K>,
        options: &CloseOptions,
        now: Instant,
    ) -> usize {
        let mut added = 0;
        let deadline = now + options.timeout;
        for key in keys {
            if self.closing.contains_key(&key) {
                continue;
            }
            self.begin(now);
            let metadata = CloseMetadata::of_local(options.code, options.reason.clone(), now);
            let serial = self.insert(key.clone(), metadata, Stage::Waiting, deadline);
            self.waiting += 1;
            self.queue.push_back((key, serial));
            added += 1;
        }
        if added > 0 {
            let schedule = Schedule::new(options, now);
            let before = self.schedule.take().filter(|_| self.waiting > added);
            self.schedule = Some(match before {
                Some(before) => schedule.joining(&before),
                None => schedule,
            });
        }
        added
    }

    /// Which connection to close now, with what. The caller hands the frame to its transport.
    pub fn poll_close(&mut self, now: Instant) -> Option<(K, CloseFrame)> {
        while let Some((key, serial)) = self.single.pop_front() {
            if let Some(entry) = current(&mut self.closing, &key, serial, Stage::Single) {
                entry.stage = Stage::Told { at: now };
                return Some((key, entry.frame()));
            }
        }
        let schedule = self.schedule.as_mut().filter(|_| self.waiting > 0)?;
        if schedule.next(self.in_flight).is_some_and(|at| now < at) {
            return None;
        }
        let (key, serial) = self.queue.pop_front()?;
        let entry = current(&mut self.closing, &key, serial, Stage::Waiting)?;
        entry.stage = Stage::InFlight { at: now };
        let frame = entry.frame();
        self.waiting -= 1;
        self.in_flight += 1;
        schedule.handle_gone(self.waiting, now);
        self.trim_queue();
        Some((key, frame))
    }

    /// The peer's close frame came before ours. Returns `false` if the connection was closing already
    /// and its peer had been told; one that waited for its turn need not be told any more.
    pub fn handle_peer_close(&mut self, key: K, frame: Option<&CloseFrame>, now: Instant) -> bool {
        match self.closing.get(&key).map(|entry| entry.stage) {
            None => self.begin(now),
            Some(Stage::Waiting) => {
                self.remove(&key);
                self.trim_queue();
            }
            Some(Stage::Single) => {
                self.remove(&key);
            }
            Some(_) => return false,
        }
        let metadata = CloseMetadata::of_peer(frame, now);
        self.insert(key, metadata, Stage::ByPeer, now + self.timeout);
        true
    }

    /// A connection is gone. `acknowledged`: its peer answered our close frame. Of one that is not
    /// closing nothing is noted.
    pub fn handle_closed(&mut self, key: &K, acknowledged: bool, now: Instant) {
        let Some(entry) = self.remove(key) else { return };
        self.book.note_closed(entry.stage, acknowledged, now);
        if entry.stage == Stage::Waiting {
            self.trim_queue();
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and the polls: the next step of the pace,
    /// or the next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first_key_value().map(|(&(at, _), _)| at);
        let schedule = self.schedule.as_ref().filter(|_| self.waiting > 0);
        let step = schedule.and_then(|schedule| schedule.next(self.in_flight));
        deadline.into_iter().chain(step).min()
    }

    /// The time is `now`: connections whose deadline has passed are to be forced.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.first_entry().filter(|due| due.key().0 <= now) {
            let ((_, serial), key) = due.remove_entry();
            let Some(entry) = self.closing.get_mut(&key) else { continue };
            let before = std::mem::replace(&mut entry.stage, Stage::ToForce);
            self.to_force.push_back((key, serial));
            self.note_left(before);
            if before == Stage::Waiting {
                self.trim_queue();
            }
        }
    }

    /// Which connection to drop now: it had its time. It is closed with that, and no longer known.
    pub fn poll_force(&mut self, now: Instant) -> Option<K> {
        while let Some((key, serial)) = self.to_force.pop_front() {
            if current(&mut self.closing, &key, serial, Stage::ToForce).is_some() {
                self.remove(&key);
                self.book.note_forced(now);
                return Some(key);
            }
        }
        None
    }

    /// Whether this connection is closing or waits for its turn.
    #[must_use]
    pub fn is_closing(&self, key: &K) -> bool {
        self.closing.contains_key(key)
    }

    /// How many connections are closing or wait for their turn.
    #[must_use]
    pub fn closing_count(&self) -> usize {
        self.closing.len()
    }

    /// What is known of one that is closing.
    #[must_use]
    pub fn metadata(&self, key: &K) -> Option<&CloseMetadata> {
        self.closing.get(key).map(|entry| &entry.metadata)
    }

    /// What is known of each that is closing, in no order.
    pub fn all_metadata(&self) -> impl Iterator<Item = (&K, &CloseMetadata)> {
        self.closing.iter().map(|(key, entry)| (key, &entry.metadata))
    }

    /// How it goes, counted since the manager was idle: the next close after that begins a new report.
    #[must_use]
    pub fn report(&self) -> CloseReport {
        self.book.report(self.waiting, self.closing.len() - self.waiting)
    }

    fn begin(&mut self, now: Instant) {
        if self.closing.is_empty() {
            self.book = Book::open(now);
        }
        self.book.note_begun();
    }

    fn insert(&mut self, key: K, metadata: CloseMetadata, stage: Stage, deadline: Instant) -> u64 {
        self.serial += 1;
        let serial = self.serial;
        self.deadlines.insert((deadline, serial), key.clone());
        self.closing.insert(key, Entry { metadata, stage, deadline, serial });
        serial
    }

    fn remove(&mut self, key: &K) -> Option<Entry> {
        let entry = self.closing.remove(key)?;
        self.deadlines.remove(&(entry.deadline, entry.serial));
        self.note_left(entry.stage);
        Some(entry)
    }

    fn note_left(&mut self, stage: Stage) {
        match stage {
            Stage::Waiting => self.waiting -= 1,
            Stage::InFlight { .. } => self.in_flight -= 1,
            Stage::Single | Stage::Told { .. } | Stage::ByPeer | Stage::ToForce => {}
        }
    }

    /// One that waited has left its stage: its place is stale.
    fn trim_queue(&mut self) {
        while let Some((key, serial)) = self.queue.front() {
            if current(&mut self.closing, key, *serial, Stage::Waiting).is_some() {
                return;
            }
            self.queue.pop_front();
        }
    }
}

impl<K: Clone + Eq + Hash> Default for GracefulCloseManager<K> {
    fn default() -> Self {
        Self::new(DEFAULT_TIMEOUT)
    }
}

/// The entry that a place in a queue was made for, if it is still there and in the same stage.
fn current<'a, K: Eq + Hash>(
    closing: &'a mut HashMap<K, Entry>,
    key: &K,
    serial: u64,
    stage: Stage,
) -> Option<&'a mut Entry> {
    closing.get_mut(key).filter(|entry| entry.serial == serial && entry.stage == stage)
}
