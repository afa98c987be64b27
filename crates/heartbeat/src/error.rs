//! Settings that no heartbeat can keep.

use std::time::Duration;

/// A setting that no heartbeat can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The interval is zero or longer than an hour.
    #[error("ping interval {given:?}: accepted are 1 ms to 1 h")]
    PingInterval {
        /// What was asked for.
        given: Duration,
    },
    /// The timeout is zero or longer than an hour.
    #[error("pong timeout {given:?}: accepted are 1 ms to 1 h")]
    PongTimeout {
        /// What was asked for.
        given: Duration,
    },
    /// No miss at all, or more than anyone can wait for.
    #[error("max missed pongs {given}: accepted are 1 to 1000")]
    MaxMissedPongs {
        /// What was asked for.
        given: u32,
    },
}
