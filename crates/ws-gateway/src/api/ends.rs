//! How connections of a user ended: what is kept of those who are here, and of those who are gone.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use serde_json::{Value, json};
use ws_handler::{Application, PastEnd};

use super::{Shared, answer, fault::Fault, orders::part};
use crate::report::milliseconds;

pub(super) async fn of_user<A: Application>(
    State(api): Shared<A>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let user = part("the user's id", id)?;
    let ends: Vec<Value> = api.handler.ends_by_user_id(&user).iter().map(told).collect();
    Ok(answer(&json!({ "userId": user, "ends": ends })))
}

fn told(end: &PastEnd) -> Value {
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
