//! What a connection tells its driver.

use std::{ops::Range, time::Duration};

use tungstenite::protocol::CloseFrame;

use crate::error::ProtocolError;

/// Something arrived from the peer. Borrowed from the [`Workspace`](crate::Workspace) until the
/// next call; whatever had to be answered has been answered already.
#[derive(Debug, PartialEq)]
pub enum Event<'w> {
    /// A text message, checked to be UTF-8.
    Text(&'w str),
    /// A binary message.
    Binary(&'w [u8]),
    /// A ping; its pong is in the output.
    Ping(&'w [u8]),
    /// A pong.
    Pong {
        /// What it carried.
        payload: &'w [u8],
        /// How long the round trip took, if it answers our heartbeat's ping.
        round_trip: Option<Duration>,
    },
    /// The peer's close frame; ours is in the output if it had not been sent before. No message
    /// follows.
    Close(Option<CloseFrame>),
    /// The peer broke a rule; a close frame with the rule's code is in the output. No message
    /// follows.
    Failed(ProtocolError),
}

/// A deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// The peer was silent; a ping is in the output.
    PingSent,
    /// The peer answered no ping; a close frame (1001 "Connection timeout") is in the output.
    Dead,
    /// No message either way for too long; a close frame (1001 "Idle timeout") is in the output.
    Idle,
    /// The peer did not finish the closing handshake in time.
    CloseOverdue,
}

/// Where the bytes of a finished frame or message are, until they are borrowed.
#[derive(Debug)]
pub(crate) enum Payload {
    /// In the read buffer, unmasked in place.
    InPlace(Range<usize>),
    /// In the workspace's inflate buffer.
    Inflated,
    /// In the workspace's finished assembly.
    Assembled,
}

/// A finished frame or message, before its bytes are borrowed.
#[derive(Debug)]
pub(crate) enum Parsed {
    Text(Payload),
    /// Text that was validated while it arrived.
    AssembledText,
    Binary(Payload),
    Ping(Payload),
    Pong(Payload, Option<Duration>),
    Close(Option<CloseFrame>),
}
