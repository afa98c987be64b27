//! A counter that somebody waits for.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts events of many tasks, and wakes one that waits for so many of them.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    count: AtomicU64,
    target: AtomicU64,
    reached: Notify,
}

impl Gate {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn note(&self) {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if count == self.target.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    /// Waits until there were `target` events in all. One task at a time.
    pub(crate) async fn wait_for(&self, target: u64) {
        self.target.store(target, Ordering::SeqCst);
        while self.count() < target {
            self.reached.notified().await;
        }
    }
}
