//! What a back-end has done.

use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
};
use serde_json::{Value, json};
use ws_broker::Position;
use ws_channels::{ChannelKind, ChannelName};
use ws_close_manager::{Role, SendableCode};
use ws_handler::{Application, Kept, Publish, Reached, Sent};

use super::{
    Shared, answer,
    body::{self, Fields},
    fault::Fault,
};

/// What a client is told that is sent away for no given reason.
const REASON: &str = "Disconnected by the server";

pub(super) async fn publish<A: Application>(
    State(api): Shared<A>,
    request: Request,
) -> Result<Response, Fault> {
    let body = body::read(request, false).await?;
    let fields = Fields::of(&body)?;
    let channel = channel_name("channel", &fields.string("channel")?)?;
    let event = fields.optional_string("event")?;
    let event_id = fields.optional_string("eventId")?;
    let published = api.handler.publish_confirmed(&Publish {
        channel: &channel,
        event: event.as_deref(),
        data: fields.anything("data")?,
        event_id: event_id.as_deref(),
        from: None,
    });
    let published = published.await.map_err(|error| Fault::of_engine(&error))?;
    let mut body = json!({ "duplicate": published.duplicate });
    match published.position {
        // Who hears of it is known when it comes out of the log, which is not waited for.
        Some(Position { epoch, offset }) => {
            body["epoch"] = epoch.to_string().into();
            body["offset"] = offset.into();
        }
        None => body["receivers"] = published.receivers.into(),
    }
    Ok(answer(&body))
}

pub(super) async fn broadcast<A: Application>(
    State(api): Shared<A>,
    request: Request,
) -> Result<Response, Fault> {
    let body = body::read(request, false).await?;
    let fields = Fields::of(&body)?;
    let event = fields.optional_string("event")?;
    let reached =
        api.handler.broadcast_everywhere(event.as_deref(), fields.anything("data")?).await;
    Ok(answer(&told("receivers", reached)))
}

pub(super) async fn send<A: Application>(
    State(api): Shared<A>,
    user_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let user_id = part("the user's id", user_id)?;
    let body = body::read(request, false).await?;
    let fields = Fields::of(&body)?;
    let event = fields.optional_string("event")?;
    let data = fields.anything("data")?;
    let sent = api.handler.send_to_user_everywhere(&user_id, event.as_deref(), data).await;
    let Sent { connections, is_complete, kept } = sent;
    let mut body = told("receivers", Reached { connections, is_complete });
    match kept {
        Kept::InInbox => body["kept"] = true.into(),
        Kept::Full => return Err(Fault::INBOX_FULL),
        Kept::Unavailable => return Err(Fault::NOT_KEPT),
        Kept::NotNeeded | Kept::NotOffered => {}
    }
    Ok(answer(&body))
}

pub(super) async fn disconnect<A: Application>(
    State(api): Shared<A>,
    user_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let user_id = part("the user's id", user_id)?;
    let body = body::read(request, true).await?;
    // Nothing at all is as good as an object of nothing.
    let fields = Fields::of(if body.is_empty() { b"{}" } else { &body })?;
    let code = match fields.optional_code("code")? {
        None => SendableCode::POLICY,
        Some(code) => SendableCode::for_role(code, Role::Server)
            .map_err(|error| Fault::invalid("code", error))?,
    };
    let reason = fields.optional_string("reason")?;
    let reason = reason.as_deref().unwrap_or(REASON);
    let reached = api.handler.disconnect_user_everywhere(&user_id, code, reason).await;
    Ok(answer(&told("disconnected", reached)))
}

/// How many connections, on all gateways; and a word where not all of them have answered.
fn told(what: &str, reached: Reached) -> Value {
    let mut body = json!({ what: reached.connections });
    if !reached.is_complete {
        body["complete"] = false.into();
    }
    body
}

/// A channel that back-ends may speak of.
pub(super) fn channel_name(field: &str, name: &str) -> Result<ChannelName, Fault> {
    let name = ChannelName::new(name).map_err(|error| Fault::invalid(field, error))?;
    match name.kind() {
        ChannelKind::System => {
            Err(Fault::invalid(field, "what begins with $ is the gateway's own"))
        }
        ChannelKind::Plain | ChannelKind::Room | ChannelKind::User => Ok(name),
    }
}

/// A part of the path, percent-decoded.
pub(super) fn part(name: &str, part: Result<Path<String>, PathRejection>) -> Result<String, Fault> {
    let Path(text) =
        part.map_err(|_| Fault::invalid(name, "UTF-8 in percent-encoding is expected"))?;
    Ok(text)
}
