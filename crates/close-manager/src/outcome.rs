//! Who closed a connection, with what, and how it ended.

use std::time::Instant;

use tungstenite::protocol::frame::coding::CloseCode;

/// One of the two ends of a connection, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This end.
    Local,
    /// The other end.
    Peer,
}

/// What is known of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameStatus {
    /// There was none.
    NoFrame,
    /// There was one without a code.
    NoCode,
    /// There was one with this code.
    Code(CloseCode),
}

impl FrameStatus {
    pub(crate) fn of_frame(code: Option<CloseCode>) -> Self {
        code.map_or(Self::NoCode, Self::Code)
    }

    /// The code to show to an application, for which the two others have codes of their own (RFC 6455
    /// section 7.1.5): 1006 without a frame, 1005 without a code.
    #[must_use]
    pub const fn reported(self) -> CloseCode {
        match self {
            Self::NoFrame => CloseCode::Abnormal,
            Self::NoCode => CloseCode::Status,
            Self::Code(code) => code,
        }
    }
}

/// How a closing handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Both close frames passed: clean.
    Acknowledged,
    /// The peer's close frame did not come before the deadline.
    Forced,
    /// The transport ended before the peer's close frame came.
    Eof,
    /// The peer broke the rules, so that we closed and listened no more.
    Failed,
}

/// Who closed a connection, with which codes, and how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseOutcome {
    /// Whose close frame was first. `None` if the transport ended without any.
    pub started_by: Option<Side>,
    /// What we sent.
    pub sent: FrameStatus,
    /// What the peer sent.
    pub received: FrameStatus,
    /// How it ended.
    pub ending: Ending,
    /// When it began: at the first close frame, or at the end of the transport if there was none.
    pub began: Instant,
}

impl CloseOutcome {
    /// Whether both close frames passed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        matches!(self.ending, Ending::Acknowledged)
    }
}
