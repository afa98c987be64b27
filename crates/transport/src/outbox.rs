//! The way to a connection from everywhere else: bounded in bytes, with a lane that never waits.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
};

use parking_lot::{Mutex, MutexGuard};
use ws_close_manager::SendableCode;
use ws_connection::Prepared;

/// Room for messages behind the first, made with the second.
const REST_CAPACITY: usize = 16;

/// Sends to one connection from any thread. Clones share the queue.
///
/// What is queued is bounded in bytes; what does not fit is handed back, and the caller decides
/// (drop, conflate, disconnect). Closing and urgent messages are not subject to the bound.
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

/// What beside messages was in the queue.
pub(crate) struct Drained {
    pub(crate) nudged: bool,
    pub(crate) farewell: Option<Farewell>,
}

#[derive(Debug)]
struct Shared {
    /// Set while the driver has something to take: spares it the lock on every other wake.
    pending: AtomicBool,
    bytes_max: usize,
    /// Bytes queued, readable without the lock.
    bytes: AtomicUsize,
    queue: Mutex<Queue>,
}

/// Empty and without an allocation while the connection is idle; one message that waits alone, the
/// common case, needs none either.
#[derive(Debug, Default)]
struct Queue {
    urgent: VecDeque<Arc<Prepared>>,
    first: Option<Arc<Prepared>>,
    rest: VecDeque<Arc<Prepared>>,
    farewell: Option<Farewell>,
    nudged: bool,
    closed: bool,
    waker: Option<Waker>,
}

/// An outbox and its driver's end. `bytes_max` bounds what may be queued.
pub(crate) fn outbox(bytes_max: usize) -> (Outbox, Inbox) {
    let shared = Arc::new(Shared {
        pending: AtomicBool::new(false),
        bytes_max,
        bytes: AtomicUsize::new(0),
        queue: Mutex::new(Queue::default()),
    });
    (Outbox { shared: shared.clone() }, Inbox { shared, waker: None })
}

impl Outbox {
    /// Queues a message. A message larger than the whole bound gets in when the queue is empty, so
    /// that the bound on messages is the one that speaks.
    pub fn send(&self, message: Arc<Prepared>) -> Result<(), SendError> {
        let len = message.wire_len();
        let mut queue = self.shared.queue.lock();
        if queue.closed || queue.farewell.is_some() {
            return Err(SendError::Closed(message));
        }
        let bytes = self.shared.bytes.load(Ordering::Relaxed);
        if bytes > 0 && bytes + len > self.shared.bytes_max {
            return Err(SendError::Full(message));
        }
        self.shared.bytes.store(bytes + len, Ordering::Relaxed);
        if queue.first.is_none() && queue.rest.is_empty() {
            queue.first = Some(message);
        } else {
            if queue.rest.capacity() == 0 {
                // Where two wait, more often do: one allocation rather than three for a few of them.
                queue.rest.reserve(REST_CAPACITY);
            }
            queue.rest.push_back(message);
        }
        self.shared.notify(queue);
        Ok(())
    }

    /// Queues a message ahead of all others, whatever is queued: for acknowledgements and for what
    /// tells a client that it is too slow. The caller bounds how many.
    pub fn send_urgent(&self, message: Arc<Prepared>) -> Result<(), SendError> {
        let mut queue = self.shared.queue.lock();
        if queue.closed || queue.farewell.is_some() {
            return Err(SendError::Closed(message));
        }
        queue.urgent.push_back(message);
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

    /// Bytes that wait to be written.
    pub fn queued_bytes(&self) -> usize {
        self.shared.bytes.load(Ordering::Relaxed)
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
            queue.first = None;
            queue.rest = VecDeque::new();
            self.shared.bytes.store(0, Ordering::Relaxed);
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

    /// Whether [`Inbox::drain`] would find something.
    pub(crate) fn is_pending(&self) -> bool {
        self.shared.pending.load(Ordering::Acquire)
    }

    /// Hands over what is queued, urgent messages first, and then the farewell.
    ///
    /// With `blocked`, when the socket takes no more, messages stay where they are bounded, and only
    /// a farewell takes everything with it.
    pub(crate) fn drain(&self, blocked: bool, mut each: impl FnMut(Arc<Prepared>)) -> Drained {
        let mut queue = self.shared.queue.lock();
        let nudged = std::mem::take(&mut queue.nudged);
        if blocked && queue.farewell.is_none() {
            return Drained { nudged, farewell: None };
        }
        self.shared.pending.store(false, Ordering::Relaxed);
        self.shared.bytes.store(0, Ordering::Relaxed);
        let urgent = std::mem::take(&mut queue.urgent);
        let first = queue.first.take();
        let rest = std::mem::take(&mut queue.rest);
        let farewell = queue.farewell.clone();
        queue.closed |= farewell.is_some();
        drop(queue);
        urgent.into_iter().chain(first).chain(rest).for_each(&mut each);
        Drained { nudged, farewell }
    }
}

impl Inbox {
    /// Takes no more messages, and drops what is queued: it has nowhere to go.
    pub(crate) fn close(&self) {
        let mut queue = self.shared.queue.lock();
        queue.closed = true;
        self.shared.bytes.store(0, Ordering::Relaxed);
        let urgent = std::mem::take(&mut queue.urgent);
        let first = queue.first.take();
        let rest = std::mem::take(&mut queue.rest);
        drop(queue);
        drop((urgent, first, rest));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
        self.shared.queue.lock().waker = None;
    }
}
