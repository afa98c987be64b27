//! When the next of a batch may be told: bound, pace and deadline.

use std::time::{Duration, Instant};

use crate::{CloseOptions, Pace};

/// How far the pace may catch up when its driver was late: timers tick in milliseconds, while a pace of
/// 10,000 a second has ten steps in each.
const CATCH_UP: Duration = Duration::from_millis(10);

/// When the next of a queue may go: when the pace and the bound allow it, and at the latest when the
/// deadline demands it.
#[derive(Debug)]
pub(crate) struct Schedule {
    concurrency: usize,
    pace: Option<Steps>,
    line: Line,
}

#[derive(Debug)]
struct Steps {
    mean: Duration,
    jitter: fastrand::Rng,
    next: Instant,
}

/// The first four fifths of the time, evenly spread over those that wait, so that the last one still
/// has a fifth to answer. Whoever goes early earns time for those behind.
#[derive(Debug)]
struct Line {
    next: Instant,
    ends: Instant,
}

impl Schedule {
    /// The schedule of a batch that begins now.
    pub(crate) fn new(options: &CloseOptions, now: Instant) -> Self {
        Self {
            concurrency: options.concurrency.get(),
            pace: options.pace.map(|pace| Steps::new(pace, now)),
            line: Line { next: now, ends: now + options.timeout.mul_f64(0.8) },
        }
    }

    /// The same for one that joins another, whose connections must not become late.
    pub(crate) fn joining(self, before: &Self) -> Self {
        let ends = self.line.ends.min(before.line.ends);
        Self { line: Line { ends, ..self.line }, ..self }
    }

    /// When the next may go, while so many are in flight. `None`: at once.
    pub(crate) fn next(&self, in_flight: usize) -> Option<Instant> {
        if in_flight >= self.concurrency {
            return Some(self.line.next);
        }
        self.pace.as_ref().map(|pace| pace.next.min(self.line.next))
    }

    /// One went, and so many wait behind it.
    pub(crate) fn handle_gone(&mut self, waiting: usize, now: Instant) {
        self.line.advance(waiting, now);
        if let Some(pace) = &mut self.pace {
            pace.advance(now);
        }
    }
}

impl Steps {
    fn new(pace: Pace, now: Instant) -> Self {
        Self {
            mean: Duration::from_secs(1) / pace.per_second.get(),
            jitter: fastrand::Rng::with_seed(pace.seed),
            next: now,
        }
    }

    fn advance(&mut self, now: Instant) {
        let step = self.mean.mul_f64(0.5 + self.jitter.f64());
        self.next = caught_up(self.next, now) + step;
    }
}

impl Line {
    fn advance(&mut self, waiting: usize, now: Instant) {
        let from = caught_up(self.next, now);
        let ways = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(1);
        self.next = from + self.ends.saturating_duration_since(from) / ways;
    }
}

/// The step that was due, or the earliest that is still made up for.
fn caught_up(due: Instant, now: Instant) -> Instant {
    due + now.saturating_duration_since(due).saturating_sub(CATCH_UP)
}
