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
mod overflow;
#[cfg(test)]
mod properties;
mod waiting;

pub use missed::Missed;
pub use overflow::{Delivery, Overflow};
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
    /// Takes no more messages: there is a farewell, or the driver has said one.
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

    /// Inlined for each of its callers, so that the policy is known to the compiler: a channel's
    /// message passes here once for each subscriber.
    #[inline(always)]
    fn admit(&self, message: Arc<Prepared>, overflow: Overflow) -> Result<Delivery, SendError> {
        let shared = &*self.shared;
        let len = message.wire_len();
        let mut queue = shared.queue.lock();
        if queue.closed {
            return Err(SendError::Closed(message));
        }
        let queued = shared.queued.load(Ordering::Relaxed);
        let is_conflating = overflow == Overflow::Conflate
            && (shared.blocked.load(Ordering::Relaxed) || queue.waiting.is_conflating());
        if is_conflating || !shared.room().fits(queued, len) {
            return shared.admit_crowded(queue, message, overflow);
        }
        shared.queued.store(queued + len, Ordering::Relaxed);
        queue.waiting.push(message, overflow);
        shared.notify(queue);
        Ok(Delivery::Queued)
    }

    /// Queues a message ahead of all others, whatever is queued: for acknowledgements and for what
    /// tells a client that it is too slow. The caller bounds how many.
    pub fn send_urgent(&self, message: Arc<Prepared>) -> Result<(), SendError> {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
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
        self.shared.queue.lock().closed
    }

    /// Bytes of messages that wait to be written: here, or because the socket takes no more.
    pub fn queued_bytes(&self) -> usize {
        // Held, so that what the driver is just taking over is not counted on both sides.
        let _queue = self.shared.queue.lock();
        self.shared.queued.load(Ordering::Relaxed) + self.shared.unsent.load(Ordering::Relaxed)
    }

    fn farewell(&self, farewell: Farewell, discard: bool) {
        let mut queue = self.shared.queue.lock();
        if queue.closed && queue.farewell.is_none() && farewell != Farewell::Kill {
            return;
        }
        queue.closed = true;
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
    #[inline]
    fn room(&self) -> Room {
        Room { bytes_max: self.bytes_max, unsent: self.unsent.load(Ordering::Relaxed) }
    }

    #[cold]
    fn admit_crowded(
        &self,
        mut queue: MutexGuard<'_, Queue>,
        message: Arc<Prepared>,
        overflow: Overflow,
    ) -> Result<Delivery, SendError> {
        let mut queued = self.queued.load(Ordering::Relaxed);
        let delivery = queue.waiting.push_crowded(message, overflow, self.room(), &mut queued)?;
        self.queued.store(queued, Ordering::Relaxed);
        // For what was dropped as well: the client is to be told.
        self.notify(queue);
        Ok(delivery)
    }

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
    #[inline(always)]
    pub(crate) fn take(&self, blocked: bool) -> Taken {
        let mut queue = self.shared.queue.lock();
        let nudged = std::mem::take(&mut queue.nudged);
        if blocked && queue.farewell.is_none() {
            return Taken { waiting: Waiting::default(), nudged, farewell: None };
        }
        self.shared.pending.store(false, Ordering::Relaxed);
        let waiting = self.take_counted(&mut queue);
        let farewell = queue.farewell.clone();
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
    #[inline(always)]
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
