//! A limit as an operator writes it, and the check that makes it one.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::{AnyLimit, ConfigError, FixedWindow, SlidingWindow, TokenBucket};

/// Which of the algorithms; all of them are "so many in so much time", and differ at the edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// [`TokenBucket`]: even refill, 16 bytes a caller. The best choice unless there is a reason.
    #[default]
    TokenBucket,
    /// [`FixedWindow`]: simple to explain; lets twice the limit through around the edge of a window.
    FixedWindow,
    /// [`SlidingWindow`]: never more than the limit in any window, 56 bytes a caller.
    SlidingWindow,
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        match name {
            "token-bucket" => Ok(Self::TokenBucket),
            "fixed-window" => Ok(Self::FixedWindow),
            "sliding-window" => Ok(Self::SlidingWindow),
            _ => Err(ConfigError::UnknownAlgorithm),
        }
    }
}

/// So many messages in a window, by one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitConfig {
    /// Default: [`Algorithm::TokenBucket`].
    pub algorithm: Algorithm,
    /// The time that `messages_max` is counted over. Default: 1 s. Zero is refused.
    pub window: Duration,
    /// How many messages one window permits. Default: 10. Zero means that there is no limit.
    pub messages_max: u32,
    /// How many a token bucket lets go at once after a silence. Default: `None`, as many as
    /// `messages_max`. Other algorithms have no burst, and refuse one.
    pub burst: Option<NonZeroU32>,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            window: Duration::from_secs(1),
            messages_max: 10,
            burst: None,
        }
    }
}

impl LimitConfig {
    /// The limit that was described.
    ///
    /// # Errors
    ///
    /// If the window is zero or longer than 366 days, or a window was given a burst.
    pub fn build(&self) -> Result<AnyLimit, ConfigError> {
        period_nanos(self.window)?;
        if self.burst.is_some() && self.algorithm != Algorithm::TokenBucket {
            return Err(ConfigError::BurstWithoutBucket);
        }
        let Some(messages_max) = NonZeroU32::new(self.messages_max) else {
            return Ok(AnyLimit::Unlimited);
        };
        Ok(match self.algorithm {
            Algorithm::TokenBucket => TokenBucket::new(self.window, messages_max)?
                .with_burst(self.burst.unwrap_or(messages_max))
                .into(),
            Algorithm::FixedWindow => FixedWindow::new(self.window, messages_max)?.into(),
            Algorithm::SlidingWindow => SlidingWindow::new(self.window, messages_max)?.into(),
        })
    }
}

/// The longest period: a year. Limits over longer spans belong into a database.
const PERIOD_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

pub(crate) const fn period_nanos(period: Duration) -> Result<u64, ConfigError> {
    let nanos = period.as_nanos();
    if nanos == 0 {
        return Err(ConfigError::ZeroPeriod);
    }
    if nanos > PERIOD_MAX.as_nanos() {
        return Err(ConfigError::PeriodTooLong);
    }
    Ok(nanos as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
    const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn default_is_ten_messages_a_second_from_a_bucket() {
        assert_eq!(
            LimitConfig::default().build(),
            Ok(AnyLimit::TokenBucket(TokenBucket::per_second(TEN)))
        );
    }

    #[test]
    fn configuration_means_what_it_says_or_is_refused() {
        let plain = LimitConfig::default();
        let fixed = LimitConfig { algorithm: Algorithm::FixedWindow, ..plain };
        let sliding = LimitConfig { algorithm: Algorithm::SlidingWindow, ..plain };
        let year = Duration::from_secs(366 * 24 * 3600);
        for (config, expect) in [
            (fixed, Ok(FixedWindow::new(SECOND, TEN).unwrap().into())),
            (sliding, Ok(SlidingWindow::new(SECOND, TEN).unwrap().into())),
            (
                LimitConfig { burst: Some(FIVE), ..plain },
                Ok(TokenBucket::per_second(TEN).with_burst(FIVE).into()),
            ),
            (LimitConfig { burst: Some(FIVE), ..fixed }, Err(ConfigError::BurstWithoutBucket)),
            (LimitConfig { burst: Some(FIVE), ..sliding }, Err(ConfigError::BurstWithoutBucket)),
            (LimitConfig { messages_max: 0, ..plain }, Ok(AnyLimit::Unlimited)),
            (LimitConfig { window: Duration::ZERO, ..plain }, Err(ConfigError::ZeroPeriod)),
            (
                LimitConfig { window: Duration::ZERO, messages_max: 0, ..plain },
                Err(ConfigError::ZeroPeriod),
            ),
            (
                LimitConfig { window: year, ..fixed },
                Ok(FixedWindow::new(year, TEN).unwrap().into()),
            ),
            (
                LimitConfig { window: year + Duration::from_nanos(1), ..fixed },
                Err(ConfigError::PeriodTooLong),
            ),
            (LimitConfig { window: Duration::MAX, ..plain }, Err(ConfigError::PeriodTooLong)),
        ] {
            assert_eq!(config.build(), expect, "{config:?}");
        }
    }

    #[test]
    fn algorithms_are_known_by_their_names() {
        for (name, expect) in [
            ("token-bucket", Ok(Algorithm::TokenBucket)),
            ("fixed-window", Ok(Algorithm::FixedWindow)),
            ("sliding-window", Ok(Algorithm::SlidingWindow)),
            ("leaky", Err(ConfigError::UnknownAlgorithm)),
        ] {
            assert_eq!(name.parse(), expect);
        }
    }
}
