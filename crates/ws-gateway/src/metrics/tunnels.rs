//! Tunnels, and what went through them.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use ws_tunnel::Tunnels;

use super::page::Page;

/// Registered beside the others where there are tunnels.
#[derive(Debug)]
pub(super) struct TunnelSnapshots(pub(super) Tunnels);

impl Collector for TunnelSnapshots {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::of(encoder);
        let stats = self.0.stats();
        page.gauge("ws_tunnels", "Tunnels that there are", stats.open)?;
        page.counter("ws_tunnels_opened_total", "Tunnels that were granted", stats.opened)?;
        let bytes = [("to_target", stats.bytes_to_targets), ("to_client", stats.bytes_to_clients)];
        page.counters(
            "ws_tunnel_bytes_total",
            "Bytes that went through tunnels",
            "direction",
            &bytes,
        )?;
        page.counters(
            "ws_tunnel_refusals_total",
            "Tunnels that were not granted",
            "cause",
            &stats.refusals,
        )?;
        page.counters("ws_tunnel_ends_total", "Tunnels that have ended", "cause", &stats.ends)
    }
}
