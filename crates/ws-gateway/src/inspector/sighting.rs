//! A sighting as JSON: a line of a trace.

use serde_json::{Value, json};
use ws_handler::{Direction, Outline, Payload, Sighting, What};

use crate::report::milliseconds;

/// What was seen, with what it was, when, and whose.
pub(crate) fn shown(sighting: &Sighting) -> Value {
    let mut line = match &sighting.what {
        What::Opened { agent } => json!({ "type": "opened", "agent": agent.as_deref() }),
        What::Text { direction, bytes, outline, payload } => {
            text(*direction, *bytes, outline, payload)
        }
        What::Binary { direction, bytes } => {
            let mut line = frame(*direction, "binary");
            line["bytes"] = (*bytes).into();
            line
        }
        What::Ping { direction } => frame(*direction, "ping"),
        What::Pong { round_trip } => {
            let mut line = frame(Direction::In, "pong");
            if let Some(round_trip) = round_trip {
                line["roundTripMs"] = milliseconds(*round_trip).into();
            }
            line
        }
        What::Close { direction, code, reason } => {
            let mut line = frame(*direction, "close");
            line["code"] = (*code).into();
            line["reason"] = (&**reason).into();
            line
        }
        What::Failed { rule, code } => {
            json!({ "type": "failed", "rule": rule, "code": code.u16() })
        }
        What::Ended { reason, end, lived_ms } => json!({
            "type": "ended",
            "reason": reason.label(),
            "code": end.cause.close_code(),
            "livedMs": lived_ms,
        }),
    };
    line["at"] = sighting.at_ms.into();
    line["connection"] = sighting.connection.to_string().into();
    line["userId"] = sighting.user.as_deref().into();
    line["address"] = sighting.address.to_string().into();
    line
}

fn frame(direction: Direction, kind: &str) -> Value {
    let direction = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    json!({ "type": "frame", "direction": direction, "frame": kind })
}

fn text(direction: Direction, bytes: usize, outline: &Outline, payload: &Payload) -> Value {
    let mut line = frame(direction, "text");
    line["bytes"] = bytes.into();
    let Outline { kind, channel, event, id, code, is_unreadable } = outline;
    for (name, text) in [("message", kind), ("channel", channel), ("event", event), ("code", code)]
    {
        if let Some(text) = text {
            line[name] = (&**text).into();
        }
    }
    if let Some(id) = id {
        // One that was cut is no JSON any more, and is told as the text that it is.
        line["id"] = serde_json::from_str(id).unwrap_or_else(|_| (&**id).into());
    }
    if *is_unreadable {
        line["unreadable"] = true.into();
    }
    match payload {
        Payload::Withheld => {}
        Payload::Secret => line["secret"] = true.into(),
        Payload::Text { text, is_cut } => {
            line["payload"] = (&**text).into();
            if *is_cut {
                line["cut"] = true.into();
            }
        }
    }
    line
}
