//! Prometheus metrics of every component, read when they are asked for.
//!
//! Components count for themselves, each in the way that costs its path nothing; this collector
//! turns their snapshots into the text format. Names follow Prometheus' conventions, and label sets
//! are closed: nothing that a client sends becomes a label.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use ws_broker::Status;
use ws_handler::{Application, Histogram, WebSocketHandler};

use crate::{
    metered::{Call, EngineCounts},
    outcomes::Outcomes,
};

/// The metrics of one gateway.
pub struct Metrics<A> {
    registry: Registry,
    engine: Arc<EngineCounts>,
    marker: std::marker::PhantomData<fn() -> A>,
}

impl<A> fmt::Debug for Metrics<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl<A: Application> Metrics<A> {
    /// Metrics over what the handler, its upstream and its engine count.
    pub fn new(
        handler: WebSocketHandler<A>,
        outcomes: Arc<Outcomes>,
        engine: Arc<EngineCounts>,
    ) -> Self {
        let mut registry = Registry::with_prefix("ws");
        registry.register_collector(Box::new(Snapshots {
            handler,
            outcomes,
            engine: engine.clone(),
        }));
        Self { registry, engine, marker: std::marker::PhantomData }
    }

    /// What the engine did.
    pub(crate) fn engine(&self) -> &EngineCounts {
        &self.engine
    }

    /// The text that Prometheus scrapes.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

struct Snapshots<A> {
    handler: WebSocketHandler<A>,
    outcomes: Arc<Outcomes>,
    engine: Arc<EngineCounts>,
}

impl<A> fmt::Debug for Snapshots<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").finish_non_exhaustive()
    }
}

impl<A: Application> Collector for Snapshots<A> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder };
        self.connections(&mut page)?;
        self.messages(&mut page)?;
        self.compression(&mut page)?;
        self.limits(&mut page)?;
        self.auth(&mut page)?;
        self.channels(&mut page)?;
        self.engine(&mut page)?;
        let outcomes: Vec<_> = self.outcomes.totals().collect();
        page.counters(
            "upstream_requests",
            "Requests by what became of them",
            "outcome",
            &outcomes,
        )?;
        let api: Vec<_> = self.outcomes.api_totals().collect();
        page.counters("api_requests", "Requests of back-ends by their answers", "outcome", &api)?;
        let bridges: Vec<_> = self.outcomes.bridge_totals().collect();
        page.counters("bridges", "Messages at bridges to NATS", "outcome", &bridges)?;
        let visits: Vec<_> = self.outcomes.visit_totals().collect();
        page.counters("console_visits", "Who wanted to look, by the answer", "outcome", &visits)?;
        page.hooks(&self.outcomes.hook_totals())
    }
}

impl<A: Application> Snapshots<A> {
    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.stats();
        page.gauge("connections", "Connections that are open", stats.connections)?;
        page.gauge("online_users", "Users with at least one connection", stats.online_users)?;
        let pending = stats.pending_authentications;
        page.gauge("pending_authentications", "Connections that have not authenticated", pending)?;
        let health = self.handler.recent_health();
        let unhealthy = health.unhealthy_connections;
        page.gauge("unhealthy_connections", "Connections that have missed a pong", unhealthy)?;
        page.gauge("closing", "Connections that are being closed", health.closing_connections)?;
        let draining = usize::from(self.handler.is_draining());
        page.gauge("draining", "1 while the gateway is on its way out", draining)?;
        page.counters("rejections", "Upgrades refused", "cause", &stats.rejections)?;
        page.counters("ends", "Connections that ended", "cause", &stats.ends)?;
        page.counter("heartbeat_pings", "Pings sent to silent peers", stats.pings)?;
        page.histogram("heartbeat_round_trip", "Round trips of pings", &stats.round_trips)?;
        page.counters("messages", "Messages received and understood", "type", &stats.messages)?;
        page.counters("errors", "Errors sent to clients", "code", &stats.errors)?;
        page.counter("rate_limited", "Messages dropped by the rate limit", stats.rate_limited)
    }

    fn messages(&self, page: &mut Page<'_>) -> fmt::Result {
        let traffic = self.handler.meter().traffic();
        page.counter("received_bytes", "Bytes read from sockets", traffic.bytes_received)?;
        page.counter("sent_bytes", "Bytes written to sockets", traffic.bytes_sent)?;
        page.counter("frames_received", "Frames of any kind received", traffic.frames_received)?;
        page.counter("writes", "Writes to sockets", traffic.writes)?;
        let sizes = self.handler.config().validator.stats();
        page.counter("message_bytes", "Bytes of messages received, inflated", sizes.bytes)?;
        page.counter("frames_large", "Messages above the warning threshold", sizes.warnings)?;
        page.counter("frames_refused", "Messages above the limit", sizes.violations)?;
        page.gauge("message_largest_bytes", "The largest message received", sizes.largest as usize)
    }

    fn compression(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.config().compression.stats();
        let bytes = [
            ("deflate_before", stats.compressed_bytes_before),
            ("deflate_after", stats.compressed_bytes_after),
            ("inflate_before", stats.inflated_bytes_before),
            ("inflate_after", stats.inflated_bytes_after),
        ];
        page.counters("compression_bytes", "Bytes into and out of deflate", "stage", &bytes)?;
        let messages =
            [("deflated", stats.compressed_messages), ("inflated", stats.inflated_messages)];
        page.counters("compression_messages", "Messages compressed", "direction", &messages)?;
        let plain = [
            ("small", stats.plain_small_messages),
            ("incompressible", stats.plain_incompressible_messages),
            ("error", stats.deflate_errors),
        ];
        page.counters("compression_plain", "Messages sent plain", "reason", &plain)?;
        let errors = [
            ("deflate", stats.deflate_errors),
            ("inflate", stats.inflate_errors),
            ("too_large", stats.inflate_too_large),
        ];
        page.counters("compression_errors", "Failures of compression", "kind", &errors)?;
        let refused = stats.takeover_refused;
        page.counter("compression_takeover_refused", "Takeovers beyond the budget", refused)?;
        let takeover = "Memory of context takeover";
        page.gauge("compression_takeover_bytes", takeover, stats.takeover_bytes)?;
        page.gauge("compression_pool_bytes", "Memory of pooled contexts", stats.pool_bytes)
    }

    fn limits(&self, page: &mut Page<'_>) -> fmt::Result {
        let limits = &self.handler.config().limits;
        let connects = limits.connects.as_ref().map(ws_rate_limiter::KeyedLimiter::stats);
        let messages = limits.messages.as_ref().map(ws_rate_limiter::TieredLimiter::stats);
        let all = [("connects", connects), ("messages", messages)];
        let each = |pick: fn(&ws_rate_limiter::LimiterStats) -> u64| -> Vec<_> {
            all.iter().filter_map(|(name, stats)| Some((*name, pick(stats.as_ref()?)))).collect()
        };
        let (denied, evicted) = (each(|it| it.denied), each(|it| it.evicted));
        let keys = each(|it| it.keys as u64);
        page.counters("limiter_denied", "Denials by a limiter", "limiter", &denied)?;
        page.counters("limiter_evicted", "Keys forgotten for want of room", "limiter", &evicted)?;
        page.gauges("limiter_keys", "Keys that a limiter remembers", "limiter", &keys)
    }

    fn auth(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.authenticator().stats();
        page.counter("tokens_verified", "Tokens whose signature was verified", stats.verified)?;
        page.counter("tokens_cached", "Tokens recognized without verifying", stats.cache_hits)?;
        page.counters("tokens_refused", "Tokens refused", "reason", &stats.refused)?;
        page.counter("key_fetches", "Fetches of an issuer's keys", stats.fetches)?;
        page.counter("key_fetch_failures", "Fetches that failed", stats.fetch_failures)?;
        page.gauge("token_cache_entries", "Tokens in the cache", stats.cached_tokens)
    }
}

impl<A: Application> Snapshots<A> {
    fn channels(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.channel_stats();
        page.gauge("channels", "Channels that somebody is subscribed to", stats.channels)?;
        page.gauge("channel_subscriptions", "Subscriptions", stats.subscriptions)?;
        page.gauge("channel_rooms", "Rooms in which somebody is", stats.rooms)?;
        let with_presence = "Channels in which somebody is known to be, rooms among them";
        page.gauge("channels_with_presence", with_presence, stats.channels_with_presence)?;
        page.gauge("channel_present_users", "Users present, in each channel once", stats.present)?;
        let absent = "Users whose connections are gone, and who may come back in time";
        page.gauge("channel_absent_users", absent, stats.absent)?;
        let remembered = "Events by which repetitions are recognized";
        page.gauge("channel_remembered_events", remembered, stats.remembered_events)?;
        let typed = "Connections at the path of a connection type with a limit";
        page.gauge("channel_typed_connections", typed, stats.typed_connections)?;
        page.counters("channel_events", "What happened in channels", "event", &stats.counts)
    }
}

impl<A: Application> Snapshots<A> {
    fn engine(&self, page: &mut Page<'_>) -> fmt::Result {
        let engine = &self.handler.config().engine;
        let up = [(engine.kind(), u64::from(engine.status() == Status::Up))];
        page.gauges("broker_up", "1 while the engine is reached", "engine", &up)?;
        let counts = &self.engine;
        let publishes = "Messages to other nodes, by what became of them";
        page.counters("broker_publishes", publishes, "outcome", &counts.outcomes(Call::Publish))?;
        let appends = "Messages to be kept, by what became of them";
        page.counters("broker_appends", appends, "outcome", &counts.outcomes(Call::Append))?;
        page.counters("broker_reads", "Reads of logs", "outcome", &counts.outcomes(Call::Read))?;
        let records = "Reads and changes of records, by what became of them";
        page.counters("broker_records", records, "outcome", &counts.outcomes(Call::Record))?;
        let follows = "Topics and logs that were to be followed, by what became of it";
        page.counters("broker_follows", follows, "outcome", &counts.outcomes(Call::Follow))?;
        page.counters("broker_errors", "Failed calls of the engine", "kind", &counts.failures())?;
        let received = "What came from the engine: messages of topics, entries of logs";
        page.counters("broker_received", received, "kind", &counts.received())?;
        page.gauge("broker_pending", "Calls whose answers are awaited", counts.pending())?;
        let reconnects = "How often the engine was back after it had been away";
        page.counter("broker_reconnects", reconnects, counts.reconnects())
    }
}

/// The page that is being written.
struct Page<'e> {
    encoder: DescriptorEncoder<'e>,
}

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.metric(name, help, None, &ConstCounter::new(count))
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.metric(name, help, None, &ConstGauge::new(value))
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: &[(&'static str, u64)],
    ) -> fmt::Result {
        self.family(name, help, label, counts, ConstCounter::new)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&'static str, u64)],
    ) -> fmt::Result {
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        self.family(name, help, label, values, gauge)
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&'static str, u64)],
        metric: impl Fn(u64) -> M,
    ) -> fmt::Result {
        let Some((_, first)) = values.first() else { return Ok(()) };
        let kind = metric(*first).metric_type();
        let mut encoder = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (value, count) in values {
            let labels: LabelPair = [(label, *value)];
            metric(*count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn hooks(&mut self, counts: &[(&'static str, &'static str, u64)]) -> fmt::Result {
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Hooks by what became of them";
        let mut encoder = self.encoder.encode_descriptor("hooks", help, None, kind)?;
        for (hook, outcome, count) in counts {
            let labels = [("hook", *hook), ("outcome", *outcome)];
            ConstCounter::new(*count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let buckets: Vec<(f64, u64)> =
            histogram.buckets.iter().map(|(bound, count)| (seconds(*bound), *count)).collect();
        let metric = ConstHistogram { sum: histogram.sum, count: histogram.count, buckets };
        self.metric(name, help, Some(&Unit::Seconds), &metric)
    }

    fn metric(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        let kind = metric.metric_type();
        metric.encode(self.encoder.encode_descriptor(name, help, unit, kind)?)
    }
}

type LabelPair = [(&'static str, &'static str); 1];

/// A histogram whose counts were made elsewhere.
#[derive(Debug)]
struct ConstHistogram {
    sum: Duration,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl EncodeMetric for ConstHistogram {
    fn encode(&self, mut encoder: prometheus_client::encoding::MetricEncoder<'_>) -> fmt::Result {
        let sum = self.sum.as_secs_f64();
        encoder.encode_histogram::<prometheus_client::encoding::NoLabelSet>(
            sum,
            self.count,
            &self.buckets,
            None,
        )
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        prometheus_client::metrics::MetricType::Histogram
    }
}

/// The last bucket takes everything; its bound is written as `+Inf`.
fn seconds(bound: Duration) -> f64 {
    if bound == Duration::MAX { f64::INFINITY } else { bound.as_secs_f64() }
}
