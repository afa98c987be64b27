//! What publishers and receivers on several threads share.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use mio::Waker;

/// Counts of a fan-out. One addition for each read of a receiver touches it, never one a message.
#[derive(Debug, Default)]
pub(super) struct Fan {
    receivers: AtomicU64,
    delivered: AtomicU64,
    /// So many are to be delivered; in a closed loop publishers go on when they are.
    awaited: AtomicU64,
    /// Messages written, by publisher.
    published: Vec<AtomicU64>,
    /// Of the worker that publishes.
    waker: OnceLock<Arc<Waker>>,
}

impl Fan {
    pub(super) fn new(publishers: usize) -> Self {
        let published = std::iter::repeat_with(AtomicU64::default).take(publishers).collect();
        Self { published, ..Self::default() }
    }

    pub(super) fn set_waker(&self, waker: Arc<Waker>) {
        // There is one publishing worker, and it is set once.
        let _ = self.waker.set(waker);
    }

    pub(super) fn receiver_came(&self) {
        self.receivers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn receiver_left(&self) {
        self.receivers.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn note_published(&self, publisher: usize, messages: u64) {
        if let Some(published) = self.published.get(publisher) {
            published.store(messages, Ordering::Relaxed);
        }
    }

    /// How many messages each publisher wrote.
    pub(super) fn published(&self) -> impl Iterator<Item = u64> {
        self.published.iter().map(|it| it.load(Ordering::Relaxed))
    }

    /// Notes deliveries, and wakes the publishers when it was the last of a round.
    pub(super) fn note(&self, count: u64) {
        let before = self.delivered.fetch_add(count, Ordering::AcqRel);
        let awaited = self.awaited.load(Ordering::Acquire);
        if before < awaited
            && before + count >= awaited
            && let Some(waker) = self.waker.get()
        {
            let _ = waker.wake();
        }
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Acquire)
    }

    /// Whether all that was published has come to all.
    pub(super) fn is_settled(&self) -> bool {
        self.delivered() >= self.awaited.load(Ordering::Acquire)
    }

    /// So many publishes are being written.
    pub(super) fn expect(&self, publishes: u64) {
        let expected = publishes * self.receivers.load(Ordering::Relaxed);
        self.awaited.fetch_add(expected, Ordering::AcqRel);
    }

    /// What did not come until now is not waited for any more.
    pub(super) fn give_up(&self) {
        self.awaited.store(self.delivered(), Ordering::Release);
    }
}
