//! What a back-end may look at. Answers are bounded, and come page by page.

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};
use serde_json::{Value, json};
use ws_channels::ChannelName;
use ws_handler::{Application, ConnectionId, KeptMessage, WebSocketHandler};

use super::{
    Shared, answer,
    fault::Fault,
    orders::{channel_name, part},
    query::Query,
};
use crate::report;

/// How many of anything are listed at most, and how many unless it is said.
const LISTED_MAX: usize = 1000;
const LISTED: usize = 100;
/// As far as offsets go.
const OFFSET_MAX: usize = (1 << 53) - 1;
/// How many users of a channel are named at most.
const USERS_MAX: usize = 10_000;

pub(super) async fn channels<A: Application>(
    State(api): Shared<A>,
    query: RawQuery,
) -> Result<Response, Fault> {
    let query = Query::from(query);
    let limit = query.number("limit", LISTED, LISTED_MAX)?.max(1);
    let prefix = query.text("prefix").unwrap_or_default().to_owned();
    let after = query.text("after").map(ToOwned::to_owned);
    let look = move |handler: &WebSocketHandler<A>| {
        handler.channels_after(&prefix, after.as_deref(), limit + 1)
    };
    let mut found = api.look(look).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|channel| channel.name.as_str());
    let channels: Vec<_> = found
        .iter()
        .map(|channel| json!({ "channel": &*channel.name, "subscribers": channel.subscribers }))
        .collect();
    Ok(answer(&json!({ "channels": channels, "next": last })))
}

pub(super) async fn presence<A: Application>(
    State(api): Shared<A>,
    name: Result<Path<String>, PathRejection>,
    query: RawQuery,
) -> Result<Response, Fault> {
    let name = channel_name("the channel's name", &part("the channel's name", name)?)?;
    let named = api.handler.policy().presence_users_max.min(USERS_MAX);
    let users_max = Query::from(query).number("users", named, USERS_MAX)?;
    let presence = api.handler.presence_everywhere(&name, users_max).await;
    let users: Vec<&str> = presence.users.iter().map(|user| &**user).collect();
    // Somebody may have come between the two looks.
    let count = presence.count.max(users.len());
    Ok(answer(&json!({ "channel": &*name, "count": count, "users": users })))
}

pub(super) async fn history<A: Application>(
    State(api): Shared<A>,
    name: Result<Path<String>, PathRejection>,
    query: RawQuery,
) -> Result<Response, Fault> {
    let name = channel_name("the channel's name", &part("the channel's name", name)?)?;
    let query = Query::from(query);
    let limit = query.number("limit", LISTED, LISTED_MAX)?.max(1);
    let since = query.number("since", 0, OFFSET_MAX)?;
    let epoch = query.text("epoch");
    let found = api.handler.history(&name, since as u64, limit as u32).await;
    let page = found.map_err(|error| Fault::of_engine(&error))?;
    let page = page.ok_or_else(|| Fault::not_found("Nothing is kept of this channel"))?;
    let is_same = epoch.is_none_or(|epoch| epoch == page.head.epoch.to_string());
    let messages: Vec<Value> = page.messages.iter().map(kept).collect();
    Ok(answer(&json!({
        "channel": &*name,
        "epoch": page.head.epoch.to_string(),
        "offset": page.head.offset,
        // Offsets of another epoch say nothing about this one.
        "complete": page.is_complete && is_same,
        "messages": messages,
        "next": page.next,
    })))
}

fn kept(message: &KeptMessage) -> Value {
    let KeptMessage { offset, timestamp, event, from, event_id, data } = message;
    let mut body = json!({ "offset": offset, "timestamp": timestamp });
    for (name, text) in [("event", event), ("from", from), ("eventId", event_id)] {
        if let Some(text) = text {
            body[name] = (&**text).into();
        }
    }
    body["data"] = serde_json::from_str(data.get()).unwrap_or_default();
    body
}

pub(super) async fn connections<A: Application>(
    State(api): Shared<A>,
    query: RawQuery,
) -> Result<Response, Fault> {
    let query = Query::from(query);
    let limit = query.number("limit", LISTED, LISTED_MAX)?.max(1);
    let after = query.text("after").map(|text| connection_id("after", text)).transpose()?;
    let mut found = match query.text("user") {
        Some(user_id) => {
            let mut all = api.handler.connections_by_user_id(user_id);
            all.retain(|client| after.is_none_or(|after| client.id() > after));
            all.sort_unstable_by_key(|client| client.id());
            all
        }
        None => api.look(move |handler| handler.connections_after(after, limit + 1)).await?,
    };
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|client| client.id().to_string());
    let connections: Vec<_> = found.iter().map(|client| report::connection(client)).collect();
    Ok(answer(&json!({ "connections": connections, "next": last })))
}

pub(super) async fn connection<A: Application>(
    State(api): Shared<A>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let id = connection_id("the connection's id", &part("the connection's id", id)?)?;
    let found = api.handler.connection(id);
    let client = found.ok_or_else(|| Fault::not_found("There is no such connection"))?;
    let mut body = report::connection(&client);
    let channels = api.look(move |handler| handler.subscriptions_of(&client)).await?;
    body["channels"] = channels.iter().map(ChannelName::as_str).collect();
    Ok(answer(&body))
}

fn connection_id(name: &str, text: &str) -> Result<ConnectionId, Fault> {
    text.parse().map_err(|error| Fault::invalid(name, error))
}
