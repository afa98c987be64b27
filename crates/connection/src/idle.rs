//! The idle deadline: no text or binary message either way.

use std::time::{Duration, Instant};

/// Messages only note the time; the armed deadline moves when it passes, so that traffic never
/// touches a timer.
#[derive(Debug)]
pub(crate) struct Idle {
    last_message: Instant,
    armed: Instant,
}

impl Idle {
    pub(crate) fn new(timeout: Duration, now: Instant) -> Self {
        Self { last_message: now, armed: now + timeout }
    }

    pub(crate) fn handle_message(&mut self, now: Instant) {
        self.last_message = now;
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.armed
    }

    /// Whether the connection has been idle for `timeout`; arms the next deadline otherwise.
    pub(crate) fn handle_timeout(&mut self, timeout: Duration, now: Instant) -> bool {
        if now < self.armed {
            return false;
        }
        self.armed = self.last_message + timeout;
        self.armed <= now
    }
}
