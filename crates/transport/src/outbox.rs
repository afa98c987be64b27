//! The way to a connection from everywhere else: bounded in bytes, with a lane that never waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
};

use parking_lot::{Mutex, MutexGuard};
use ws_close_manager::SendableCode;
use ws_connection::Prepared;

mod backlog;
mod missed;
mod waiting;

pub use missed::Missed;
use waiting::Room;
pub(crate) use waiting::Waiting;

/// Which part of the bound must be free for a message that is sent lossy: it is there to be dropped
/// before anything else is.
const LOSSY_PART: usize = 8;

/// Sends to one connection from any thread. Clones share the queue.
///
/// What waits is bounded in bytes, whether it is queued or the socket has not taken it. What does not
/// fit is handed back, or it or others are dropped: the sender says which, message by message. Closing
/// and urgent messages are not subject to the bound.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
}

/// The driver's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    shared: Arc<Shared>,
    /// Our copy of the waker that the senders have, to see whether it is still the right one.
    waker: Option<Waker>,
}

/// A message did not get in; it comes back.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// The queue holds as many bytes as it may.
    #[error("the outbox is full")]
    Full(Arc<Prepared>),
    /// The connection is closing or gone.
    #[error("the connection is closed")]
    Closed(Arc<Prepared>),
}

/// What becomes of a message for which there is no room.
///
/// What is dropped is counted for each channel of an [`Origin`](ws_connection::Origin), and the session
/// is told by [`Session::handle_missed`](crate::Session::handle_missed) before what waits is written.
/// Where dropping all that may be dropped would not make room enough, nothing is dropped but the new
/// message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is handed back. Once queued, it is never dropped for another.
    #[default]
    Refuse,
    /// Those that were sent with any policy but [`Overflow::Refuse`] make way, the oldest first.
    DropOldest,
    /// It is dropped itself. Once queued, it may have to make way.
    DropNewest,
    /// It replaces a message that was sent like this and has the same channel and key, and waits at the
    /// end: order within a channel holds. This goes for clients that are slow, whose socket takes no
    /// more or for whom there is no room; to those that keep up, every message is sent. Once it has
    /// begun, it goes on until what waits has been written. Where that does not make room, as
    /// [`Overflow::DropOldest`]; so is a message without an origin, such as several joined ones.
    Conflate,
}

impl Overflow {
    fn may_drop(self) -> bool {
        self != Self::Refuse
    }
}

/// What became of a message that was not handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// It waits to be written.
    Queued,
    /// It was dropped, and the client will be told.
    Dropped,
}

/// What a sender asked of the connection beside messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Start the closing handshake behind what is queued.
    Close(SendableCode, Box<str>),
    /// Drop the transport.
    Kill,
}

/// What was in the queue.
pub(crate) struct Taken {
    pub(crate) waiting: Waiting,
    pub(crate) nudged: bool,
    pub(crate) farewell: Option<Farewell>,
}

#[derive(Debug)]
struct Shared {
    /// Set while the driver has something to take: spares it the lock on every other wake.
    pending: AtomicBool,
    /// Whether the socket takes no more for now.
    blocked: AtomicBool,
    bytes_max: usize,
    /// Bytes queued; written with the lock held, readable without.
    queued: AtomicUsize,
    /// Bytes of messages that the driver has and its socket may not have taken; the driver alone
    /// writes it. It is never less than what is so, and is more while a write is under way.
    unsent: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Waiting,
    farewell: Option<Farewell>,
    nudged: bool,
    closed: bool,
    waker: Option<Waker>,
}

/// An outbox and its driver's end. `bytes_max` bounds what may wait.
pub(crate) fn outbox(bytes_max: usize) -> (Outbox, Inbox) {
    let shared = Arc::new(Shared {
        pending: AtomicBool::new(false),
        blocked: AtomicBool::new(false),
        bytes_max,
        queued: AtomicUsize::new(0),
        unsent: AtomicUsize::new(0),
        queue: Mutex::new(Queue::default()),
    });
    (Outbox { shared: shared.clone() }, Inbox { shared, waker: None })
}

impl Outbox {
    /// Queues a message, or hands it back. A message larger than the whole bound gets in when nothing
    /// waits, so that the bound on messages is the one that speaks.
    pub fn send(&self, message: Arc<Prepared>) -> Result<(), SendError> {
        self.admit(message, Overflow::Refuse).map(|_| ())
    }

    /// Queues a message, and says what is to become of it, or of others, where there is no room. It is
    /// handed back as [`SendError::Full`] with [`Overflow::Refuse`] alone.
    pub fn send_or(
        &self,
        message: Arc<Prepared>,
        overflow: Overflow,
    ) -> Result<Delivery, SendError> {
        self.admit(message, overflow)
    }

    /// Queues a message that nobody misses, such as that somebody types: while less than an eighth of
    /// the bound waits. Otherwise it is dropped, answered with `false`, and nobody is told.
    pub fn send_lossy(&self, message: Arc<Prepared>) -> bool {
        let is_calm = self.queued_bytes() < self.shared.bytes_max / LOSSY_PART;
        is_calm && self.admit(message, Overflow::Refuse).is_ok()
    }

    #[inline]
    fn admit(&self, message: Arc<Prepared>, overflow: Overflow) -> Result<Delivery, SendError> {
        let shared = &*self.shared;
        let len = message.wire_len();
        let mut queue = shared.queue.lock();
        if queue.closed || queue.farewell.is_some() {
            return Err(SendError::Closed(message));
        }
        let mut queued = shared.queued.load(Ordering::Relaxed);
        let room =
            Room { bytes_max: shared.bytes_max, unsent: shared.unsent.load(Ordering::Relaxed) };
        let is_crowded = !room.fits(queued, len)
            || (overflow == Overflow::Conflate
                && (shared.blocked.load(Ordering::Relaxed) || queue.waiting.is_conflating()));
        let delivery = if is_crowded {
            queue.waiting.push_crowded(message, overflow, room, &mut queued)?
        } else {
            queued += len;
            queue.waiting.push(message, overflow);
            Delivery::Queued
        };
        shared.queued.store(queued, Ordering::Relaxed);
        // For what was dropped as well: the client is to be told.
        shared.notify(queue);
        Ok(delivery)
    }

    /// Queues a message ahead of all others, whatever is queued: for acknowledgements and for what
    /// tells a client that it is too slow. The caller bounds how many.
    pub fn send_urgent(&self, message: Arc<Prepared>) -> Result<(), SendError> {
        let mut queue = self.shared.queue.lock();
        if queue.closed || queue.farewell.is_some() {
            return Err(SendError::Closed(message));
        }
        queue.waiting.push_urgent(message);
        self.shared.notify(queue);
        Ok(())
    }

    /// Wakes the connection's session, which is told [`Wake::Nudged`](crate::Wake::Nudged) once for
    /// all nudges since it was told last.
    pub fn nudge(&self) {
        let mut queue = self.shared.queue.lock();
        if !std::mem::replace(&mut queue.nudged, true) {
            self.shared.wake(queue);
        }
    }

    /// Starts the closing handshake once what is queued has been written. The first close wins.
    pub fn close(&self, code: SendableCode, reason: &str) {
        self.farewell(Farewell::Close(code, reason.into()), false);
    }

    /// Starts the closing handshake at once; what is queued is dropped.
    pub fn close_discarding(&self, code: SendableCode, reason: &str) {
        self.farewell(Farewell::Close(code, reason.into()), true);
    }

    /// Drops the transport without a closing handshake, or without waiting for its end.
    pub fn kill(&self) {
        self.farewell(Farewell::Kill, true);
    }

    /// Whether the connection takes no more messages.
    pub fn is_closed(&self) -> bool {
        let queue = self.shared.queue.lock();
        queue.closed || queue.farewell.is_some()
    }

    /// Bytes of messages that wait to be written: here, or because the socket takes no more.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed) + self.shared.unsent.load(Ordering::Relaxed)
    }

    fn farewell(&self, farewell: Farewell, discard: bool) {
        let mut queue = self.shared.queue.lock();
        if queue.closed && farewell != Farewell::Kill {
            return;
        }
        match (&queue.farewell, &farewell) {
            (None, _) | (Some(Farewell::Close(..)), Farewell::Kill) => {
                queue.farewell = Some(farewell);
            }
            (Some(_), _) => {}
        }
        if discard {
            queue.waiting.discard();
            self.shared.queued.store(0, Ordering::Relaxed);
        }
        self.shared.wake(queue);
    }
}

impl Shared {
    /// Wakes the driver for a message, unless it has been woken for what is queued already.
    fn notify(&self, queue: MutexGuard<'_, Queue>) {
        if !self.pending.load(Ordering::Relaxed) {
            self.wake(queue);
        }
    }

    /// Wakes the driver. A blocked one leaves messages where they are and waits for its socket
    /// alone, so that what is no message must not be taken for announced because something is queued.
    fn wake(&self, queue: MutexGuard<'_, Queue>) {
        self.pending.store(true, Ordering::Release);
        let waker = queue.waker.clone();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Inbox {
    /// Makes senders wake this task. A task keeps its waker, so the lock is taken once.
    pub(crate) fn register(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        self.waker = Some(waker.clone());
        self.shared.queue.lock().waker = Some(waker.clone());
    }

    /// Whether [`Inbox::take`] would find something.
    pub(crate) fn is_pending(&self) -> bool {
        self.shared.pending.load(Ordering::Acquire)
    }

    /// Takes what is queued, and the farewell behind it.
    ///
    /// With `blocked`, when the socket takes no more, messages stay where they may have to make way, and
    /// only a farewell takes everything with it.
    pub(crate) fn take(&self, blocked: bool) -> Taken {
        let mut queue = self.shared.queue.lock();
        let nudged = std::mem::take(&mut queue.nudged);
        if blocked && queue.farewell.is_none() {
            return Taken { waiting: Waiting::default(), nudged, farewell: None };
        }
        self.shared.pending.store(false, Ordering::Relaxed);
        let waiting = self.take_counted(&mut queue);
        let farewell = queue.farewell.clone();
        queue.closed |= farewell.is_some();
        Taken { waiting, nudged, farewell }
    }

    /// Takes the messages alone, whether the socket takes more or not.
    pub(crate) fn take_waiting(&self) -> Waiting {
        if !self.is_pending() {
            return Waiting::default();
        }
        // Pending it remains, for the nudge or the farewell that may be there as well.
        self.take_counted(&mut self.shared.queue.lock())
    }

    /// Until they are known to be written, they count as unsent.
    fn take_counted(&self, queue: &mut Queue) -> Waiting {
        let queued = self.shared.queued.load(Ordering::Relaxed);
        let unsent = self.shared.unsent.load(Ordering::Relaxed);
        self.shared.unsent.store(unsent + queued, Ordering::Relaxed);
        self.shared.queued.store(0, Ordering::Relaxed);
        std::mem::take(&mut queue.waiting)
    }

    /// What the socket has not taken after a write, and whether it would have been asked for more.
    pub(crate) fn note_unsent(&self, bytes: usize, blocked: bool) {
        self.shared.unsent.store(bytes, Ordering::Relaxed);
        self.shared.blocked.store(blocked, Ordering::Relaxed);
    }

    /// Takes no more messages, and drops what is queued: it has nowhere to go.
    pub(crate) fn close(&self) {
        let mut queue = self.shared.queue.lock();
        queue.closed = true;
        self.shared.queued.store(0, Ordering::Relaxed);
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(waiting);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
        self.note_unsent(0, false);
        self.shared.queue.lock().waker = None;
    }
}
