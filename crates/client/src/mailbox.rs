//! What waits for a subscriber to take it, within a bound.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// What may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: usize,
}

/// One subscriber's.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    bounds: Bounds,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// Of all who wait, and the number of each.
    wakers: Vec<(u64, Waker)>,
    readers: u64,
    /// Something was not taken in. Told to whoever empties it, once.
    has_overflown: bool,
    is_closed: bool,
}

/// What came of taking an item out.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    Item(T),
    /// Nothing waits, and something was not taken in.
    Overflown,
    /// Nothing will come any more.
    Closed,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let inner = Inner {
            items: VecDeque::new(),
            bytes: 0,
            wakers: Vec::new(),
            readers: 0,
            has_overflown: false,
            is_closed: false,
        };
        Self { inner: Mutex::new(inner), bounds }
    }

    /// Takes it in, unless there is no room: then whoever takes the last item is told.
    pub(crate) fn offer(&self, item: T, bytes: usize) -> Result<(), T> {
        let mut inner = self.inner.lock();
        let is_full = inner.items.len() >= self.bounds.items_max
            || (!inner.items.is_empty() && inner.bytes + bytes > self.bounds.bytes_max);
        if is_full {
            inner.has_overflown = true;
            return Err(item);
        }
        inner.put(item, bytes);
        Ok(())
    }

    /// Takes it in, whatever waits.
    pub(crate) fn push(&self, item: T, bytes: usize) {
        self.inner.lock().put(item, bytes);
    }

    /// Takes it in, whatever waits, unless it joins what was taken in last. `join` is told of that, and whether there
    /// is no room for more.
    pub(crate) fn push_or_join(
        &self,
        item: T,
        bytes: usize,
        join: impl FnOnce(&mut T, bool) -> bool,
    ) {
        let mut inner = self.inner.lock();
        let is_full = inner.items.len() >= self.bounds.items_max;
        let is_joined = inner.items.back_mut().is_some_and(|(last, _)| join(last, is_full));
        if !is_joined {
            inner.put(item, bytes);
        }
    }

    /// Nothing comes any more.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        inner.wake();
    }

    /// Another reader, and its number. What comes is shared.
    pub(crate) fn enter(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.readers += 1;
        inner.readers
    }

    /// That reader is gone.
    pub(crate) fn leave(&self, reader: u64) {
        self.inner.lock().wakers.retain(|(it, _)| *it != reader);
    }

    /// For the only reader.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<Taken<T>> {
        self.poll_take_as(0, cx)
    }

    pub(crate) fn poll_take_as(&self, reader: u64, cx: &Context<'_>) -> Poll<Taken<T>> {
        let mut inner = self.inner.lock();
        if let Some((item, bytes)) = inner.items.pop_front() {
            inner.bytes -= bytes;
            if inner.items.is_empty() {
                // A burst is no reason to hold its memory for ever.
                inner.items.shrink_to(64);
            }
            return Poll::Ready(Taken::Item(item));
        }
        if inner.is_closed {
            return Poll::Ready(Taken::Closed);
        }
        if std::mem::take(&mut inner.has_overflown) {
            return Poll::Ready(Taken::Overflown);
        }
        inner.wakers.retain(|(it, _)| *it != reader);
        inner.wakers.push((reader, cx.waker().clone()));
        Poll::Pending
    }
}

impl<T> Inner<T> {
    fn put(&mut self, item: T, bytes: usize) {
        self.items.push_back((item, bytes));
        self.bytes += bytes;
        self.wake();
    }

    fn wake(&mut self) {
        // All of them: one may be about to leave, and nobody knows which.
        for (_, waker) in self.wakers.drain(..) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take<T>(mailbox: &Mailbox<T>) -> Poll<Taken<T>> {
        mailbox.poll_take(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_does_not_fit_is_told_once_when_all_else_was_taken() {
        let mailbox = Mailbox::new(Bounds { items_max: 2, bytes_max: 100 });
        assert_eq!(mailbox.offer(1, 10), Ok(()));
        assert_eq!(mailbox.offer(2, 10), Ok(()));
        assert_eq!(mailbox.offer(3, 10), Err(3));
        mailbox.push(4, 10);
        for expected in [1, 2, 4] {
            assert!(matches!(take(&mailbox), Poll::Ready(Taken::Item(it)) if it == expected));
        }
        assert!(matches!(take(&mailbox), Poll::Ready(Taken::Overflown)));
        assert!(take(&mailbox).is_pending());
        mailbox.close();
        assert!(matches!(take(&mailbox), Poll::Ready(Taken::Closed)));
    }

    #[test]
    fn one_item_fits_however_large_and_the_next_does_not() {
        let mailbox = Mailbox::new(Bounds { items_max: 10, bytes_max: 100 });
        assert_eq!(mailbox.offer(1, 1_000), Ok(()));
        assert_eq!(mailbox.offer(2, 1), Err(2));
    }
}
