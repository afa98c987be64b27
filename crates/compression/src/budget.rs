//! How many bytes all connections together may remember.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A count of bytes with a ceiling. It guards no other memory, so relaxed order is enough.
#[derive(Debug)]
pub(crate) struct Budget {
    used_bytes: AtomicUsize,
    max_bytes: usize,
}

impl Budget {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { used_bytes: AtomicUsize::new(0), max_bytes }
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Relaxed)
    }

    pub(crate) fn left_bytes(&self) -> usize {
        self.max_bytes.saturating_sub(self.used_bytes())
    }

    /// Takes `bytes` if they fit.
    pub(crate) fn try_take(&self, bytes: usize) -> bool {
        let take = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max_bytes);
        self.used_bytes.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// Takes `bytes` that a handshake already promised, beyond the ceiling if need be.
    pub(crate) fn take(&self, bytes: usize) {
        self.used_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        let before = self.used_bytes.fetch_sub(bytes, Relaxed);
        debug_assert!(before >= bytes, "gave back {bytes} of {before} bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn takes_up_to_the_ceiling_and_a_promise_beyond_it() {
        let budget = Budget::new(10);
        assert!(budget.try_take(10));
        assert!(!budget.try_take(1));
        budget.take(5);
        assert_eq!((budget.used_bytes(), budget.left_bytes()), (15, 0));
        budget.give_back(15);
        assert_eq!((budget.used_bytes(), budget.left_bytes()), (0, 10));
        assert!(!budget.try_take(usize::MAX));
    }
}
