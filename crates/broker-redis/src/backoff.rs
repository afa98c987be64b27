//! How long one waits before the next try.

use std::time::Duration;

use crate::config::RedisConfig;

#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(config: &RedisConfig) -> Self {
        let (min, max) = (config.backoff_min, config.backoff_max);
        Self { min, max, next: min }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }

    /// Between half and all of a pause that doubles: nodes that lost the same server do not come back at
    /// once.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 2).min(self.max);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again() {
        let mut backoff = Backoff::new(&RedisConfig {
            backoff_min: Duration::from_millis(10),
            backoff_max: Duration::from_millis(25),
            ..RedisConfig::default()
        });
        for expected in [10, 20, 25, 25] {
            let (pause, expected) = (backoff.pause(), Duration::from_millis(expected));
            assert!(pause >= expected / 2 && pause <= expected, "{pause:?} of {expected:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(10));
    }
}
