//! What a sample says. Counts are totals since the start: the page makes rates of them.

use std::time::Duration;

use serde_json::{Value, json};
use ws_broker::Status;
use ws_handler::{Application, ChannelStats, HandlerStats, Histogram};

use super::{Inner, process};
use crate::{
    metered::Call,
    report::{milliseconds, pairs},
};

impl<A: Application> Inner<A> {
    /// How things are now. Looks at the health of all connections, so not within the runtime.
    pub(super) fn sample(&self) -> Value {
        let (stats, channels) = (self.handler.stats(), self.handler.channel_stats());
        json!({
            "type": "sample",
            "at": self.now_ms(),
            "uptimeMs": u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "gauges": self.gauges(&stats, &channels),
            "counters": self.counters(&stats, &channels),
            "ends": pairs(&stats.ends),
            "suspect": stats.suspect.map(|suspect| suspect.to_string()),
            "rejections": pairs(&stats.rejections),
            "errors": pairs(&stats.errors),
            "messages": pairs(&stats.messages),
            "channel_events": pairs(&channels.counts),
            "round_trips": round_trips(&stats.round_trips),
            "broker": self.broker(),
        })
    }

    fn gauges(&self, stats: &HandlerStats, channels: &ChannelStats) -> Value {
        let health = self.handler.recent_health();
        let compression = self.handler.config().compression.stats();
        let mut gauges = json!({
            "connections": stats.connections,
            "online_users": stats.online_users,
            "pending": stats.pending_authentications,
            "unhealthy": health.unhealthy_connections,
            "closing": health.closing_connections,
            "draining": usize::from(self.handler.is_draining()),
            "latency_ms": health.average_latency.map(milliseconds),
            "rooms": channels.rooms,
            "channels": channels.channels,
            "subscriptions": channels.subscriptions,
            "present_users": channels.present,
            "absent_users": channels.absent,
            "compression_takeover_bytes": compression.takeover_bytes,
            "compression_pool_bytes": compression.pool_bytes,
            "viewers": self.viewers(),
        });
        if let Some(bytes) = process::resident_bytes() {
            gauges["memory_rss"] = bytes.into();
        }
        gauges
    }

    fn counters(&self, stats: &HandlerStats, channels: &ChannelStats) -> Value {
        let config = self.handler.config();
        let (traffic, sizes) = (self.handler.meter().traffic(), config.validator.stats());
        let compression = config.compression.stats();
        let in_channels = |label: &str| {
            channels.counts.iter().find(|(known, _)| *known == label).map_or(0, |(_, count)| *count)
        };
        let limits = self.handler.policy().limits.clone();
        let connects = limits.connects.as_ref().map_or(0, |it| it.stats().denied);
        let messages = limits.messages.as_ref().map_or(0, |it| it.stats().denied);
        let mut counters = json!({
            "messages_received": sizes.frames,
            // Those of channels: nobody counts answers and direct messages.
            "messages_delivered": in_channels("delivered"),
            "published": in_channels("published"),
            "message_bytes": sizes.bytes,
            "received_bytes": traffic.bytes_received,
            "sent_bytes": traffic.bytes_sent,
            "frames_received": traffic.frames_received,
            "writes": traffic.writes,
            "compression_before": compression.compressed_bytes_before,
            "compression_after": compression.compressed_bytes_after,
            "compressed_messages": compression.compressed_messages,
            "rate_limited": stats.rate_limited,
            "limiter_denied_connects": connects,
            "limiter_denied_messages": messages,
            "pings": stats.pings,
            "samples": self.sampling.lock().samples,
        });
        if let Some(micros) = process::processor_micros() {
            counters["cpu_us"] = micros.into();
        }
        counters
    }

    fn broker(&self) -> Value {
        let (engine, counts) = (&self.handler.config().engine, &self.engine);
        let status = engine.status();
        let reason = match &status {
            Status::Down(reason) => Some(&**reason),
            Status::Starting | Status::Up => None,
        };
        json!({
            "kind": engine.kind(),
            "up": status == Status::Up,
            "reason": reason,
            "pending": counts.pending(),
            "reconnects": counts.reconnects(),
            "publishes": pairs(&counts.outcomes(Call::Publish)),
            "appends": pairs(&counts.outcomes(Call::Append)),
            "reads": pairs(&counts.outcomes(Call::Read)),
            "errors": pairs(&counts.failures()),
            "received": pairs(&counts.received()),
        })
    }
}

/// Sums of buckets up to each bound, as Prometheus has them; the last one is for all.
fn round_trips(histogram: &Histogram) -> Value {
    let mut total = 0;
    let buckets = histogram.buckets.iter().map(|(bound, count)| {
        total += count;
        let bound = (*bound != Duration::MAX).then_some(bound.as_secs_f64());
        json!([bound, total])
    });
    let buckets: Vec<Value> = buckets.collect();
    json!({ "sum": histogram.sum.as_secs_f64(), "count": histogram.count, "buckets": buckets })
}
