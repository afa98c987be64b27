//! The time that entries carry.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::format::millis;

/// Wall time, as entries outlive the process.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead_ms: AtomicU64,
}

impl Clock {
    /// Milliseconds since 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "entries carry the engine's own time, and an engine on a server has its clock as well"
    )]
    pub(super) fn now_ms(&self) -> u64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(since_1970) + self.ahead_ms.load(Ordering::Relaxed)
    }

    pub(super) fn advance(&self, time: Duration) {
        self.ahead_ms.fetch_add(millis(time), Ordering::Relaxed);
    }
}
