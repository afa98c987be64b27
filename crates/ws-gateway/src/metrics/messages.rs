//! What comes and goes, and what compression makes of it.

use std::fmt;

use ws_handler::Application;

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn messages(&self, page: &mut Page<'_>) -> fmt::Result {
        let traffic = self.handler.meter().traffic();
        page.counter("ws_received_bytes_total", "Bytes read from sockets", traffic.bytes_received)?;
        page.counter("ws_sent_bytes_total", "Bytes written to sockets", traffic.bytes_sent)?;
        page.counter(
            "ws_frames_received_total",
            "Frames of any kind received",
            traffic.frames_received,
        )?;
        page.counter("ws_socket_writes_total", "Writes to sockets", traffic.writes)?;
        let sizes = self.handler.config().validator.stats();
        page.counter(
            "ws_messages_received_bytes_total",
            "Bytes of messages received, inflated",
            sizes.bytes,
        )?;
        page.counter(
            "ws_messages_large_total",
            "Messages above the warning threshold",
            sizes.warnings,
        )?;
        page.counter("ws_messages_too_large_total", "Messages above the limit", sizes.violations)?;
        page.gauge(
            "ws_message_largest_bytes",
            "The largest message received",
            sizes.largest as usize,
        )
    }

    pub(super) fn compression(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.config().compression.stats();
        let input =
            [("deflate", stats.compressed_bytes_before), ("inflate", stats.inflated_bytes_before)];
        let output =
            [("deflate", stats.compressed_bytes_after), ("inflate", stats.inflated_bytes_after)];
        let before = "Bytes that went into deflate or inflate";
        let after = "Bytes that came out of it";
        page.counters("ws_compression_input_bytes_total", before, "direction", &input)?;
        page.counters("ws_compression_output_bytes_total", after, "direction", &output)?;
        let messages =
            [("deflate", stats.compressed_messages), ("inflate", stats.inflated_messages)];
        page.counters(
            "ws_compression_messages_total",
            "Messages compressed",
            "direction",
            &messages,
        )?;
        let plain = [
            ("small", stats.plain_small_messages),
            ("incompressible", stats.plain_incompressible_messages),
            ("error", stats.deflate_errors),
        ];
        page.counters("ws_compression_skipped_total", "Messages sent plain", "reason", &plain)?;
        let errors = [
            ("deflate", stats.deflate_errors),
            ("inflate", stats.inflate_errors),
            ("too_large", stats.inflate_too_large),
        ];
        page.counters("ws_compression_errors_total", "Failures of compression", "kind", &errors)?;
        let refused = stats.takeover_refused;
        page.counter(
            "ws_compression_takeover_refused_total",
            "Takeovers beyond the budget",
            refused,
        )?;
        let takeover = "Memory of context takeover";
        page.gauge("ws_compression_takeover_bytes", takeover, stats.takeover_bytes)?;
        page.gauge("ws_compression_pool_bytes", "Memory of pooled contexts", stats.pool_bytes)
    }
}
