//! What waits for a thread.

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// Bounded in bytes; whoever takes, takes all that is there.
#[derive(Debug)]
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    is_not_empty: Condvar,
    bytes_max: usize,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: VecDeque<T>,
    bytes: usize,
    /// Something was taken, and is being worked on.
    is_busy: bool,
    is_closed: bool,
}

/// Why something does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    /// What one thing takes beside its bytes.
    const OVERHEAD: usize = 256;

    pub(super) fn new(bytes_max: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), bytes: 0, is_busy: false, is_closed: false };
        Self { inner: Mutex::new(inner), is_not_empty: Condvar::new(), bytes_max }
    }

    pub(super) fn push(&self, waiting: T, bytes: usize) -> Result<(), Refused> {
        let bytes = bytes.saturating_add(Self::OVERHEAD);
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Err(Refused::Closed);
        }
        // A single one always fits.
        if !inner.waiting.is_empty() && inner.bytes.saturating_add(bytes) > self.bytes_max {
            return Err(Refused::Full);
        }
        inner.bytes += bytes;
        inner.waiting.push_back(waiting);
        let is_first = inner.waiting.len() == 1 && !inner.is_busy;
        drop(inner);
        // Who is busy looks again before it waits.
        if is_first {
            self.is_not_empty.notify_one();
        }
        Ok(())
    }

    /// Waits for something, but not longer than `wait`. `None` when the queue was closed and is empty.
    #[expect(clippy::disallowed_methods, reason = "a thread of our own waits here, and no runtime")]
    pub(super) fn take(&self, wait: Duration) -> Option<VecDeque<T>> {
        let mut inner = self.inner.lock();
        inner.is_busy = false;
        let until = Instant::now() + wait;
        while inner.waiting.is_empty() {
            if inner.is_closed {
                return None;
            }
            if self.is_not_empty.wait_until(&mut inner, until).timed_out() {
                break;
            }
        }
        inner.is_busy = true;
        inner.bytes = 0;
        Some(mem::take(&mut inner.waiting))
    }

    /// Waits for one thing; for several threads that share a queue. `None` when it was closed.
    pub(super) fn take_one(&self) -> Option<T> {
        let mut inner = self.inner.lock();
        loop {
            if let Some(one) = inner.waiting.pop_front() {
                inner.bytes = inner.bytes.saturating_sub(Self::OVERHEAD);
                return Some(one);
            }
            if inner.is_closed {
                return None;
            }
            self.is_not_empty.wait(&mut inner);
        }
    }

    /// Adds something for whoever takes single ones.
    pub(super) fn push_one(&self, waiting: T) -> Result<(), Refused> {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Err(Refused::Closed);
        }
        if inner.bytes + Self::OVERHEAD > self.bytes_max {
            return Err(Refused::Full);
        }
        inner.bytes += Self::OVERHEAD;
        inner.waiting.push_back(waiting);
        drop(inner);
        self.is_not_empty.notify_one();
        Ok(())
    }

    /// Nothing waits, and nothing is being worked on.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.waiting.is_empty() && !inner.is_busy
    }

    /// Takes no more; what waits is still worked on.
    pub(super) fn close(&self) {
        self.inner.lock().is_closed = true;
        self.is_not_empty.notify_all();
    }
}
