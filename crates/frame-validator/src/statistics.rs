//! Counters that many threads add to, and the snapshot that is taken of them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::SizeTally;

/// What a validator has seen so far. The counters never go back, so they suit a metrics exporter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeStats {
    /// Frames or messages that were permitted.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The largest of them.
    pub largest: u64,
    /// Those above the warning threshold.
    pub warnings: u64,
    /// Those that were refused; they are in none of the numbers above.
    pub violations: u64,
    /// The largest size that was refused, as far as it was declared.
    pub largest_refused: u64,
}

impl SizeStats {
    /// Mean size of what was permitted, in whole bytes; zero before there was any.
    #[must_use]
    pub const fn average(&self) -> u64 {
        match self.bytes.checked_div(self.frames) {
            Some(average) => average,
            None => 0,
        }
    }
}

/// Enough that the threads of a large machine rarely meet on one, and 2 KiB altogether.
const LANES: usize = 16;

/// Sums split over cache lines: a thread always adds to the same lane, so two threads seldom write to
/// one line. The price is paid by the rare reader, who adds up the lanes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    lanes: [Lane; LANES],
}

/// Two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    frames: AtomicU64,
    bytes: AtomicU64,
    largest: AtomicU64,
    warnings: AtomicU64,
}

impl Counters {
    pub(crate) fn add(&self, tally: SizeTally) {
        let lane = &self.lanes[lane_of_thread()];
        // Sums of independent events: no other memory is published by them.
        lane.frames.fetch_add(u64::from(tally.frames), Ordering::Relaxed);
        lane.bytes.fetch_add(tally.bytes, Ordering::Relaxed);
        if tally.warnings > 0 {
            lane.warnings.fetch_add(u64::from(tally.warnings), Ordering::Relaxed);
        }
        if tally.largest > lane.largest.load(Ordering::Relaxed) {
            lane.largest.fetch_max(tally.largest, Ordering::Relaxed);
        }
    }

    /// The sums, without the violations, which are counted elsewhere.
    pub(crate) fn snapshot(&self) -> SizeStats {
        self.lanes.iter().fold(SizeStats::default(), |sum, lane| SizeStats {
            frames: sum.frames.wrapping_add(lane.frames.load(Ordering::Relaxed)),
            bytes: sum.bytes.wrapping_add(lane.bytes.load(Ordering::Relaxed)),
            largest: sum.largest.max(lane.largest.load(Ordering::Relaxed)),
            warnings: sum.warnings.wrapping_add(lane.warnings.load(Ordering::Relaxed)),
            ..sum
        })
    }
}

fn lane_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
    }
    // A thread that is being torn down may still count.
    LANE.try_with(|lane| *lane).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SizeVerdict;

    #[test]
    fn average_of_nothing_is_zero() {
        assert_eq!(SizeStats::default().average(), 0);
        assert_eq!(SizeStats { frames: 3, bytes: 10, ..SizeStats::default() }.average(), 3);
    }

    #[test]
    fn nothing_is_lost_between_more_threads_than_lanes() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for thread in 1..=LANES as u64 + 4 {
                let counters = &counters;
                scope.spawn(move || {
                    for _ in 0..500 {
                        let mut tally = SizeTally::default();
                        tally.record(thread, SizeVerdict::Large);
                        counters.add(tally);
                    }
                });
            }
        });
        let expect = SizeStats {
            frames: 20 * 500,
            bytes: 500 * (1..=20).sum::<u64>(),
            largest: 20,
            warnings: 20 * 500,
            ..SizeStats::default()
        };
        assert_eq!(counters.snapshot(), expect);
    }
}
