//! What clients say.

mod fields;
mod parse;
mod strings;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use serde_json::value::RawValue;

use crate::error::ParseError;
use crate::id::{Correlation, Id};
use crate::token::Token;
use crate::vocabulary::ClientType;

/// A message as it came in: what every message may carry, and what it says.
#[derive(Debug, Clone)]
pub struct Incoming<'a> {
    /// What the answer is to carry as its `id`.
    pub id: Option<Id<'a>>,
    /// The trace that it belongs to, as it was written: a `traceparent` of W3C Trace Context, if it is one.
    pub traceparent: Option<Cow<'a, str>>,
    /// What the client says.
    pub message: ClientMessage<'a>,
}

/// Everything that a client can say. Payloads are borrowed from the text and have not been looked into,
/// beyond that they are JSON.
#[derive(Debug, Clone)]
pub enum ClientMessage<'a> {
    /// `auth {token}`, or an object without `type`: `{token, sessionId?, channels?}`.
    Auth(Auth<'a>),
    /// `request {requestId, payload}`
    Request {
        /// What the response is to carry.
        request_id: Id<'a>,
        /// For the application.
        payload: &'a RawValue,
    },
    /// `subscribe {channel, since?, presence?}`
    Subscribe {
        /// Which channel.
        channel: Cow<'a, str>,
        /// Where the client left off, when it wants what it missed.
        since: Option<Position<'a>>,
        /// Whether it wants to be told who comes and goes; `false` when it does not say.
        presence: bool,
    },
    /// `unsubscribe {channel}`
    Unsubscribe {
        /// Which channel.
        channel: Cow<'a, str>,
    },
    /// `publish {channel, event?, data, eventId?}`
    Publish(Publication<'a>),
    /// `join_room {payload: {room_id}}`
    JoinRoom {
        /// Which room.
        room_id: Cow<'a, str>,
    },
    /// `leave_room {payload: {room_id}}`
    LeaveRoom {
        /// Which room.
        room_id: Cow<'a, str>,
    },
    /// `room_message {payload: {room_id, message}}`
    RoomMessage {
        /// Which room.
        room_id: Cow<'a, str>,
        /// What is said; the sources send strings, and any JSON will do.
        message: &'a RawValue,
    },
    /// `chat {payload: {to, message}}`
    Chat {
        /// Which user.
        to: Cow<'a, str>,
        /// What is said; the sources send strings, and any JSON will do.
        message: &'a RawValue,
    },
    /// `typing {payload: {room_id}}`
    Typing {
        /// Which room.
        room_id: Cow<'a, str>,
    },
    /// `presence {channel}`
    Presence {
        /// Which channel.
        channel: Cow<'a, str>,
    },
    /// `ack {messageId}`
    Ack {
        /// The id that the message came with.
        message_id: Cow<'a, str>,
    },
    /// `ping`
    Ping,
    /// `pong`
    Pong,
    /// `heartbeat`
    Heartbeat,
    /// A `type` that is none of the vocabulary: only from [`ClientMessage::parse_open`].
    Custom(Custom<'a>),
}

/// A credential, and what the client wants to do with it.
#[derive(Debug, Clone)]
pub struct Auth<'a> {
    /// The credential.
    pub token: Token<'a>,
    /// The session to go on with.
    pub session_id: Option<Cow<'a, str>>,
    /// The channels that it wants from the start; empty when it does not say.
    pub channels: Vec<Cow<'a, str>>,
}

impl Auth<'_> {
    /// The most channels that an `auth` may ask for. It comes from someone whom we do not know yet, and
    /// the list takes some 24 bytes for each two of the text.
    pub const CHANNELS_MAX: usize = 1000;
}

/// Something for the subscribers of a channel.
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    /// Which channel.
    pub channel: Cow<'a, str>,
    /// What kind of thing it is, within the channel.
    pub event: Option<Cow<'a, str>>,
    /// The thing.
    pub data: &'a RawValue,
    /// The publisher's own name for it, by which it is recognized when it comes twice.
    pub event_id: Option<Cow<'a, str>>,
}

/// A message of the application's own: one JSON object that has been checked as every message is
/// (how deep it is nested, no repeated fields, its `id`), and of which no more was read than its `type`.
#[derive(Clone)]
pub struct Custom<'a> {
    /// What stands in `type`, at most as long as the text.
    pub type_name: Cow<'a, str>,
    /// What stands in `requestId`, if that can be an id: errors about the message carry it.
    pub request_id: Option<Id<'a>>,
    /// The whole text, to be read by whoever knows the type.
    pub text: &'a str,
}

/// A place in the history of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position<'a> {
    /// Which life of the history the offset belongs to.
    pub epoch: Cow<'a, str>,
    /// The last one that was seen.
    pub offset: u64,
}

impl<'a> ClientMessage<'a> {
    /// Reads a text frame.
    ///
    /// One pass over the text. Nothing is allocated, but for strings with escapes, for the list of
    /// channels of an [`Auth`], and for one small buffer in serde_json when arrays or objects are nested in
    /// a payload (a byte for each level).
    ///
    /// Unknown fields are ignored; `null` is the same as absent, but for `payload`, `data` and `message`.
    ///
    /// # Errors
    ///
    /// A [`ParseError`] says what is wrong and carries the ids, as far as they could be read.
    pub fn parse(text: &'a str) -> Result<Incoming<'a>, ParseError<'a>> {
        parse::parse(text)
    }

    /// As [`parse`](Self::parse), for applications with message types of their own: a `type` that is none of
    /// the vocabulary makes a [`Custom`] and no error.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), but never [`UnknownType`](crate::ParseErrorKind::UnknownType).
    pub fn parse_open(text: &'a str) -> Result<Incoming<'a>, ParseError<'a>> {
        parse::parse_open(text)
    }

    /// Which one it is, for metrics and limits.
    pub fn client_type(&self) -> ClientType {
        match self {
            Self::Auth(_) => ClientType::Auth,
            Self::Request { .. } => ClientType::Request,
            Self::Subscribe { .. } => ClientType::Subscribe,
            Self::Unsubscribe { .. } => ClientType::Unsubscribe,
            Self::Publish(_) => ClientType::Publish,
            Self::JoinRoom { .. } => ClientType::JoinRoom,
            Self::LeaveRoom { .. } => ClientType::LeaveRoom,
            Self::RoomMessage { .. } => ClientType::RoomMessage,
            Self::Chat { .. } => ClientType::Chat,
            Self::Typing { .. } => ClientType::Typing,
            Self::Presence { .. } => ClientType::Presence,
            Self::Ack { .. } => ClientType::Ack,
            Self::Ping => ClientType::Ping,
            Self::Pong => ClientType::Pong,
            Self::Heartbeat => ClientType::Heartbeat,
            Self::Custom(_) => ClientType::Custom,
        }
    }
}

impl<'a> Incoming<'a> {
    /// The ids that an error about this message is to carry.
    pub fn correlation(&self) -> Correlation<'a> {
        let request_id = match self.message {
            ClientMessage::Request { request_id, .. } => Some(request_id),
            ClientMessage::Custom(Custom { request_id, .. }) => request_id,
            _ => None,
        };
        Correlation { id: self.id, request_id }
    }
}

/// Without the text: there may be a token in a field of it that we do not know.
impl fmt::Debug for Custom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom")
            .field("type_name", &self.type_name)
            .field("request_id", &self.request_id)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}
