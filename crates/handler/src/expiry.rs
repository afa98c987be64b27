//! A token's last moments: a warning, and the end.

use std::time::{Duration, Instant};

use ws_auth::Identity;

use crate::clock::{WallClock, millis};

/// How long before its expiry a client is told to fetch another token.
const WARNING: Duration = Duration::from_secs(30);

/// The deadlines that follow from a token's `exp` (DESIGN §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// None once the warning has been given.
    warn_at: Option<Instant>,
    /// `exp` and the leeway have passed.
    close_at: Instant,
    expires_at_ms: u64,
}

impl Expiry {
    /// The deadlines of an identity; none if its token does not expire.
    pub(crate) fn of(identity: &Identity, clock: &WallClock, now: Instant) -> Option<Self> {
        let expires_at = identity.expires_at?;
        let valid_until = identity.valid_until.unwrap_or(expires_at);
        // At once when less than the warning is left.
        let warn_at = clock.instant(expires_at - WARNING, now);
        Some(Self {
            warn_at: Some(warn_at),
            close_at: clock.instant(valid_until, now),
            expires_at_ms: millis(expires_at),
        })
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.warn_at.unwrap_or(self.close_at)
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.close_at
    }

    /// When the token expires, in ms since 1970: once, when the warning is due.
    pub(crate) fn take_warning(&mut self, now: Instant) -> Option<u64> {
        let due = self.warn_at.is_some_and(|at| now >= at);
        due.then(|| {
            self.warn_at = None;
            self.expires_at_ms
        })
    }
}
