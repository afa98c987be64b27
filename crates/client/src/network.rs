//! What is known of the network, and what that means for the next attempt.

use std::time::Duration;

use tokio::sync::watch;

use crate::backoff::Backoff;

#[cfg(test)]
mod tests;

const LATENCY_SLOW: Duration = Duration::from_secs(5);
const LATENCY_UNSTABLE: Duration = Duration::from_secs(1);

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkStatus {
    /// Good, as far as anybody knows.
    #[default]
    Online,
    /// A probe took more than five seconds.
    Slow,
    /// A probe took more than a second.
    Unstable,
    /// There is none: no attempt is made.
    Offline,
}

/// What an attempt at a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// This long. The attempt counts.
    After(Duration),
    /// Until the network is back, and then for nothing else. No attempt was counted.
    NetworkBack,
    /// It will not be made: the attempts are used up.
    Never,
}

impl NetworkStatus {
    /// What a probe tells that was answered after this long.
    #[must_use]
    pub fn of_latency(latency: Duration) -> Self {
        if latency > LATENCY_SLOW {
            Self::Slow
        } else if latency > LATENCY_UNSTABLE {
            Self::Unstable
        } else {
            Self::Online
        }
    }

    /// The shortest delay before an attempt: a poor network is not helped by more traffic.
    #[must_use]
    pub const fn delay_min(self) -> Duration {
        match self {
            Self::Online | Self::Offline => Duration::ZERO,
            Self::Slow => Duration::from_secs(5),
            Self::Unstable => Duration::from_secs(2),
        }
    }

    /// Whether an attempt can succeed at all.
    #[must_use]
    pub const fn lets_connect(self) -> bool {
        !matches!(self, Self::Offline)
    }

    /// Whether attempts go on beyond their bound: a poor network is to blame for those that failed.
    #[must_use]
    pub const fn goes_on_without_end(self) -> bool {
        matches!(self, Self::Slow | Self::Unstable)
    }

    /// What the next attempt waits for on this network.
    ///
    /// `random` is from 0 to 1.
    pub fn next_attempt(self, backoff: &mut Backoff, random: f64) -> NextAttempt {
        if !self.lets_connect() {
            return NextAttempt::NetworkBack;
        }
        let delay = if self.goes_on_without_end() {
            Some(backoff.next_delay_unbounded(random))
        } else {
            backoff.next_delay(random)
        };
        delay.map_or(NextAttempt::Never, |delay| NextAttempt::After(delay.max(self.delay_min())))
    }
}

/// Whoever knows how the network is: the platform, a probe, a test.
pub trait NetworkSource: Send + Sync + 'static {
    /// The status, now and whenever it changes. Asked once for each client; that the sender goes
    /// away means that nothing changes any more.
    fn watch(&self) -> watch::Receiver<NetworkStatus>;
}

impl NetworkSource for watch::Receiver<NetworkStatus> {
    fn watch(&self) -> watch::Receiver<NetworkStatus> {
        self.clone()
    }
}
