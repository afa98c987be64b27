//! Whether the server is still there.
//!
//! ```text
//!              interval of silence              grace of silence
//!  Listening ──────────────────────▶ Ping, Asked ──────────────▶ Dead
//!      ▲                                 │
//!      └───────── anything heard ────────┘
//! ```

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The interval of a server that tells none.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// No interval and no grace is longer: what a server tells must not carry a clock beyond its end.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// When to ask a silent server for a sign of life, and when to give it up.
///
/// What has arrived is to be told before the time is: a process that slept for an hour may find
/// the answer in its socket's buffer.
#[derive(Debug)]
pub struct Liveness {
    interval: Duration,
    grace: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Silence is fine until then.
    Listening { ask_at: Instant },
    /// A ping is out; its answer is waited for until then.
    Asked { dead_at: Instant },
}

/// What the time has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing yet.
    Wait,
    /// A ping is to be sent now.
    Ping,
    /// Nobody is there: the connection is to be given up.
    Dead,
}

impl Liveness {
    /// Asks after `interval` of silence, and gives up after `grace` more. An interval of zero is
    /// one that the server did not tell: 30 seconds.
    #[must_use]
    pub fn new(interval: Duration, grace: Duration, now: Instant) -> Self {
        let interval = if interval.is_zero() { INTERVAL_DEFAULT } else { interval.min(WAIT_MAX) };
        let grace = grace.min(WAIT_MAX);
        Self { interval, grace, state: State::Listening { ask_at: now + interval } }
    }

    /// Something was heard: a sign of life, whatever it was.
    pub fn handle_heard(&mut self, now: Instant) {
        self.state = State::Listening { ask_at: now + self.interval };
    }

    /// Asks at once, such as when the network is back. A question that is out already stands.
    pub fn check_now(&mut self, now: Instant) {
        if let State::Listening { ask_at } = &mut self.state {
            *ask_at = now.min(*ask_at);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    #[must_use]
    pub const fn poll_timeout(&self) -> Instant {
        match self.state {
            State::Listening { ask_at } => ask_at,
            State::Asked { dead_at } => dead_at,
        }
    }

    /// Tells the time. May be called at any time; a dead server stays dead until it is heard.
    pub fn handle_timeout(&mut self, now: Instant) -> Verdict {
        match self.state {
            State::Listening { ask_at } if now >= ask_at => {
                self.state = State::Asked { dead_at: now + self.grace };
                Verdict::Ping
            }
            State::Asked { dead_at } if now >= dead_at => Verdict::Dead,
            State::Listening { .. } | State::Asked { .. } => Verdict::Wait,
        }
    }
}
