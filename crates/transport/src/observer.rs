//! Somebody beside the session who looks at what passes.

use std::time::Instant;

use ws_close_manager::SendableCode;
use ws_connection::{Event, Timeout};

/// Looks at what one connection receives and sends, in the order in which it happens: for tracing, not for
/// serving. Called in the connection's own task, so it must not block; what it does costs that connection
/// time.
///
/// Replies that the protocol makes by itself are not told: the pong to a ping, and the echo of a close frame.
pub trait Observer: Send + Sync {
    /// Something arrived. The session is told behind it.
    fn handle_received(&self, event: &Event<'_>, now: Instant);

    /// Something leaves, or waits for the socket from now on.
    fn handle_sent(&self, sent: Sent<'_>, now: Instant);
}

/// What leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent<'m> {
    /// A text message, before it is deflated. UTF-8.
    Text(&'m [u8]),
    /// A binary message, before it is deflated.
    Binary(&'m [u8]),
    /// A ping of the heartbeat.
    Ping,
    /// A close frame that starts the closing handshake.
    Close {
        /// Its code.
        code: SendableCode,
        /// Its reason, which may be cut on its way.
        reason: &'m str,
    },
}

impl Sent<'static> {
    /// What a connection has written because of a deadline.
    pub(crate) const fn because_of(timeout: Timeout) -> Option<Self> {
        match timeout {
            Timeout::PingSent => Some(Self::Ping),
            Timeout::Dead => {
                Some(Self::Close { code: SendableCode::GOING_AWAY, reason: "Connection timeout" })
            }
            Timeout::Idle => {
                Some(Self::Close { code: SendableCode::GOING_AWAY, reason: "Idle timeout" })
            }
            Timeout::CloseOverdue => None,
        }
    }
}
