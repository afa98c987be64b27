//! What may be under way to one server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How much is under way.
#[derive(Debug)]
pub(crate) struct Budget {
    count: AtomicUsize,
    bytes: AtomicUsize,
    count_max: usize,
    bytes_max: usize,
}

/// A part of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Arc<Self> {
        let (count, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { count, bytes, count_max, bytes_max })
    }

    /// One more call of so many bytes. One that is larger than all may be is let through alone.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let permit = Permit { budget: self.clone(), bytes };
        let fits = count < self.count_max && (before == 0 || before + bytes <= self.bytes_max);
        fits.then_some(permit)
    }

    pub(crate) fn pending(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.count.fetch_sub(1, Ordering::Relaxed);
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(2, 10);
        let first = budget.take(4).unwrap();
        let second = budget.take(6).unwrap();
        assert!(budget.take(0).is_none(), "two are all");
        drop(second);
        assert!(budget.take(7).is_none(), "10 bytes are all");
        let _third = budget.take(6).unwrap();
        drop(first);
        assert_eq!(budget.pending(), 1);
    }

    #[test]
    fn what_is_larger_than_all_goes_alone() {
        let budget = Budget::new(2, 10);
        let alone = budget.take(100).unwrap();
        assert!(budget.take(1).is_none());
        drop(alone);
        assert!(budget.take(1).is_some());
    }
}
