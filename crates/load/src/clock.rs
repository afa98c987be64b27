//! The one place that reads a clock: everything else is told nanoseconds since the run began.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the run began.
pub(crate) type Nanos = u64;

/// A run's clock; copies agree with one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// Milliseconds since 1970 at the start.
    epoch_millis: u64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "a tool that measures time reads a clock")]
    pub(crate) fn start() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start: Instant::now(),
            epoch_millis: u64::try_from(epoch.as_millis()).unwrap_or(u64::MAX),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a tool that measures time reads a clock")]
    pub(crate) fn now(&self) -> Nanos {
        nanos(Instant::now().saturating_duration_since(self.start))
    }

    /// The same moment for the state machines.
    pub(crate) fn instant(&self, at: Nanos) -> Instant {
        self.start + Duration::from_nanos(at)
    }

    /// The same moment in milliseconds since 1970.
    pub(crate) fn epoch_millis(&self, at: Nanos) -> u64 {
        self.epoch_millis + at / 1_000_000
    }
}

/// A span in nanoseconds; five centuries are enough.
pub(crate) fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
