//! The negative answers: to a caller who has used up its allowance, and to a bad configuration.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The limit is reached; nothing has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rate limit exceeded: {reason}")]
pub struct Denied {
    /// The earliest instant at which the same request would be allowed, if nobody else takes the
    /// allowance first. When it can never be ([`DeniedReason::CostAboveLimit`]), the instant from which
    /// the largest possible request is allowed.
    pub retry_at: Instant,
    /// Whether waiting helps.
    pub reason: DeniedReason,
}

/// Why a request was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeniedReason {
    /// The allowance is used up for now.
    #[error("the allowance is used up for now")]
    Exhausted,
    /// One request costs more than the limit ever holds: waiting does not help.
    #[error("one request may cost at most {limit}")]
    CostAboveLimit {
        /// The most that one request may cost.
        limit: u32,
    },
}

impl Denied {
    pub(crate) const fn exhausted(retry_at: Instant) -> Self {
        Self { retry_at, reason: DeniedReason::Exhausted }
    }

    pub(crate) const fn cost_above(limit: NonZeroU32, retry_at: Instant) -> Self {
        Self { retry_at, reason: DeniedReason::CostAboveLimit { limit: limit.get() } }
    }

    /// How long to wait from `now`.
    #[must_use]
    pub fn retry_after(&self, now: Instant) -> Duration {
        self.retry_at.saturating_duration_since(now)
    }

    /// The wait in milliseconds, rounded up and at least 1: who waits so long is not denied for having
    /// come a fraction too early.
    #[must_use]
    pub fn retry_after_ms(&self, now: Instant) -> u64 {
        let ms = self.retry_after(now).as_nanos().div_ceil(1_000_000);
        u64::try_from(ms).unwrap_or(u64::MAX).max(1)
    }

    /// The wait in whole seconds, rounded up and at least 1: the value of HTTP's `Retry-After`.
    #[must_use]
    pub fn retry_after_secs(&self, now: Instant) -> u64 {
        self.retry_after_ms(now).div_ceil(1000)
    }
}

/// A limit that cannot be meant. It is the operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A window or period of zero.
    #[error("the period of a limit must not be zero")]
    ZeroPeriod,
    /// A window or period of more than a year.
    #[error("the period of a limit must be at most 366 days")]
    PeriodTooLong,
    /// A name that is no algorithm.
    #[error("unknown algorithm: expected token-bucket, fixed-window or sliding-window")]
    UnknownAlgorithm,
    /// A word that is no mode.
    #[error("unknown mode: expected enforce or shadow")]
    UnknownMode,
    /// A burst was given to an algorithm that has none.
    #[error("only a token bucket has a burst")]
    BurstWithoutBucket,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn waits_are_rounded_up_and_never_zero() {
        let now = clock::nanos(0);
        for (wait_ns, ms, secs) in [
            (0, 1, 1),
            (1, 1, 1),
            (1_000_000, 1, 1),
            (1_000_001, 2, 1),
            (1_000_000_000, 1000, 1),
            (1_000_000_001, 1001, 2),
            (3_600_000_000_000, 3_600_000, 3600),
        ] {
            let denied = Denied::exhausted(clock::nanos(wait_ns));
            assert_eq!(denied.retry_after_ms(now), ms, "{wait_ns} ns");
            assert_eq!(denied.retry_after_secs(now), secs, "{wait_ns} ns");
        }
    }

    #[test]
    fn retry_in_the_past_is_a_wait_of_nothing() {
        let denied = Denied::exhausted(clock::nanos(0));
        assert_eq!(denied.retry_after(clock::nanos(5)), Duration::ZERO);
    }
}
