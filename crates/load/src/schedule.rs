//! When something is due in an open loop: an intended time for each number, whatever the server does.

use std::time::Duration;

use crate::clock::{Nanos, nanos};

/// So many a second, rising to that from nothing over the ramp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    per_second: f64,
    ramp: Duration,
}

/// A pace that was started, and how far it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    start: Nanos,
    next: u64,
}

impl Pace {
    /// `per_second` is above 0.
    pub(crate) fn new(per_second: f64, ramp: Duration) -> Self {
        debug_assert!(per_second > 0.0, "a pace goes forward");
        Self { per_second, ramp }
    }

    /// The share of one of `parts` that go at this pace together.
    pub(crate) fn share(&self, part: usize, whole: usize) -> Self {
        Self { per_second: self.per_second * part as f64 / whole.max(1) as f64, ..*self }
    }

    /// When number `index` is due after the start.
    fn offset(&self, index: u64) -> Nanos {
        let index = index as f64;
        let ramp = self.ramp.as_secs_f64();
        // A rate that rises to R over T has brought R·t²/2T by the time t, R·T/2 in all.
        let within_ramp = self.per_second * ramp / 2.0;
        let seconds = if index < within_ramp {
            (2.0 * index * ramp / self.per_second).sqrt()
        } else {
            ramp + (index - within_ramp) / self.per_second
        };
        nanos(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}

impl Schedule {
    pub(crate) fn start(pace: Pace, start: Nanos) -> Self {
        Self { pace, start, next: 0 }
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Nanos {
        self.start.saturating_add(self.pace.offset(self.next))
    }

    /// Takes the next one if it is due, with the time at which it should have been. What was missed
    /// is taken late; nothing is skipped.
    pub(crate) fn take_due(&mut self, now: Nanos) -> Option<Nanos> {
        let due = self.next_due();
        (due <= now).then(|| {
            self.next += 1;
            due
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn taken(schedule: &mut Schedule, now: Nanos) -> Vec<Nanos> {
        std::iter::from_fn(|| schedule.take_due(now)).collect()
    }

    #[test]
    fn each_is_due_at_its_own_time() {
        let pace = Pace::new(4.0, Duration::ZERO);
        let mut schedule = Schedule::start(pace, 10);
        assert!(taken(&mut schedule, 9).is_empty());
        assert_eq!(taken(&mut schedule, 10), [10]);
        assert_eq!(schedule.next_due(), SECOND / 4 + 10);
        assert_eq!(taken(&mut schedule, SECOND / 4 + 10), [SECOND / 4 + 10]);
    }

    #[test]
    fn what_was_missed_is_late_and_not_skipped() {
        let mut schedule = Schedule::start(Pace::new(4.0, Duration::ZERO), 0);
        let due = taken(&mut schedule, SECOND);
        assert_eq!(due, [0, SECOND / 4, SECOND / 2, 3 * SECOND / 4, SECOND]);
    }

    #[test]
    fn a_ramp_brings_half_as_many_and_then_the_full_rate() {
        let mut schedule = Schedule::start(Pace::new(1_000.0, Duration::from_secs(2)), 0);
        assert_eq!(taken(&mut schedule, SECOND).len(), 251, "R·t²/2T, and the one at 0");
        assert_eq!(taken(&mut schedule, 2 * SECOND).len(), 750);
        assert_eq!(taken(&mut schedule, 3 * SECOND).len(), 1_000);
    }

    #[test]
    fn shares_come_to_the_whole() {
        let pace = Pace::new(900.0, Duration::ZERO);
        assert_eq!(pace.share(1, 3).per_second + pace.share(2, 3).per_second, 900.0);
    }

    proptest! {
        #[test]
        fn times_never_go_back(
            per_second in 0.1_f64..1e6,
            ramp in 0_u64..10_000,
            index in 0_u64..1_000_000,
        ) {
            let pace = Pace::new(per_second, Duration::from_millis(ramp));
            prop_assert!(pace.offset(index) <= pace.offset(index + 1));
        }

        #[test]
        fn as_many_are_due_as_the_rate_says(per_second in 1.0_f64..1e5, millis in 1_u64..2_000) {
            let mut schedule = Schedule::start(Pace::new(per_second, Duration::ZERO), 0);
            let count = taken(&mut schedule, millis * 1_000_000).len() as f64;
            let expected = per_second * millis as f64 / 1_000.0;
            prop_assert!((count - expected).abs() <= 1.0 + 1e-6 * expected, "{} {}", count, expected);
        }
    }
}
