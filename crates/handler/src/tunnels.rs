//! Connections whose bytes go elsewhere: where the handler hands them over.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use ws_close_manager::SendableCode;
use ws_transport::{Outbox, Session};

use crate::client::Client;

/// The subprotocol in which a tunnel's directions end one by one: an empty binary message is the end of its
/// own.
pub(crate) const SUBPROTOCOL: &str = "ws-tunnel.v1";

/// Who serves the connections whose type is a tunnel.
///
/// Such a connection is admitted, counted, watched and drained like any other, but it must say who it is
/// with its upgrade, and no text is ever sent to it: neither a greeting nor an error, nothing of channels and
/// nothing for its user.
pub trait Tunneling: fmt::Debug + Send + Sync + 'static {
    /// What serves a connection that has been let in, from now on: it is handed every event and every wake of
    /// the connection, and asked whether it is ready. Called on the connection's own task; must not block.
    fn open(&self, opening: TunnelOpening<'_>) -> Result<Box<dyn Session + Send>, TunnelRefusal>;

    /// How long a tunnel may be idle by the connection's own clock; `None`: it has one of its own.
    fn idle_timeout(&self) -> Option<Duration> {
        None
    }
}

/// A connection that is to be a tunnel.
#[derive(Debug)]
pub struct TunnelOpening<'a> {
    /// The address that its path means. Nobody has compared it with a list so far.
    pub target: &'a str,
    /// Who it is.
    pub client: &'a Arc<Client>,
    /// The way to its driver.
    pub outbox: Outbox,
    /// Whether the client knows of directions that end one by one.
    pub has_half_close: bool,
}

/// There is no tunnel: what the connection is closed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelRefusal {
    /// The close code.
    pub code: SendableCode,
    /// The sentence.
    pub reason: Cow<'static, str>,
}

/// The session that serves a tunnel.
pub(crate) struct Bridge(pub(crate) Box<dyn Session + Send>);

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}
