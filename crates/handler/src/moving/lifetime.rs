//! How old a connection may become.

use std::time::Duration;

use super::Moving;
use crate::client::{Client, ConnectionId};

/// What of the time is left to chance, so that those who came together do not go together.
const JITTER: f64 = 0.2;
/// In what part of the time all connections are looked at once.
const LOOKS: u32 = 20;

/// How old connections may become, and how old tunnels may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    connections: Option<Lifetime>,
    tunnels: Option<Lifetime>,
}

impl Lifetimes {
    pub(super) fn of(moving: &Moving) -> Self {
        Self {
            connections: moving.lifetime_max.map(Lifetime::new),
            tunnels: moving.tunnel_lifetime_max.map(Lifetime::new),
        }
    }

    /// The one that says how often to look; none: nobody becomes too old.
    pub(super) fn shortest(self) -> Option<Lifetime> {
        self.connections.into_iter().chain(self.tunnels).min_by_key(|it| it.max)
    }

    /// Whether it is to go.
    pub(super) fn is_over(self, client: &Client, now_ms: u64) -> bool {
        let lifetime = if client.is_tunnel() { self.tunnels } else { self.connections };
        lifetime.is_some_and(|it| it.is_over(client.id(), client.connected_at_ms(), now_ms))
    }
}

/// When each connection is to go.
///
/// It follows from when it came and from its name, which is random: nothing has to be kept for it, and no
/// timer. With chance and the time that a look takes, a connection goes between three quarters of the time
/// and the whole of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    max: Duration,
}

impl Lifetime {
    pub(super) fn new(max: Duration) -> Self {
        Self { max }
    }

    /// How long a look at all connections may take.
    pub(super) fn round(self) -> Duration {
        self.max / LOOKS
    }

    /// Whether a connection that came then is to go.
    pub(super) fn is_over(self, id: ConnectionId, connected_at_ms: u64, now_ms: u64) -> bool {
        let chance = (id.bits() as u32) as f64 / f64::from(u32::MAX);
        let latest = self.max.saturating_sub(self.round());
        let lives = latest.mul_f64(1.0 - JITTER * chance);
        u128::from(now_ms.saturating_sub(connected_at_ms)) >= lives.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_goes_in_the_last_quarter_of_the_time_and_each_at_another_moment() {
        let hour = Lifetime::new(Duration::from_secs(3600));
        let mut first = u64::MAX;
        let mut last = 0;
        for _ in 0..1000 {
            let id = ConnectionId::random();
            let goes = (0..3600).find(|secs| hour.is_over(id, 5000, 5000 + secs * 1000));
            let goes = goes.expect("within the hour");
            (first, last) = (first.min(goes), last.max(goes));
        }
        // With the time of a look, 180 s, the last is gone before the hour is over.
        assert!((2736..2800).contains(&first), "{first}");
        assert!((3350..=3420).contains(&last), "{last}");
        assert_eq!(hour.round(), Duration::from_secs(180));
    }

    #[test]
    fn a_clock_that_was_put_back_ends_nobody() {
        let id = ConnectionId::random();
        assert!(!Lifetime::new(Duration::from_secs(1)).is_over(id, 10_000, 0));
    }
}
