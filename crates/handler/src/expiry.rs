//! A token's last moments: a warning, and the end.

use std::time::{Duration, Instant};

use ws_auth::Identity;

use crate::clock::WallClock;

/// How long before its expiry a client is told to fetch another token.
const WARNING: Duration = Duration::from_secs(30);

/// The deadlines that follow from a token's `exp` (DESIGN §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    warn_at: Instant,
    /// How long after the warning `exp` and the leeway have passed.
    close_after_ms: u32,
    is_warned: bool,
}

/// What has become of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It ends soon. Said once.
    Warning,
    /// It is over.
    End,
}

impl Expiry {
    /// The deadlines of an identity; none if its token does not expire.
    pub(crate) fn of(identity: &Identity, clock: &WallClock, now: Instant) -> Option<Self> {
        let expires_at = identity.expires_at?;
        let valid_until = identity.valid_until.unwrap_or(expires_at);
        // At once when less than the warning is left.
        let warn_at = clock.instant(expires_at - WARNING, now);
        let close_after = clock.instant(valid_until, now).saturating_duration_since(warn_at);
        // No fraction of a millisecond too early.
        let close_after_ms = close_after.as_nanos().div_ceil(1_000_000);
        let close_after_ms = u32::try_from(close_after_ms).unwrap_or(u32::MAX);
        Some(Self { warn_at, close_after_ms, is_warned: false })
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        if self.is_warned { self.close_at() } else { self.warn_at }
    }

    /// What is due, if anything is.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Due> {
        if now >= self.close_at() {
            return Some(Due::End);
        }
        let is_first = now >= self.warn_at && !std::mem::replace(&mut self.is_warned, true);
        is_first.then_some(Due::Warning)
    }

    fn close_at(&self) -> Instant {
        self.warn_at + Duration::from_millis(self.close_after_ms.into())
    }
}

// One of the larger parts of an idle session.
const _: () = assert!(size_of::<Option<Expiry>>() == 24);
