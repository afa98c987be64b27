//! Counters by cause, kept apart for each thread.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads that count for themselves: more than a server is likely to have at work.
const OWN_LANES: usize = 64;
/// Lanes that later threads share.
const SHARED_LANES: usize = 16;

/// `N` counters that many threads add to without sharing a cache line: for what an application counts
/// on the way of a message. Reading them adds up all threads' shares.
#[derive(Debug)]
pub struct Counts<const N: usize> {
    lanes: Box<[Lane<N>]>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Lane<const N: usize>([AtomicU64; N]);

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
}

impl<const N: usize> Counts<N> {
    /// All at zero.
    pub fn new() -> Self {
        let lane = || Lane(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { lanes: (0..OWN_LANES + SHARED_LANES).map(|_| lane()).collect() }
    }

    /// Adds one; an index beyond `N` counts as the last.
    pub fn add(&self, index: usize) {
        self.add_many(index, 1);
    }

    /// Adds `count`; an index beyond `N` counts as the last.
    pub fn add_many(&self, index: usize, count: u64) {
        let thread = THREAD.with(|thread| *thread);
        let index = index.min(N - 1);
        if thread < OWN_LANES {
            // Nobody else writes here, so that nothing is lost between reading and writing, and no
            // locked instruction is needed.
            let counter = &self.lanes[thread].0[index];
            counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        } else {
            let lane = &self.lanes[OWN_LANES + thread % SHARED_LANES];
            lane.0[index].fetch_add(count, Ordering::Relaxed);
        }
    }

    /// What each came to.
    pub fn totals(&self) -> [u64; N] {
        std::array::from_fn(|index| {
            self.lanes.iter().map(|lane| lane.0[index].load(Ordering::Relaxed)).sum()
        })
    }
}

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl Counts<1> {
    /// Adds one to the only counter.
    pub fn count(&self) {
        self.add(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nothing_is_lost_between_threads_that_count_for_themselves_and_those_that_share() {
        let counts = Arc::new(Counts::<2>::new());
        let threads = OWN_LANES + 2 * SHARED_LANES + 3;
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let counts = counts.clone();
                std::thread::spawn(move || {
                    for _ in 0..1000 {
                        counts.add(0);
                        counts.add_many(7, 2);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
        assert_eq!(counts.totals(), [1000 * threads as u64, 2000 * threads as u64]);
    }
}
