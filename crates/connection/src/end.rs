//! Why a connection ended: a closed set.

use std::time::Duration;

use ws_close_manager::SendableCode;

use crate::error::ProtocolError;

/// The first thing that led to the end of a connection, and whether the closing handshake was
/// finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What began the end.
    pub cause: Cause,
    /// Both close frames have passed.
    pub acknowledged: bool,
    /// How long nothing had come from the peer, where that is known.
    pub silent_for: Option<Duration>,
}

/// What began the end of a connection; the first cause wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent the first close frame.
    ClosedByPeer {
        /// Its code, if it carried one.
        code: Option<u16>,
    },
    /// We sent the first close frame.
    ClosedByUs {
        /// Its code.
        code: SendableCode,
    },
    /// The peer broke a rule.
    Protocol(ProtocolError),
    /// The peer answered no ping.
    PongTimeout {
        /// The last round trip that was measured.
        last_round_trip: Option<Duration>,
    },
    /// No message either way for too long.
    Idle,
    /// The peer took nothing of what was to be written for too long.
    WriteTimeout,
    /// The peer's side of the transport ended without a close frame.
    EndOfStream,
    /// The transport failed.
    Io(std::io::ErrorKind),
    /// The transport was dropped by our side without a closing handshake.
    Killed,
}

impl Cause {
    /// The code of the close frame that began the end, or that was due; `None` if the transport ended
    /// without one.
    pub const fn close_code(&self) -> Option<u16> {
        match self {
            Self::ClosedByPeer { code } => *code,
            Self::ClosedByUs { code } => Some(code.u16()),
            Self::Protocol(error) => Some(error.close_code().u16()),
            Self::PongTimeout { .. } | Self::Idle => Some(SendableCode::GOING_AWAY.u16()),
            Self::WriteTimeout | Self::EndOfStream | Self::Io(_) | Self::Killed => None,
        }
    }

    /// A stable word for logs and metric labels.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::ClosedByPeer { .. } => "closed_by_peer",
            Self::ClosedByUs { .. } => "closed_by_us",
            Self::Protocol(_) => "protocol",
            Self::PongTimeout { .. } => "pong_timeout",
            Self::Idle => "idle",
            Self::WriteTimeout => "write_timeout",
            Self::EndOfStream => "end_of_stream",
            Self::Io(_) => "io",
            Self::Killed => "killed",
        }
    }
}
