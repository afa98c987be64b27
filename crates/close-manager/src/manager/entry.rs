//! What is kept of each connection that is closing.

use std::time::Instant;

use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use crate::{CloseReason, SendableCode, Side};

/// What is known of a connection that is closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseMetadata {
    /// The code that the side which began gave, if it gave one.
    pub code: Option<CloseCode>,
    /// Its reason.
    pub reason: CloseReason,
    /// Since when: that a close was asked for, or the peer's close frame came.
    pub since: Instant,
    /// Who began.
    pub started_by: Side,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) metadata: CloseMetadata,
    pub(super) stage: Stage,
    pub(super) deadline: Instant,
    /// Tells this entry from an earlier one of the same key in the queues.
    pub(super) serial: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In the batch, not told yet.
    Waiting,
    /// A single close that the caller has not fetched yet.
    Single,
    /// Told by a single close.
    Told { at: Instant },
    /// Told as one of the batch.
    InFlight { at: Instant },
    /// The peer began.
    ByPeer,
    /// Its deadline has passed, and the caller has not fetched that yet.
    ToForce,
}

impl Entry {
    /// What to tell the peer. Only our own closes are told, and those have a code.
    pub(super) fn frame(&self) -> CloseFrame {
        let code = self.metadata.code.unwrap_or(CloseCode::Normal);
        CloseFrame { code, reason: self.metadata.reason.clone().into() }
    }
}

impl CloseMetadata {
    pub(super) fn of_local(code: SendableCode, reason: CloseReason, now: Instant) -> Self {
        Self { code: Some(code.into()), reason, since: now, started_by: Side::Local }
    }

    pub(super) fn of_peer(frame: Option<&CloseFrame>, now: Instant) -> Self {
        Self {
            code: frame.map(|frame| frame.code),
            reason: frame.map_or_else(CloseReason::default, |frame| frame.reason.clone().into()),
            since: now,
            started_by: Side::Peer,
        }
    }
}
