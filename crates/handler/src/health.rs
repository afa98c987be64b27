//! How the connections are, as `/health` tells it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::registry::Registry;

/// So many times what a look took has to pass before the next.
const LOOK_PAUSE: u32 = 20;

/// A look at all connections. It takes each shard's lock once: some milliseconds for a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Connections that are open.
    pub active_connections: usize,
    /// Those with no overdue ping.
    pub healthy_connections: usize,
    /// Those that have missed a pong.
    pub unhealthy_connections: usize,
    /// Those that we have started to close.
    pub closing_connections: usize,
    /// Users with at least one connection.
    pub online_users: usize,
    /// The mean of their last round trips, over those that have one.
    pub average_latency: Option<Duration>,
}

impl Health {
    pub(crate) fn of(registry: &Registry) -> Self {
        let (mut active, mut healthy, mut closing) = (0, 0, 0);
        let (mut measured, mut sum) = (0, Duration::ZERO);
        registry.for_each(|client| {
            active += 1;
            healthy += usize::from(client.is_healthy());
            closing += usize::from(client.is_closing());
            if let Some(latency) = client.latency() {
                measured += 1;
                sum += latency;
            }
        });
        Self {
            active_connections: active,
            healthy_connections: healthy,
            unhealthy_connections: active - healthy,
            closing_connections: closing,
            online_users: registry.user_count(),
            average_latency: (measured > 0).then(|| sum / measured),
        }
    }
}

/// The last look, for those who ask often: a million connections are not walked for each of them.
#[derive(Debug, Default)]
pub(crate) struct RecentHealth(Mutex<Option<Look>>);

#[derive(Debug)]
struct Look {
    health: Health,
    good_until: Instant,
}

impl RecentHealth {
    /// The last look while it is good, or a new one. Looking takes a twentieth of the time at most,
    /// whoever asks how often: that of a thousand connections is good for less than a millisecond.
    pub(crate) fn get(&self, now: impl Fn() -> Instant, look: impl FnOnce() -> Health) -> Health {
        let mut last = self.0.lock();
        let started = now();
        if let Some(last) = &*last
            && started < last.good_until
        {
            return last.health;
        }
        let health = look();
        let ended = now();
        let good_until = ended + ended.saturating_duration_since(started) * LOOK_PAUSE;
        *last = Some(Look { health, good_until });
        health
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn looking_takes_a_twentieth_of_the_time_at_most() {
        let clock = Cell::new(tokio::time::Instant::now().into_std());
        let recent = RecentHealth::default();
        let looks = Cell::new(0);
        let look = |took: Duration| {
            let health = recent.get(
                || clock.get(),
                || {
                    clock.set(clock.get() + took);
                    looks.set(looks.get() + 1);
                    Health { active_connections: looks.get(), ..Health::default() }
                },
            );
            health.active_connections
        };
        let took = Duration::from_millis(50);
        assert_eq!((look(took), look(took)), (1, 1), "a second look is the first");
        clock.set(clock.get() + took * LOOK_PAUSE - Duration::from_nanos(1));
        assert_eq!(look(took), 1);
        clock.set(clock.get() + Duration::from_nanos(1));
        assert_eq!(look(Duration::ZERO), 2);
        assert_eq!(look(Duration::ZERO), 3, "what costs nothing is not kept");
    }
}
