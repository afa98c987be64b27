//! What `/health` and `/stats` say, and what the API and the console say of a connection.

use serde_json::{Map, Value, json};
use ws_broker::Status;
use ws_handler::{Application, ChannelStats, Client, HandlerStats, PastEnd, WebSocketHandler};

use crate::metered::{Call, EngineCounts};

/// The health of the gateway and its connections.
pub(crate) fn health<A: Application>(handler: &WebSocketHandler<A>) -> Value {
    let health = handler.recent_health();
    let engine = &handler.config().engine;
    // Who runs a server looks for it by its name; what is within the process needs none.
    let name = match engine.kind() {
        name @ ("redis" | "nats") => name,
        _ => "broker",
    };
    let state = if engine.status() == Status::Up { "ok" } else { "down" };
    json!({
        "status": if handler.is_draining() { "draining" } else { "ok" },
        "connections": health.active_connections,
        "online_users": health.online_users,
        name: state,
        "healthyConnections": health.healthy_connections,
        "unhealthyConnections": health.unhealthy_connections,
        "averageLatency": health.average_latency.map(milliseconds),
    })
}

/// A connection, as back-ends and those who look through the console see it.
pub(crate) fn connection(client: &Client) -> Value {
    json!({
        "id": client.id().to_string(),
        "userId": client.user_id().as_deref(),
        "address": client.address(),
        "connectedAt": client.connected_at_ms(),
        "healthy": client.is_healthy(),
        "closing": client.is_closing(),
        "latencyMs": client.latency().map(milliseconds),
    })
}

/// How a connection ended, as the same see it.
pub(crate) fn end(end: &PastEnd) -> Value {
    json!({
        "connectionId": end.connection.to_string(),
        "address": end.address,
        "reason": end.reason.label(),
        "code": end.code,
        "rule": end.rule,
        "connectedAt": end.connected_at_ms,
        "endedAt": end.ended_at_ms,
        "livedMs": end.ended_at_ms - end.connected_at_ms,
        "latencyMs": end.latency.map(milliseconds),
        "silentMs": end.silent_for.map(milliseconds),
        "queuedBytes": end.queued_bytes,
    })
}

/// What limits on messages and connects have decided.
fn rate_limits<A: Application>(handler: &WebSocketHandler<A>, messages_dropped: u64) -> Value {
    let limits = handler.policy().limits.clone();
    let limiter = |stats: ws_rate_limiter::LimiterStats| {
        json!({ "allowed": stats.allowed, "denied": stats.denied,
                "shadowed": stats.shadowed, "evicted": stats.evicted, "keys": stats.keys })
    };
    json!({
        "messages_dropped": messages_dropped,
        "messages": limits.messages.map(|messages| limiter(messages.stats())),
        "connects": limits.connects.map(|connects| limiter(connects.stats())),
        "cluster": limits.cluster.map(|cluster| leases(&cluster)),
    })
}

/// What was decided for all nodes together, by limiter.
fn leases(cluster: &ws_handler::ClusterLimits) -> Value {
    let one = |(name, stats): (&'static str, ws_rate_limiter::LeaseStats)| {
        let stats = json!({ "allowed": stats.allowed, "denied": stats.denied,
                            "shadowed": stats.shadowed, "alone": stats.alone,
                            "settled": stats.settled, "failed": stats.failed,
                            "evicted": stats.evicted, "keys": stats.keys });
        (name.to_owned(), stats)
    };
    Value::Object(cluster.stats().map(one).collect())
}

/// The statistics of every component.
pub(crate) fn stats<A: Application>(handler: &WebSocketHandler<A>, engine: &EngineCounts) -> Value {
    let stats = handler.stats();
    let compression = handler.config().compression.stats();
    let sizes = handler.config().validator.stats();
    let auth = handler.authenticator().stats();
    let channels = handler.channel_stats();
    let traffic = handler.meter().traffic();
    json!({
        "total_connections": stats.connections,
        "online_users": stats.online_users,
        "total_rooms": channels.rooms,
        "pending_authentications": stats.pending_authentications,
        "traffic": {
            "bytes_received": traffic.bytes_received,
            "bytes_sent": traffic.bytes_sent,
            "frames_received": traffic.frames_received,
            "writes": traffic.writes,
        },
        "messages": pairs(&stats.messages),
        "errors": pairs(&stats.errors),
        "rejections": pairs(&stats.rejections),
        "ends": pairs(&stats.ends),
        "abnormal_ends": abnormal_ends(&stats),
        "rate_limits": rate_limits(handler, stats.rate_limited),
        "heartbeat": {
            "pings": stats.pings,
            "pongs": stats.round_trips.count,
            "average_latency_ms": (stats.round_trips.count > 0).then(|| {
                milliseconds(stats.round_trips.sum) / stats.round_trips.count as f64
            }),
        },
        "channels": channels_block(&channels),
        "broker": broker_block(handler, engine),
        "compression": {
            "compressed_messages": compression.compressed_messages,
            "bytes_before": compression.compressed_bytes_before,
            "bytes_after": compression.compressed_bytes_after,
            "ratio_percent": compression.ratio_percent(),
            "average_bytes_saved": compression.average_bytes_saved(),
            "errors": compression.deflate_errors + compression.inflate_errors,
            "summary": compression.to_string(),
        },
        "frame_sizes": {
            "messages": sizes.frames,
            "bytes": sizes.bytes,
            "largest": sizes.largest,
            "average": sizes.average(),
            "warnings": sizes.warnings,
            "violations": sizes.violations,
            "summary": handler.config().validator.summary().to_string(),
        },
        "auth": {
            "verified": auth.verified,
            "cache_hits": auth.cache_hits,
            "cached_tokens": auth.cached_tokens,
            "refused": pairs(&auth.refused),
            "key_fetches": auth.fetches,
            "key_fetch_failures": auth.fetch_failures,
        },
    })
}

/// Connections that nobody closed, and who is suspected of that.
fn abnormal_ends(stats: &HandlerStats) -> Value {
    let (ages, suspect) = (&stats.break_ages, stats.suspect);
    json!({
        "count": ages.count,
        "average_age_ms": (ages.count > 0).then(|| milliseconds(ages.sum) / ages.count as f64),
        "suspect": suspect.map(|suspect| json!({
            "sentence": suspect.to_string(),
            "culprit": suspect.culprit.label(),
            "after_ms": milliseconds(suspect.after),
            "within_ms": milliseconds(suspect.within),
            "percent": suspect.percent(),
        })),
    })
}

fn channels_block(stats: &ChannelStats) -> Value {
    json!({
        "channels": stats.channels,
        "subscriptions": stats.subscriptions,
        "channels_with_presence": stats.channels_with_presence,
        "present_users": stats.present,
        "absent_users": stats.absent,
        "remembered_events": stats.remembered_events,
        "typed_connections": stats.typed_connections,
        "events": pairs(&stats.counts),
    })
}

fn broker_block<A: Application>(handler: &WebSocketHandler<A>, counts: &EngineCounts) -> Value {
    let engine = &handler.config().engine;
    let (status, reason) = match engine.status() {
        Status::Starting => ("starting", None),
        Status::Up => ("up", None),
        Status::Down(reason) => ("down", Some(reason)),
    };
    json!({
        "engine": engine.kind(),
        "status": status,
        "reason": reason.as_deref(),
        "publishes": pairs(&counts.outcomes(Call::Publish)),
        "appends": pairs(&counts.outcomes(Call::Append)),
        "errors": pairs(&counts.failures()),
        "received": pairs(&counts.received()),
        "pending": counts.pending(),
        "reconnects": counts.reconnects(),
    })
}

/// Only what has happened: a list of zeros hides what is not zero.
pub(crate) fn pairs(counts: &[(&'static str, u64)]) -> Value {
    let counted = counts.iter().filter(|(_, count)| *count > 0);
    Value::Object(
        counted.map(|(label, count)| ((*label).to_owned(), (*count).into())).collect::<Map<_, _>>(),
    )
}

pub(crate) fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
