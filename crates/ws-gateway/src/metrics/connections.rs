//! Who is connected, who came, who went.

use std::fmt;

use ws_handler::Application;

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.stats();
        page.gauge("ws_connections", "Connections that are open", stats.connections)?;
        page.gauge("ws_online_users", "Users with at least one connection", stats.online_users)?;
        let pending = stats.pending_authentications;
        page.gauge(
            "ws_connections_unauthenticated",
            "Connections that have not authenticated",
            pending,
        )?;
        let health = self.handler.recent_health();
        let unhealthy = health.unhealthy_connections;
        page.gauge("ws_connections_unhealthy", "Connections that have missed a pong", unhealthy)?;
        page.gauge(
            "ws_connections_closing",
            "Connections that are being closed",
            health.closing_connections,
        )?;
        let draining = usize::from(self.handler.is_draining());
        page.gauge("ws_draining", "1 while the gateway is on its way out", draining)?;
        page.counters(
            "ws_upgrade_rejections_total",
            "Upgrades refused",
            "reason",
            &stats.rejections,
        )?;
        page.counter("ws_heartbeat_pings_total", "Pings sent to silent peers", stats.pings)?;
        page.histogram(
            "ws_heartbeat_round_trip_seconds",
            "Round trips of pings",
            &stats.round_trips,
        )?;
        page.counters(
            "ws_messages_total",
            "Messages received and understood",
            "type",
            &stats.messages,
        )?;
        page.counters("ws_errors_total", "Errors sent to clients", "code", &stats.errors)?;
        page.counter(
            "ws_messages_rate_limited_total",
            "Messages dropped by the rate limit",
            stats.rate_limited,
        )
    }
}
