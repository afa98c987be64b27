//! The spellings: what a client may call its messages and their fields, each written once.

use std::fmt;

/// Defines a closed enum from the one table of its spellings, so that a name cannot be written
/// twice and differ.
macro_rules! spellings {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $spelling:literal, )+ }
        $( not on the wire: $(#[$other_doc:meta])* $other:ident = $label:literal )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$doc])* $variant, )+ $( $(#[$other_doc])* $other, )? }

        impl $name {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ $(Self::$other,)?];

            /// The spelling on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $spelling,)+ $(Self::$other => $label,)? }
            }

            /// The one that is spelled so; spellings are case-sensitive.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($spelling => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use spellings;

spellings! {
    /// What a client may put into `type`.
    pub enum ClientType {
        /// A credential; also what an object without `type` but with `token` is taken for.
        Auth = "auth",
        /// A question to the application behind the gateway.
        Request = "request",
        /// Wants what is published in a channel.
        Subscribe = "subscribe",
        /// No longer wants it.
        Unsubscribe = "unsubscribe",
        /// Something for the subscribers of a channel.
        Publish = "publish",
        /// Enters a room.
        JoinRoom = "join_room",
        /// Leaves a room.
        LeaveRoom = "leave_room",
        /// Something for everyone in a room.
        RoomMessage = "room_message",
        /// Something for one user.
        Chat = "chat",
        /// Is writing something.
        Typing = "typing",
        /// Who is in a channel?
        Presence = "presence",
        /// A message arrived and need not be kept.
        Ack = "ack",
        /// Are you there?
        Ping = "ping",
        /// The answer to a JSON ping of the server.
        Pong = "pong",
        /// A sign of life that wants no answer.
        Heartbeat = "heartbeat",
    }
    not on the wire:
        /// Any other, of an application's own: a label for metrics and limits, and no spelling. Who sends
        /// `"type":"custom"` sends a [`Custom`](crate::Custom) that happens to be called so.
        Custom = "custom"
}

spellings! {
    /// The fields of client messages that the gateway reads. All others are ignored.
    pub enum Field {
        /// What the message is.
        Type = "type",
        /// What the answer is to carry.
        Id = "id",
        /// The trace that the message belongs to, as W3C Trace Context writes it.
        Traceparent = "traceparent",
        /// What the response to a `request` is to carry.
        RequestId = "requestId",
        /// The content of a `request`, or the fields of a room message or chat.
        Payload = "payload",
        /// The name of a channel.
        Channel = "channel",
        /// The name of an event within a channel.
        Event = "event",
        /// What is published.
        Data = "data",
        /// The publisher's own name for an event, by which it is recognized when it comes twice.
        EventId = "eventId",
        /// A credential.
        Token = "token",
        /// The session that a client wants to go on with.
        SessionId = "sessionId",
        /// The channels that a client wants from the start.
        Channels = "channels",
        /// Where a returning subscriber left off.
        Since = "since",
        /// Whether a subscriber wants to be told who comes and goes.
        Presence = "presence",
        /// The server's name for a message to one user.
        MessageId = "messageId",
        /// Within `since`: which life of the channel's history the offset belongs to.
        Epoch = "epoch",
        /// Within `since`: the last position that was seen.
        Offset = "offset",
        /// Within `payload`: the name of a room.
        RoomId = "room_id",
        /// Within `payload`: the user that a chat message is for.
        To = "to",
        /// Within `payload`: what is said.
        Message = "message",
    }
}

impl ClientType {
    /// Those that have a spelling: what the gateway knows by itself.
    pub fn spelled() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|client_type| *client_type != Self::Custom)
    }
}

impl Field {
    /// The object that the field is read from, where it is not the frame itself.
    pub(crate) const fn parent(self) -> Option<Self> {
        match self {
            Self::RoomId | Self::To | Self::Message => Some(Self::Payload),
            Self::Epoch | Self::Offset => Some(Self::Since),
            _ => None,
        }
    }
}

/// The way to the field: `channel`, `payload.room_id`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent() {
            write!(f, "{}.", parent.name())?;
        }
        f.write_str(self.name())
    }
}

impl fmt::Display for ClientType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_back_to_its_variant_and_case_matters() {
        for client_type in ClientType::spelled() {
            assert_eq!(ClientType::from_name(client_type.name()), Some(client_type));
            assert_eq!(ClientType::from_name(&client_type.name().to_uppercase()), None);
        }
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(*field));
        }
    }

    #[test]
    fn custom_is_counted_and_has_no_spelling() {
        assert_eq!(ClientType::from_name(ClientType::Custom.name()), None);
        assert_eq!(ClientType::ALL.last(), Some(&ClientType::Custom));
        assert_eq!(ClientType::spelled().count(), ClientType::ALL.len() - 1);
        for (index, client_type) in ClientType::ALL.iter().enumerate() {
            assert_eq!(*client_type as usize, index, "counters are indexed so");
        }
    }

    #[test]
    fn a_field_within_another_is_shown_with_the_way_to_it() {
        let shown = [Field::Channel, Field::RoomId, Field::To, Field::Message, Field::Offset]
            .map(|field| field.to_string());
        assert_eq!(
            shown,
            ["channel", "payload.room_id", "payload.to", "payload.message", "since.offset"]
        );
    }
}
