//! What the server says.

mod encode;
#[cfg(test)]
mod tests;
mod writer;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::error_code::ErrorCode;
use crate::id::Id;

/// Everything that the server can say. `Option`s that are `None` are left out.
///
/// [`encode`](Self::encode) adds to each the `id` that it answers, if there is one, and the `timestamp`.
#[derive(Debug, Clone)]
pub enum ServerMessage<'a> {
    /// `connected {clientId, userId?, heartbeatMs}`: the first message of every connection.
    Connected {
        /// The server's name for the connection.
        client_id: &'a str,
        /// Who it is, when that is known from the upgrade.
        user_id: Option<&'a str>,
        /// How often the server looks whether the client is alive; 0 if it does not.
        heartbeat_ms: u64,
    },
    /// `authenticated {success, userId, sessionId, availableChannels, permissions, expiresAt?}`, where
    /// `success` is always `true`.
    Authenticated(Session<'a>),
    /// `response {requestId, payload}`
    Response {
        /// As the request had it.
        request_id: Id<'a>,
        /// From the application.
        payload: &'a RawValue,
    },
    /// `error {code, message, requestId?, retryAfterMs?}`
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people; [`ErrorCode::sentence`] when there is nothing more exact to say.
        message: Cow<'a, str>,
        /// The request that failed.
        request_id: Option<Id<'a>>,
        /// How long to wait before the next attempt.
        retry_after_ms: Option<u64>,
    },
    /// `subscribed {channel, epoch?, offset?, recovered?}`
    Subscribed {
        /// Which channel.
        channel: &'a str,
        /// Which life of the channel's history the offset belongs to.
        epoch: Option<&'a str>,
        /// The last position there is.
        offset: Option<u64>,
        /// Whether all that was missed follows; only when it was asked for.
        recovered: Option<bool>,
    },
    /// `unsubscribed {channel}`
    Unsubscribed {
        /// Which channel.
        channel: &'a str,
    },
    /// `message {channel?, subject?, event?, data, from?, offset?, eventId?, messageId?}`
    Message(ChannelMessage<'a>),
    /// `ack {messageId?, offset?}`: what the `id` names was taken on.
    Ack {
        /// The name that the server gave it.
        message_id: Option<&'a str>,
        /// The place that it got in the channel's history.
        offset: Option<u64>,
    },
    /// `user_joined {user_id, room_id}`
    UserJoined {
        /// Who.
        user_id: &'a str,
        /// Which room.
        room_id: &'a str,
    },
    /// `user_left {user_id, room_id}`
    UserLeft {
        /// Who.
        user_id: &'a str,
        /// Which room.
        room_id: &'a str,
    },
    /// `room_message {from, room_id, message, offset?}`
    RoomMessage {
        /// Who says it.
        from: &'a str,
        /// Which room.
        room_id: &'a str,
        /// What is said.
        message: &'a RawValue,
        /// Its place in the room's history.
        offset: Option<u64>,
    },
    /// `chat {from, message, messageId}`
    Chat {
        /// Who says it.
        from: &'a str,
        /// What is said.
        message: &'a RawValue,
        /// What the client acks.
        message_id: &'a str,
    },
    /// `typing {user_id, room_id}`
    Typing {
        /// Who.
        user_id: &'a str,
        /// Which room.
        room_id: &'a str,
    },
    /// `presence {channel, count, users?}`
    Presence {
        /// Which channel.
        channel: &'a str,
        /// How many users there are.
        count: u64,
        /// Who they are.
        users: Option<&'a [&'a str]>,
    },
    /// `presence {channel, count, joined, left, joinedMore?, leftMore?}`: what has changed since the last
    /// one. A user who came and went in between is in neither list.
    PresenceChange {
        /// Which channel.
        channel: &'a str,
        /// How many users there are now.
        count: u64,
        /// Who came.
        joined: &'a [&'a str],
        /// How many more came than are named; left out when 0.
        joined_more: u64,
        /// Who left.
        left: &'a [&'a str],
        /// How many more left than are named; left out when 0.
        left_more: u64,
    },
    /// `pong`
    Pong,
    /// `ping`: for clients that cannot see control pings, when switched on.
    Ping,
    /// `gap {channel, dropped, epoch?, fromOffset?, toOffset?}`: the client was too slow.
    Gap {
        /// Which channel.
        channel: &'a str,
        /// How many messages were dropped; 0 if that is not known.
        dropped: u64,
        /// Which ones, in a channel with history.
        range: Option<MissedRange<'a>>,
    },
    /// `token_expiring {expiresAt}`
    TokenExpiring {
        /// When, in ms since 1970.
        expires_at: u64,
    },
    /// `goodbye {reconnectAfterMs}`: the connection is about to be closed; come back after a while.
    Goodbye {
        /// How long to wait first.
        reconnect_after_ms: u64,
    },
}

/// What an authenticated client is told about itself.
#[derive(Debug, Clone)]
pub struct Session<'a> {
    /// Who it is.
    pub user_id: &'a str,
    /// The session, to be named when it comes back.
    pub session_id: &'a str,
    /// What it may subscribe to, of what it asked for.
    pub available_channels: &'a [&'a str],
    /// What its token says it may do.
    pub permissions: &'a [&'a str],
    /// Until when, in ms since 1970; `None` if the token does not expire.
    pub expires_at: Option<u64>,
}

/// Something that was published in a channel, or that a back-end sends to a user or to everybody.
#[derive(Debug, Clone)]
pub struct ChannelMessage<'a> {
    /// Which channel; `None` when it came by none.
    pub channel: Option<&'a str>,
    /// The broker's subject that brought it, if one did.
    pub subject: Option<&'a str>,
    /// What kind of thing it is, within the channel.
    pub event: Option<&'a str>,
    /// The thing.
    pub data: &'a RawValue,
    /// Which user published it; `None` for a back-end.
    pub from: Option<&'a str>,
    /// Its place in the channel's history.
    pub offset: Option<u64>,
    /// The publisher's own name for it.
    pub event_id: Option<&'a str>,
    /// What the client acks, where it was kept for a user who was away.
    pub message_id: Option<&'a str>,
}

/// The messages that a slow client did not get, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedRange<'a> {
    /// Which life of the channel's history the offsets belong to.
    pub epoch: &'a str,
    /// The first.
    pub from_offset: u64,
    /// The last.
    pub to_offset: u64,
}

impl<'a> ServerMessage<'a> {
    /// An error with the sentence that its code stands for.
    pub fn error(code: ErrorCode) -> Self {
        Self::Error {
            code,
            message: Cow::Borrowed(code.sentence()),
            request_id: None,
            retry_after_ms: None,
        }
    }

    /// Appends the message to `out`: `type` first, then its fields, then the `id` that it answers, last the
    /// `timestamp`.
    ///
    /// What is appended is one JSON object, and UTF-8. Nothing is allocated when `out` has the capacity.
    pub fn encode(&self, id: Option<Id<'_>>, timestamp_ms: u64, out: &mut Vec<u8>) {
        encode::encode(self, id, timestamp_ms, out);
    }

    /// The spelling of `type`, also for metrics.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Authenticated(_) => "authenticated",
            Self::Response { .. } => "response",
            Self::Error { .. } => "error",
            Self::Subscribed { .. } => "subscribed",
            Self::Unsubscribed { .. } => "unsubscribed",
            Self::Message(_) => "message",
            Self::Ack { .. } => "ack",
            Self::UserJoined { .. } => "user_joined",
            Self::UserLeft { .. } => "user_left",
            Self::RoomMessage { .. } => "room_message",
            Self::Chat { .. } => "chat",
            Self::Typing { .. } => "typing",
            Self::Presence { .. } | Self::PresenceChange { .. } => "presence",
            Self::Pong => "pong",
            Self::Ping => "ping",
            Self::Gap { .. } => "gap",
            Self::TokenExpiring { .. } => "token_expiring",
            Self::Goodbye { .. } => "goodbye",
        }
    }
}
