//! How many connections a second are taken in.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use ws_rate_limiter::{BucketState, Limit, TokenBucket};

/// What listeners count, for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct AcceptCounts {
    accepted: AtomicU64,
    delayed: AtomicU64,
    failed: AtomicU64,
}

impl AcceptCounts {
    pub(super) fn note_accepted(&self, count: usize) {
        self.accepted.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Connections that were taken in.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn note_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How often there was no file or no memory for a connection.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How often connections were left waiting for the next moment of the rate.
    pub(crate) fn delayed(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }
}

/// Lets in so many a second, and a tenth of that at once. Who is not let in waits in the kernel's queue, where
/// it costs no memory of ours, and is not refused.
#[derive(Debug)]
pub(super) struct Gate {
    rate: Option<(TokenBucket, BucketState)>,
    /// One was let in who was not there.
    is_open: bool,
    counts: Arc<AcceptCounts>,
}

impl Gate {
    pub(super) fn new(
        per_second: Option<NonZeroU32>,
        counts: Arc<AcceptCounts>,
        now: Instant,
    ) -> Self {
        let rate = per_second.map(|per_second| {
            let burst = NonZeroU32::new(per_second.get() / 10).unwrap_or(NonZeroU32::MIN);
            let bucket = TokenBucket::per_second(per_second).with_burst(burst);
            (bucket, bucket.new_state(now))
        });
        Self { rate, is_open: false, counts }
    }

    /// Whether there is anything to ask it.
    pub(super) fn is_limited(&self) -> bool {
        self.rate.is_some()
    }

    /// Lets one in, or says when it may.
    pub(super) fn open(&mut self, now: Instant) -> Result<(), Instant> {
        let Some((bucket, state)) = &mut self.rate else { return Ok(()) };
        if self.is_open {
            return Ok(());
        }
        bucket.check(state, 1, now).map_err(|denied| {
            self.counts.delayed.fetch_add(1, Ordering::Relaxed);
            denied.retry_at
        })?;
        self.is_open = true;
        Ok(())
    }

    /// It has come in.
    pub(super) fn note_accepted(&mut self) {
        self.is_open = false;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gate(per_second: u32) -> (Gate, Instant) {
        let now = tokio::time::Instant::now().into_std();
        (Gate::new(NonZeroU32::new(per_second), Arc::default(), now), now)
    }

    #[test]
    fn so_many_a_second_come_in_and_a_tenth_of_that_at_once() {
        let (mut gate, started) = gate(100);
        let (mut now, mut count) = (started, 0);
        while now < started + Duration::from_secs(2) {
            match gate.open(now) {
                Ok(()) => {
                    gate.note_accepted();
                    count += 1;
                }
                Err(at) => now = at,
            }
        }
        assert_eq!(count, 10 + 200 - 1, "the burst, and then one each 10 ms before the end");
        assert!(gate.counts.delayed() > 0);
    }

    #[test]
    fn a_place_that_nobody_took_is_kept_for_the_next() {
        let (mut gate, now) = gate(1);
        for _ in 0..3 {
            assert_eq!(gate.open(now), Ok(()), "nobody was there");
        }
        gate.note_accepted();
        assert_eq!(gate.open(now), Err(now + Duration::from_secs(1)));
    }

    #[test]
    fn without_a_rate_everybody_comes_in() {
        let (mut gate, now) = gate(0);
        assert!(!gate.is_limited());
        for _ in 0..10_000 {
            assert_eq!(gate.open(now), Ok(()));
            gate.note_accepted();
        }
    }
}
