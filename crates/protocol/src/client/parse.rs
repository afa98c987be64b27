//! From text to message: collect the fields, then take what the `type` needs.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::Fields;
use super::strings::{self, string};
use super::{Auth, ClientMessage, Custom, Incoming, Position, Publication};
use crate::error::{Expected, ParseError, ParseErrorKind};
use crate::id::{Correlation, Id};
use crate::nesting;
use crate::token::Token;
use crate::vocabulary::{ClientType, Field};

pub(super) fn parse(text: &str) -> Result<Incoming<'_>, ParseError<'_>> {
    let incoming = parse_open(text)?;
    match &incoming.message {
        // By the same function: a second one like it would keep the compiler from inlining what both call.
        ClientMessage::Custom(_) => Err(ParseError {
            kind: ParseErrorKind::UnknownType,
            correlation: incoming.correlation(),
        }),
        _ => Ok(incoming),
    }
}

/// A `type` that is none of the vocabulary is the application's.
pub(super) fn parse_open(text: &str) -> Result<Incoming<'_>, ParseError<'_>> {
    // Each failure by itself: an outcome that is turned into another is copied, whatever it holds.
    let mut fields = Fields::of_frame();
    collect_frame(text, &mut fields).map_err(|kind| refused(kind, &fields))?;
    let id = optional(&fields, Field::Id, Expected::Id, Id::new)
        .map_err(|kind| refused(kind, &fields))?;
    let traceparent = optional(&fields, Field::Traceparent, Expected::String, string)
        .map_err(|kind| refused(kind, &fields))?;
    let message = match client_type(&fields) {
        Ok(of) => Reader { of, fields: &fields }.message(),
        Err(ParseErrorKind::UnknownType) => custom(text, &fields),
        Err(kind) => Err(kind),
    };
    let message = message.map_err(|kind| refused(kind, &fields))?;
    Ok(Incoming { id, traceparent, message })
}

/// With the ids, as far as they could be read.
#[cold]
fn refused<'a>(kind: ParseErrorKind, fields: &Fields<'a>) -> ParseError<'a> {
    let id = |field| fields.raw(field).and_then(Id::new);
    let correlation = Correlation { id: id(Field::Id), request_id: id(Field::RequestId) };
    ParseError { kind, correlation }
}

fn collect_frame<'a>(text: &'a str, fields: &mut Fields<'a>) -> Result<(), ParseErrorKind> {
    // Asked before serde_json is, which would copy a long string into an error that we throw away.
    let is_object = text.trim_ascii_start().starts_with('{');
    let collected = if is_object {
        fields.collect(text)
    } else {
        serde_json::from_str::<&RawValue>(text).map(drop)
    };
    collected
        .map_err(|error| ParseErrorKind::BadJson { line: error.line(), column: error.column() })?;
    if !is_object {
        return Err(ParseErrorKind::NotAnObject);
    }
    if nesting::is_too_deep(text) {
        return Err(ParseErrorKind::TooDeep);
    }
    refuse_repeated(fields)
}

fn refuse_repeated(fields: &Fields<'_>) -> Result<(), ParseErrorKind> {
    fields.repeated().map_or(Ok(()), |field| Err(ParseErrorKind::RepeatedField { field }))
}

fn custom<'a>(text: &'a str, fields: &Fields<'a>) -> Result<ClientMessage<'a>, ParseErrorKind> {
    let type_name = optional(fields, Field::Type, Expected::String, string)?.unwrap_or_default();
    let request_id = fields.raw(Field::RequestId).and_then(Id::new);
    Ok(ClientMessage::Custom(Custom { type_name, request_id, text }))
}

/// An object without a `type` is an authentication if it has a token.
fn client_type(fields: &Fields<'_>) -> Result<ClientType, ParseErrorKind> {
    match optional(fields, Field::Type, Expected::String, string)? {
        Some(name) => ClientType::from_name(&name).ok_or(ParseErrorKind::UnknownType),
        None if fields.present(Field::Token).is_some() => Ok(ClientType::Auth),
        None => Err(ParseErrorKind::MissingType),
    }
}

/// Takes from the fields of one object what a message of one type needs.
struct Reader<'f, 'a> {
    of: ClientType,
    fields: &'f Fields<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn message(&self) -> Result<ClientMessage<'a>, ParseErrorKind> {
        Ok(match self.of {
            ClientType::Auth => ClientMessage::Auth(self.auth()?),
            ClientType::Request => ClientMessage::Request {
                request_id: self.required(Field::RequestId, Expected::Id, Id::new)?,
                payload: self.anything(Field::Payload)?,
            },
            ClientType::Subscribe => ClientMessage::Subscribe {
                channel: self.string(Field::Channel)?,
                since: self.position()?,
                presence: self
                    .optional(Field::Presence, Expected::Boolean, boolean)?
                    .unwrap_or_default(),
            },
            ClientType::Unsubscribe => {
                ClientMessage::Unsubscribe { channel: self.string(Field::Channel)? }
            }
            ClientType::Publish => ClientMessage::Publish(Publication {
                channel: self.string(Field::Channel)?,
                event: self.optional(Field::Event, Expected::String, string)?,
                data: self.anything(Field::Data)?,
                event_id: self.optional(Field::EventId, Expected::String, string)?,
            }),
            ClientType::JoinRoom => ClientMessage::JoinRoom { room_id: self.room_id()? },
            ClientType::LeaveRoom => ClientMessage::LeaveRoom { room_id: self.room_id()? },
            ClientType::Typing => ClientMessage::Typing { room_id: self.room_id()? },
            ClientType::RoomMessage => self.within(Field::Payload, |payload| {
                let room_id = payload.string(Field::RoomId)?;
                Ok(ClientMessage::RoomMessage {
                    room_id,
                    message: payload.anything(Field::Message)?,
                })
            })?,
            ClientType::Chat => self.within(Field::Payload, |payload| {
                let to = payload.string(Field::To)?;
                Ok(ClientMessage::Chat { to, message: payload.anything(Field::Message)? })
            })?,
            ClientType::Presence => {
                ClientMessage::Presence { channel: self.string(Field::Channel)? }
            }
            ClientType::Ack => ClientMessage::Ack { message_id: self.string(Field::MessageId)? },
            ClientType::Ping => ClientMessage::Ping,
            ClientType::Pong => ClientMessage::Pong,
            ClientType::Heartbeat => ClientMessage::Heartbeat,
            // It has no spelling to be found by.
            ClientType::Custom => return Err(ParseErrorKind::UnknownType),
        })
    }

    fn auth(&self) -> Result<Auth<'a>, ParseErrorKind> {
        Ok(Auth {
            token: Token::new(self.string(Field::Token)?),
            session_id: self.optional(Field::SessionId, Expected::String, string)?,
            channels: self
                .optional(Field::Channels, Expected::Strings, |raw| strings::decode(raw.get()))?
                .unwrap_or_default(),
        })
    }

    fn position(&self) -> Result<Option<Position<'a>>, ParseErrorKind> {
        if self.fields.present(Field::Since).is_none() {
            return Ok(None);
        }
        self.within(Field::Since, |since| {
            let epoch = since.string(Field::Epoch)?;
            let offset = since.required(Field::Offset, Expected::Integer, integer)?;
            Ok(Some(Position { epoch, offset }))
        })
    }

    fn room_id(&self) -> Result<Cow<'a, str>, ParseErrorKind> {
        self.within(Field::Payload, |payload| payload.string(Field::RoomId))
    }

    /// Reads the object that stands in `field`.
    fn within<T>(
        &self,
        field: Field,
        read: impl FnOnce(&Reader<'_, 'a>) -> Result<T, ParseErrorKind>,
    ) -> Result<T, ParseErrorKind> {
        let object = |raw: &'a RawValue| raw.get().starts_with('{').then_some(raw);
        let raw = self.required(field, Expected::Object, object)?;
        let mut fields = Fields::within(field);
        // The frame is JSON already; what can fail still is a key that is no Unicode (a lone surrogate).
        fields
            .collect(raw.get())
            .map_err(|_| ParseErrorKind::InvalidField { field, expected: Expected::Object })?;
        refuse_repeated(&fields)?;
        read(&Reader { of: self.of, fields: &fields })
    }

    fn string(&self, field: Field) -> Result<Cow<'a, str>, ParseErrorKind> {
        self.required(field, Expected::String, string)
    }

    /// Here `null` is a value like any other.
    fn anything(&self, field: Field) -> Result<&'a RawValue, ParseErrorKind> {
        self.fields.raw(field).ok_or_else(|| self.missing(field, Expected::Anything))
    }

    fn required<T>(
        &self,
        field: Field,
        expected: Expected,
        decode: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<T, ParseErrorKind> {
        self.optional(field, expected, decode)?.ok_or_else(|| self.missing(field, expected))
    }

    fn optional<T>(
        &self,
        field: Field,
        expected: Expected,
        decode: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, ParseErrorKind> {
        optional(self.fields, field, expected, decode)
    }

    fn missing(&self, field: Field, expected: Expected) -> ParseErrorKind {
        ParseErrorKind::MissingField { message: self.of, field, expected }
    }
}

fn optional<'a, T>(
    fields: &Fields<'a>,
    field: Field,
    expected: Expected,
    decode: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<Option<T>, ParseErrorKind> {
    let Some(raw) = fields.present(field) else { return Ok(None) };
    decode(raw).map(Some).ok_or(ParseErrorKind::InvalidField { field, expected })
}

fn integer(raw: &RawValue) -> Option<u64> {
    // JSON knows no leading `+` or zeros, and the text is JSON.
    raw.get().parse().ok()
}

fn boolean(raw: &RawValue) -> Option<bool> {
    raw.get().parse().ok()
}
