//! What a watcher is told.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ws_close_manager::SendableCode;
use ws_connection::End;

use crate::{client::ConnectionId, end_reason::EndReason};

/// Something that passed, or happened to a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// When, in ms since 1970.
    pub at_ms: u64,
    /// At which connection.
    pub connection: ConnectionId,
    /// Whose that is, once that is known.
    pub user: Option<Arc<str>>,
    /// Where it comes from.
    pub address: IpAddr,
    /// What it was.
    pub what: What,
}

/// Which way something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A connection was opened.
    Opened {
        /// What the client calls itself.
        agent: Option<Arc<str>>,
    },
    /// A text message.
    Text {
        /// Which way.
        direction: Direction,
        /// How long it is, before it is deflated.
        bytes: usize,
        /// What can be said about it without its payload.
        outline: Outline,
        /// The text, for those who asked for it.
        payload: Payload,
    },
    /// A binary message.
    Binary {
        /// Which way.
        direction: Direction,
        /// How long it is, before it is deflated.
        bytes: usize,
    },
    /// A ping.
    Ping {
        /// Which way.
        direction: Direction,
    },
    /// A pong of the client.
    Pong {
        /// How long the round trip took, if it answers a ping of ours.
        round_trip: Option<Duration>,
    },
    /// A close frame.
    Close {
        /// Which way.
        direction: Direction,
        /// Its code, if it carries one.
        code: Option<u16>,
        /// Its reason.
        reason: Box<str>,
    },
    /// The client broke a rule, and was told so in a close frame.
    Failed {
        /// Which one: a stable word.
        rule: &'static str,
        /// The code of the close frame.
        code: SendableCode,
    },
    /// The connection is over.
    Ended {
        /// Why.
        reason: EndReason,
        /// How.
        end: End,
        /// How long it was open.
        lived_ms: u64,
    },
}

/// What a text message says about itself: no payload, no token. Names that are longer than any of ours are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its `type`.
    pub kind: Option<Box<str>>,
    /// The channel that it is about, rooms as `room:…`.
    pub channel: Option<Box<str>>,
    /// The name of its event.
    pub event: Option<Box<str>>,
    /// Its `id` or `requestId`, as JSON.
    pub id: Option<Box<str>>,
    /// The code of an error.
    pub code: Option<Box<str>>,
    /// Whether it is none of the vocabulary's: no object of JSON.
    pub is_unreadable: bool,
}

/// The text of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nobody has asked for it.
    Withheld,
    /// It has a token in it, or might have: nobody is told.
    Secret,
    /// As much of it as is told.
    Text {
        /// The text.
        text: Box<str>,
        /// Whether there was more.
        is_cut: bool,
    },
}
