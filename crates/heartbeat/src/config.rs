//! The three settings of a heartbeat, checked once.

use std::time::Duration;

use crate::ConfigError;

/// The longest interval or timeout. Middleboxes forget an idle connection well before an hour, so
/// that a longer one could only be a mistake of units.
const DURATION_MAX: Duration = Duration::from_secs(60 * 60);

/// The most pings that may go unanswered before a peer is dead.
const MISSED_PONGS_MAX: u32 = 1000;

/// When to ping, how long to wait, and how often: twelve bytes, checked once.
///
/// The default is an interval of 30 s, a timeout of 5 s and 3 missed pongs: a peer that vanishes is
/// declared dead 45 s after its last frame (see [`detection_bound`](Self::detection_bound)).
///
/// There is no value that means "never". Whoever wants no heartbeat makes no [`Heartbeat`].
///
/// [`Heartbeat`]: crate::Heartbeat
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatConfig {
    // Milliseconds in 32 bits because every connection carries its own copy.
    pub(crate) ping_interval_ms: u32,
    pub(crate) pong_timeout_ms: u32,
    pub(crate) max_missed_pongs: u16,
}

impl HeartbeatConfig {
    /// Checks the three settings. Fractions of a millisecond are rounded up.
    ///
    /// - `ping_interval` (1 ms to 1 h, default 30 s): how long a peer may be silent before it is
    ///   pinged. It costs one ping and one pong for each *silent* interval of each connection
    ///   (1,000,000 idle connections at 30 s: some 33,000 pings a second), and nothing on a connection
    ///   that talks. Keep it below the idle timeout of every proxy on the way (often 60 s).
    /// - `pong_timeout` (1 ms to 1 h, default 5 s): how long after a ping the peer may stay silent
    ///   before that counts as a miss. Below the round trip of a bad mobile link, living peers miss.
    /// - `max_missed_pongs` (1 to 1000, default 3): how many misses in a row declare the peer dead.
    ///   At 1, one lost packet may cost a connection.
    ///
    /// # Errors
    ///
    /// A value outside its range, zero included, is refused with the range that is accepted.
    pub const fn new(
        ping_interval: Duration,
        pong_timeout: Duration,
        max_missed_pongs: u32,
    ) -> Result<Self, ConfigError> {
        let Some(ping_interval_ms) = milliseconds(ping_interval) else {
            return Err(ConfigError::PingInterval { given: ping_interval });
        };
        let Some(pong_timeout_ms) = milliseconds(pong_timeout) else {
            return Err(ConfigError::PongTimeout { given: pong_timeout });
        };
        if max_missed_pongs == 0 || max_missed_pongs > MISSED_PONGS_MAX {
            return Err(ConfigError::MaxMissedPongs { given: max_missed_pongs });
        }
        let max_missed_pongs = max_missed_pongs as u16;
        Ok(Self { ping_interval_ms, pong_timeout_ms, max_missed_pongs })
    }

    /// How long a peer may be silent before it is pinged.
    #[must_use]
    pub const fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval_ms as u64)
    }

    /// How long after a ping the peer may stay silent before that counts as a miss.
    #[must_use]
    pub const fn pong_timeout(&self) -> Duration {
        Duration::from_millis(self.pong_timeout_ms as u64)
    }

    /// How many misses in a row declare the peer dead.
    #[must_use]
    pub const fn max_missed_pongs(&self) -> u32 {
        self.max_missed_pongs as u32
    }

    /// How long after its last frame a peer that vanished is declared dead, at the latest:
    /// `ping_interval + max_missed_pongs × pong_timeout`, by default 45 s.
    ///
    /// (If the timeout is the longer of the two, it counts in place of the interval, too: a wait that
    /// a frame has ended is noticed when the timer fires.)
    #[must_use]
    pub const fn detection_bound(&self) -> Duration {
        let silence = if self.ping_interval_ms > self.pong_timeout_ms {
            self.ping_interval_ms
        } else {
            self.pong_timeout_ms
        };
        let waits = self.max_missed_pongs as u64 * self.pong_timeout_ms as u64;
        Duration::from_millis(silence as u64 + waits)
    }

    /// How long the first ping waits: a point in the second half of the interval, chosen by the
    /// upper half of the seed.
    pub(crate) const fn first_wait(&self, seed: u64) -> Duration {
        let half = self.ping_interval_ms / 2;
        let spread = ((seed >> 32) * (half as u64 + 1)) >> 32;
        Duration::from_millis((self.ping_interval_ms - half) as u64 + spread)
    }
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { ping_interval_ms: 30_000, pong_timeout_ms: 5_000, max_missed_pongs: 3 }
    }
}

/// The duration in whole milliseconds, rounded up, or nothing if it is out of range.
const fn milliseconds(duration: Duration) -> Option<u32> {
    let rounded_up = duration.as_nanos().div_ceil(1_000_000);
    if rounded_up == 0 || rounded_up > DURATION_MAX.as_millis() {
        return None;
    }
    Some(rounded_up as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn default_is_thirty_seconds_and_three_times_five_so_forty_five() {
        let config = HeartbeatConfig::default();
        assert_eq!(config.ping_interval(), Duration::from_secs(30));
        assert_eq!(config.pong_timeout(), Duration::from_secs(5));
        assert_eq!(config.max_missed_pongs(), 3);
        assert_eq!(config.detection_bound(), Duration::from_secs(45));
        let spelled_out =
            HeartbeatConfig::new(Duration::from_secs(30), Duration::from_secs(5), 3).unwrap();
        assert_eq!(config, spelled_out);
    }

    #[test]
    fn values_out_of_range_are_refused_with_their_range() {
        #[track_caller]
        fn check(interval: Duration, timeout: Duration, missed: u32, expect: &str) {
            let error = HeartbeatConfig::new(interval, timeout, missed).unwrap_err();
            assert_eq!(error.to_string(), expect);
        }
        let too_long = DURATION_MAX + MS;
        check(Duration::ZERO, MS, 1, "ping interval 0ns: accepted are 1 ms to 1 h");
        check(too_long, MS, 1, "ping interval 3600.001s: accepted are 1 ms to 1 h");
        check(MS, Duration::ZERO, 1, "pong timeout 0ns: accepted are 1 ms to 1 h");
        check(MS, too_long, 1, "pong timeout 3600.001s: accepted are 1 ms to 1 h");
        check(MS, MS, 0, "max missed pongs 0: accepted are 1 to 1000");
        check(MS, MS, 1001, "max missed pongs 1001: accepted are 1 to 1000");
    }

    #[test]
    fn ends_of_the_ranges_are_accepted_and_fractions_round_up() {
        #[track_caller]
        fn check(given: Duration, expect: Duration) {
            let config = HeartbeatConfig::new(given, given, MISSED_PONGS_MAX).unwrap();
            assert_eq!(config.ping_interval(), expect);
            assert_eq!(config.pong_timeout(), expect);
        }
        check(MS, MS);
        check(DURATION_MAX, DURATION_MAX);
        check(Duration::from_nanos(1), MS);
        check(Duration::from_micros(1500), 2 * MS);
    }

    #[test]
    fn bound_holds_for_a_timeout_longer_than_the_interval() {
        let config =
            HeartbeatConfig::new(Duration::from_secs(1), Duration::from_secs(5), 3).unwrap();
        assert_eq!(config.detection_bound(), Duration::from_secs(5 + 3 * 5));
    }

    #[test]
    fn first_wait_covers_the_second_half_of_the_interval() {
        let config = HeartbeatConfig::default();
        assert_eq!(config.first_wait(0), Duration::from_secs(15));
        assert_eq!(config.first_wait(1 << 63), Duration::from_millis(22_500));
        assert_eq!(config.first_wait(u64::MAX), Duration::from_secs(30));
    }
}
