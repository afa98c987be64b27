//! The token bucket, kept as one instant (the generic cell rate algorithm of ITU-T I.371).

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::config::period_nanos;
use crate::{ConfigError, Denied, Limit};

#[cfg(test)]
mod tests;

/// A bucket that holds `burst` tokens and is refilled at an even rate; each request takes tokens out.
///
/// Over any span it allows at most `burst + rate × span`, never more. Default burst: as many tokens as
/// one period refills, so that `per_minute(100)` lets a hundred go at once and then one every 600 ms.
///
/// What each caller costs is one `Instant` (16 bytes or less). Instead of counting tokens it names
/// the instant at which the bucket will be full again: the emptier, the later. Nothing ever has to
/// refill it.
///
/// A token takes a whole number of nanoseconds, rounded up: exact for 10 a second or 100 a minute,
/// slower by less than 0.1 % at a million a second. Whoever limits more than ten million bytes a
/// second counts in kilobytes. A bucket that would take longer than 292 years to fill is treated as
/// one that takes 292 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// Nanoseconds for one token.
    token: u64,
    /// Nanoseconds to fill an empty bucket.
    capacity: u64,
    burst: NonZeroU32,
}

/// What a [`TokenBucket`] remembers of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketState {
    pub(crate) full_at: Instant,
}

impl TokenBucket {
    /// `tokens` every second, as many at once.
    #[must_use]
    pub const fn per_second(tokens: NonZeroU32) -> Self {
        Self::refilling(1_000_000_000, tokens)
    }

    /// `tokens` every minute, as many at once.
    #[must_use]
    pub const fn per_minute(tokens: NonZeroU32) -> Self {
        Self::refilling(60 * 1_000_000_000, tokens)
    }

    /// `tokens` every hour, as many at once.
    #[must_use]
    pub const fn per_hour(tokens: NonZeroU32) -> Self {
        Self::refilling(3600 * 1_000_000_000, tokens)
    }

    /// `tokens` every `period`, as many at once.
    ///
    /// # Errors
    ///
    /// If the period is zero or longer than 366 days.
    pub const fn new(period: Duration, tokens: NonZeroU32) -> Result<Self, ConfigError> {
        match period_nanos(period) {
            Ok(nanos) => Ok(Self::refilling(nanos, tokens)),
            Err(error) => Err(error),
        }
    }

    /// The same rate with room for `burst` tokens: fewer for smoother traffic, more for tolerance.
    #[must_use]
    pub const fn with_burst(self, burst: NonZeroU32) -> Self {
        let capacity = price(self.token, burst.get());
        Self { token: self.token, capacity, burst }
    }

    /// How many tokens the bucket holds, and the most that one request may cost.
    #[must_use]
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// How long an empty bucket takes to be full.
    pub(crate) const fn fill_time(&self) -> Duration {
        Duration::from_nanos(self.capacity)
    }

    /// Nanoseconds for one token, and to fill an empty bucket.
    pub(crate) const fn nanos(&self) -> (u64, u64) {
        (self.token, self.capacity)
    }

    /// What each of so many has of it, if all have the same: at least one token.
    pub(crate) const fn shared_by(&self, count: u32) -> Self {
        let burst = match NonZeroU32::new(self.burst.get() / count) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        Self { token: price(self.token, count), capacity: 0, burst }.with_burst(burst)
    }

    const fn refilling(period_nanos: u64, tokens: NonZeroU32) -> Self {
        let token = period_nanos.div_ceil(tokens.get() as u64);
        Self { token, capacity: 0, burst: tokens }.with_burst(tokens)
    }
}

/// The longest time that a bucket may take to fill, and with it the highest price: the sum of two of
/// them still fits into 64 bits.
const CAPACITY_MAX: u64 = i64::MAX as u64;

/// Nanoseconds that it takes to refill `cost` tokens.
const fn price(token: u64, cost: u32) -> u64 {
    match token.checked_mul(cost as u64) {
        Some(nanos) if nanos < CAPACITY_MAX => nanos,
        _ => CAPACITY_MAX,
    }
}

impl Limit for TokenBucket {
    type State = BucketState;

    fn new_state(&self, now: Instant) -> BucketState {
        BucketState { full_at: now }
    }

    #[inline]
    fn check(&self, state: &mut BucketState, cost: u32, now: Instant) -> Result<(), Denied> {
        if cost == 0 {
            return Ok(());
        }
        if cost > self.burst.get() {
            return Err(Denied::cost_above(self.burst, state.full_at.max(now)));
        }
        let missing = nanos_between(now, state.full_at).saturating_add(price(self.token, cost));
        if missing > self.capacity {
            return Err(Denied::exhausted(now + Duration::from_nanos(missing - self.capacity)));
        }
        state.full_at = now + Duration::from_nanos(missing);
        debug_assert!(state.full_at >= now);
        Ok(())
    }

    fn fresh_at(&self, state: &BucketState) -> Instant {
        state.full_at
    }

    fn adopt(&self, state: BucketState, now: Instant) -> BucketState {
        // A slow bucket may be hours from full; for a faster one, empty is the worst that can be.
        BucketState { full_at: state.full_at.min(now + Duration::from_nanos(self.capacity)) }
    }
}

/// Zero if `later` is not later.
fn nanos_between(earlier: Instant, later: Instant) -> u64 {
    let span = later.saturating_duration_since(earlier);
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
