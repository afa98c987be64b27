//! What is logged of a connection's life: who and where, never a token.

use ws_auth::AuthError;
use ws_channels::GrantError;
use ws_connection::{Cause, End, ProtocolError};
use ws_heartbeat::HeartbeatStats;
use ws_protocol::ErrorCode;

use crate::{client::Client, end_reason::EndReason};

pub(crate) fn connected(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "connected"
    );
}

pub(crate) fn authenticated(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "authenticated"
    );
}

pub(crate) fn token_refused(client: &Client, error: &AuthError) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        code = error.code(),
        reason = %error,
        "token refused"
    );
}

pub(crate) fn token_revoked(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "token revoked"
    );
}

pub(crate) fn too_many(client: &Client, user_id: &str) {
    tracing::info!(
        connection = %client.id(),
        user = user_id,
        address = %client.address(),
        "the user has too many connections"
    );
}

pub(crate) fn turned_out(client: &Client, code: ErrorCode, reason: &str) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        code = code.name(),
        reason,
        "not let in"
    );
}

pub(crate) fn replaced(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "makes way for another connection"
    );
}

pub(crate) fn unusable_channels(client: &Client, error: &GrantError) {
    tracing::warn!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        reason = %error,
        "the token opens no channel"
    );
}

pub(crate) fn user_mismatch(client: &Client) {
    tracing::warn!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "a refreshed token belongs to another user"
    );
}

pub(crate) fn rate_limited(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "messages above the rate limit are dropped"
    );
}

pub(crate) fn rate_limit_abuse(client: &Client) {
    tracing::warn!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "closed for keeping on above the rate limit"
    );
}

pub(crate) fn large_message(client: &Client, bytes: usize, bytes_max: u64) {
    tracing::warn!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        bytes,
        bytes_max,
        "large message"
    );
}

pub(crate) fn protocol_violation(client: &Client, error: &ProtocolError) {
    tracing::warn!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        code = error.label(),
        reason = %error,
        "protocol violation"
    );
}

pub(crate) fn auth_timeout(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        address = %client.address(),
        "no authentication in time"
    );
}

pub(crate) fn token_expired(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "token expired"
    );
}

pub(crate) fn slow_consumer(client: &Client) {
    tracing::warn!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        queued_bytes = client.outbox().queued_bytes(),
        "slow consumer"
    );
}

pub(crate) fn idle(client: &Client) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        "idle timeout"
    );
}

pub(crate) fn dead(client: &Client, stats: Option<HeartbeatStats>) {
    tracing::warn!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        missed_pongs = stats.map(|stats| stats.missed_in_a_row),
        silent_ms = stats.map(|stats| stats.silent_for.as_millis() as u64),
        last_latency_us = client.latency().map(|latency| latency.as_micros() as u64),
        "heartbeat timeout"
    );
}

pub(crate) fn tunnel_opened(client: &Client, target: &str) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        target,
        "tunnel opened"
    );
}

pub(crate) fn tunnel_refused(client: &Client, target: &str, reason: &str) {
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        target,
        reason,
        "tunnel refused"
    );
}

/// What does not apply is left out.
pub(crate) fn disconnected(client: &Client, reason: EndReason, end: &End, lived_ms: u64) {
    let (rule, error) = match end.cause {
        Cause::Protocol(error) => (Some(error.label()), None),
        Cause::Io(kind) => (None, Some(tracing::field::display(kind))),
        _ => (None, None),
    };
    // Of whoever said goodbye it says nothing.
    let silent_for = end.silent_for.filter(|_| reason.is_abnormal());
    let queued_bytes = client.outbox().queued_bytes();
    tracing::info!(
        connection = %client.id(),
        user = client.user_id().as_deref(),
        address = %client.address(),
        reason = reason.label(),
        code = end.cause.close_code(),
        rule,
        error,
        last_latency_us = client.latency().map(|latency| latency.as_micros() as u64),
        silent_ms = silent_for.map(|silence| silence.as_millis() as u64),
        queued_bytes = (queued_bytes > 0).then_some(queued_bytes),
        acknowledged = end.acknowledged,
        lived_ms,
        "disconnected"
    );
}
