//! How long to wait before the next attempt: exponential, capped, and spread by chance.
//!
//! Thousands of clients lose a server at the same instant. What keeps them from coming back at the
//! same instant, too, is the spread: by default a delay is anything from nothing to its ceiling.

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// How much of a delay is left to chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// All of it: from nothing to the ceiling. Spreads a crowd best.
    #[default]
    Full,
    /// The upper half: from 0.5 to 1.0 of the ceiling. Nobody is back at once.
    Equal,
    /// Nothing: the ceiling itself.
    None,
}

/// How a client comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// The ceiling of the first delay; each further attempt doubles it.
    pub base: Duration,
    /// What no delay exceeds.
    pub cap: Duration,
    /// How much of a delay is left to chance.
    pub jitter: Jitter,
    /// After how many attempts in one outage to stop for good; `None`: never.
    pub attempts_max: Option<u32>,
    /// How long a connection must last for the next outage to begin with the first delay again. A
    /// server that accepts and drops at once is so not asked at the pace of the first attempt.
    pub reset_after: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
            attempts_max: None,
            reset_after: Duration::from_secs(10),
        }
    }
}

/// Counts the attempts of an outage and says how long to wait before each.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    attempts: u32,
    connected_at: Option<Instant>,
}

impl Backoff {
    /// Begins with the first attempt.
    #[must_use]
    pub const fn new(config: BackoffConfig) -> Self {
        Self { config, attempts: 0, connected_at: None }
    }

    /// The delay before the next attempt, which counts from now on; `None` when they are used up.
    ///
    /// `random` is from 0 to 1.
    pub fn next_delay(&mut self, random: f64) -> Option<Duration> {
        let is_used_up = self.config.attempts_max.is_some_and(|max| self.attempts >= max);
        (!is_used_up).then(|| self.next_delay_unbounded(random))
    }

    /// The delay before the next attempt, which counts, whatever their bound is.
    ///
    /// `random` is from 0 to 1.
    pub fn next_delay_unbounded(&mut self, random: f64) -> Duration {
        let ceiling = self.ceiling();
        self.attempts = self.attempts.saturating_add(1);
        let random = if random.is_nan() { 0.0 } else { random.clamp(0.0, 1.0) };
        let share = match self.config.jitter {
            Jitter::Full => random,
            Jitter::Equal => f64::midpoint(1.0, random),
            Jitter::None => return ceiling,
        };
        // The seconds of a very long duration may be rounded up beyond what a duration holds.
        Duration::try_from_secs_f64(ceiling.as_secs_f64() * share).unwrap_or(ceiling).min(ceiling)
    }

    /// How many attempts were made in this outage.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The connection is there.
    pub const fn handle_connected(&mut self, now: Instant) {
        self.connected_at = Some(now);
    }

    /// The connection, or the attempt at one, is over. If it was good for long enough, the next
    /// attempt is the first again.
    pub fn handle_lost(&mut self, now: Instant) {
        let Some(connected_at) = self.connected_at.take() else { return };
        if now.saturating_duration_since(connected_at) >= self.config.reset_after {
            self.attempts = 0;
        }
    }

    /// Makes the next attempt the first again.
    pub const fn reset(&mut self) {
        self.attempts = 0;
        self.connected_at = None;
    }

    /// How it was made.
    #[must_use]
    pub const fn config(&self) -> &BackoffConfig {
        &self.config
    }

    fn ceiling(&self) -> Duration {
        // A nanosecond that was doubled a hundred times is beyond every duration.
        let factor = 1u128 << self.attempts.min(100);
        let nanos = self.config.base.as_nanos().saturating_mul(factor);
        Duration::from_nanos_u128(nanos.min(self.config.cap.as_nanos()))
    }
}
