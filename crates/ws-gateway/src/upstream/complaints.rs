//! Saying in the log that a back-end fails, now and then.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::outcomes::Outcome;

/// How long nothing is said once it has been said: there may be thousands of failures a second, and all of them
/// are counted.
const SILENCE: Duration = Duration::from_secs(10);

/// When it was said last.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<Option<Instant>>);

impl Complaints {
    /// It has failed, for that reason.
    pub(super) fn note(&self, outcome: Outcome, reason: &str) {
        let now = Instant::now();
        let mut said_at = self.0.lock();
        if said_at.is_some_and(|at| now.duration_since(at) < SILENCE) {
            return;
        }
        *said_at = Some(now);
        drop(said_at);
        tracing::warn!(outcome = outcome.label(), reason, "the upstream fails");
    }
}
