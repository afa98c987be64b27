//! The time of a memory engine: wall time that never goes back, and that a test moves.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Wall time as it was at the start, and what has passed since by the monotonic clock: whoever sets the
/// machine's clock back does not bring back what has expired.
#[derive(Debug)]
pub(super) struct Clock {
    started_ms: u64,
    started: Instant,
    ahead_ms: AtomicU64,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "entries carry the engine's own time, and an engine on a server has its clock as well"
    )]
    pub(super) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started_ms: millis(since_1970),
            started: Instant::now(),
            ahead_ms: AtomicU64::new(0),
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        let passed = millis(self.started.elapsed());
        self.started_ms + passed + self.ahead_ms.load(Ordering::Relaxed)
    }

    pub(super) fn advance(&self, time: Duration) {
        self.ahead_ms.fetch_add(millis(time), Ordering::Relaxed);
    }
}

/// A span in milliseconds; the longest there are for what is longer.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
