//! The order and the spellings of the fields of each message.

use serde_json::value::RawValue;

use super::writer::ObjectWriter;
use super::{ChannelMessage, MissedRange, ServerMessage, Session};
use crate::error_code::ErrorCode;
use crate::id::Id;

pub(super) fn encode(
    message: &ServerMessage<'_>,
    id: Option<Id<'_>>,
    timestamp_ms: u64,
    out: &mut Vec<u8>,
) {
    let mut object = ObjectWriter::start(message.type_name(), out);
    write_fields(message, &mut object);
    object.optional("id", id);
    object.field("timestamp", &timestamp_ms);
    object.finish();
}

fn write_fields(message: &ServerMessage<'_>, object: &mut ObjectWriter<'_>) {
    match message {
        ServerMessage::Connected { client_id, user_id, heartbeat_ms } => {
            object.field("clientId", client_id);
            object.optional("userId", *user_id);
            object.field("heartbeatMs", heartbeat_ms);
        }
        ServerMessage::Authenticated(session) => write_session(session, object),
        ServerMessage::Response { request_id, payload } => {
            object.field("requestId", request_id);
            object.field("payload", payload);
        }
        ServerMessage::Error { code, message, request_id, retry_after_ms } => {
            write_error(*code, message, object);
            object.optional("requestId", *request_id);
            object.optional("retryAfterMs", *retry_after_ms);
        }
        ServerMessage::Subscribed { channel, epoch, offset, recovered } => {
            object.field("channel", channel);
            object.optional("epoch", *epoch);
            object.optional("offset", *offset);
            object.optional("recovered", *recovered);
        }
        ServerMessage::Unsubscribed { channel } => object.field("channel", channel),
        ServerMessage::Message(message) => write_channel_message(message, object),
        ServerMessage::Ack { message_id, offset } => {
            object.optional("messageId", *message_id);
            object.optional("offset", *offset);
        }
        ServerMessage::UserJoined { user_id, room_id }
        | ServerMessage::UserLeft { user_id, room_id }
        | ServerMessage::Typing { user_id, room_id } => {
            object.field("user_id", user_id);
            object.field("room_id", room_id);
        }
        ServerMessage::RoomMessage { from, room_id, message, offset } => {
            object.field("from", from);
            write_room_message(room_id, message, *offset, object);
        }
        ServerMessage::Chat { from, message, message_id } => {
            object.field("from", from);
            object.field("message", message);
            object.field("messageId", message_id);
        }
        ServerMessage::Presence { channel, count, users } => {
            object.field("channel", channel);
            object.field("count", count);
            object.optional("users", *users);
        }
        ServerMessage::PresenceChange { channel, count, joined, joined_more, left, left_more } => {
            object.field("channel", channel);
            object.field("count", count);
            write_changes([joined, left], [*joined_more, *left_more], object);
        }
        ServerMessage::Pong | ServerMessage::Ping => {}
        ServerMessage::Gap { channel, dropped, range } => {
            object.field("channel", channel);
            object.field("dropped", dropped);
            write_range(range.as_ref(), object);
        }
        ServerMessage::TokenExpiring { expires_at } => object.field("expiresAt", expires_at),
        ServerMessage::Goodbye { reconnect_after_ms } => {
            object.field("reconnectAfterMs", reconnect_after_ms);
        }
    }
}

fn write_room_message(
    room_id: &str,
    message: &RawValue,
    offset: Option<u64>,
    object: &mut ObjectWriter<'_>,
) {
    object.field("room_id", room_id);
    object.field("message", message);
    object.optional("offset", offset);
}

fn write_session(session: &Session<'_>, object: &mut ObjectWriter<'_>) {
    let Session { user_id, session_id, available_channels, permissions, expires_at } = session;
    object.field("success", &true);
    object.field("userId", user_id);
    object.field("sessionId", session_id);
    object.field("availableChannels", available_channels);
    object.field("permissions", permissions);
    object.optional("expiresAt", *expires_at);
}

fn write_channel_message(message: &ChannelMessage<'_>, object: &mut ObjectWriter<'_>) {
    let ChannelMessage { channel, subject, event, data, from, offset, event_id, message_id } =
        message;
    object.optional("channel", *channel);
    object.optional("subject", *subject);
    object.optional("event", *event);
    object.field("data", data);
    object.optional("from", *from);
    object.optional("offset", *offset);
    object.optional("eventId", *event_id);
    object.optional("messageId", *message_id);
}

fn write_error(code: ErrorCode, message: &str, object: &mut ObjectWriter<'_>) {
    object.field("code", code.name());
    object.field("message", message);
}

fn write_changes(
    [joined, left]: [&[&str]; 2],
    [joined_more, left_more]: [u64; 2],
    object: &mut ObjectWriter<'_>,
) {
    object.field("joined", joined);
    object.field("left", left);
    object.optional("joinedMore", Some(joined_more).filter(|more| *more > 0));
    object.optional("leftMore", Some(left_more).filter(|more| *more > 0));
}

fn write_range(range: Option<&MissedRange<'_>>, object: &mut ObjectWriter<'_>) {
    let Some(MissedRange { epoch, from_offset, to_offset }) = range else { return };
    object.field("epoch", epoch);
    object.field("fromOffset", from_offset);
    object.field("toOffset", to_offset);
}
