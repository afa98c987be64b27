//! What a subscriber is handed.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Refusal;

/// A place in the history of a channel.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Which life of the history.
    pub epoch: Arc<str>,
    /// Of the last message that was seen.
    pub offset: u64,
}

/// What comes out of a subscription.
#[derive(Clone, Debug)]
pub enum News {
    /// Somebody published.
    Message(ChannelMessage),
    /// Something was missed that cannot be had.
    Gap(Gap),
    /// Who is there has changed; only for who asked for it.
    Presence(PresenceChange),
    /// Somebody came into the room.
    Joined(Arc<str>),
    /// Somebody left the room.
    Left(Arc<str>),
    /// Somebody in the room is typing.
    Typing(Arc<str>),
    /// The last: the server has ended the subscription, or the client has stopped.
    Ended(Refusal),
}

/// A message of a channel.
#[derive(Clone, Debug)]
pub struct ChannelMessage {
    /// Where.
    pub channel: Arc<str>,
    /// What kind of thing, if the publisher said so.
    pub event: Option<Box<str>>,
    /// What was published.
    pub data: Box<RawValue>,
    /// The user who published; none: a back-end did.
    pub from: Option<Box<str>>,
    /// The publisher's name for the event.
    pub event_id: Option<Box<str>>,
    /// The subject of NATS that it came from.
    pub subject: Option<Box<str>>,
    /// Where it stands in the history, if there is one.
    pub position: Option<Position>,
    /// When the server sent it, in milliseconds since 1970.
    pub timestamp: u64,
}

impl Position {
    /// In the life that is there up to this head.
    pub(crate) fn is_within(&self, head: &Self) -> bool {
        self.epoch == head.epoch && self.offset <= head.offset
    }
}

impl ChannelMessage {
    /// What was published, parsed.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.get())
    }
}

/// Something was missed, and the application may want to fetch the present state of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where.
    pub channel: Arc<str>,
    /// Why.
    pub reason: GapReason,
    /// At most so many messages; 0: not known.
    pub dropped: u64,
}

/// Why something was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The connection was lost, and the history does not reach back to where this subscriber was.
    NotRecovered,
    /// The connection was lost, and the channel has no history.
    NoHistory,
    /// A new life of the history has begun; what was missed of the former one is not known.
    NewEpoch,
    /// The server had to leave messages out.
    Dropped,
    /// The subscriber did not keep up, and the channel has no history.
    Slow,
}

/// Who came and who left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// Where.
    pub channel: Arc<str>,
    /// How many users there are now.
    pub count: u64,
    /// Who came.
    pub joined: Vec<String>,
    /// Who left.
    pub left: Vec<String>,
    /// How many more came than are named.
    pub joined_more: u64,
    /// How many more left than are named.
    pub left_more: u64,
}

/// Who is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// How many users.
    pub count: u64,
    /// Who; none when there are too many to name.
    pub users: Option<Vec<String>>,
}

impl News {
    /// What it takes in a mailbox, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Message(message) => 128 + message.data.get().len(),
            Self::Presence(change) => 128 + 32 * (change.joined.len() + change.left.len()),
            _ => 64,
        }
    }
}
