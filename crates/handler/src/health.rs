//! How the connections are, as `/health` tells it.

use std::time::Duration;

use crate::registry::Registry;

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
