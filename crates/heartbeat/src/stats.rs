//! What is known of one peer, and of all.

use std::{fmt, time::Duration};

/// Round trips of one connection, measured by pongs that matched their ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The newest.
    pub last: Duration,
    /// All, the newest weighing an eighth.
    pub smoothed: Duration,
    /// The longest.
    pub max: Duration,
}

/// What a [`Heartbeat`](crate::Heartbeat) knows about its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatStats {
    /// Round trips, once there is one. A peer that always talks is never pinged and has none.
    pub latency: Option<Latency>,
    /// Pings sent.
    pub pings: u32,
    /// Pongs that matched their ping.
    pub pongs: u32,
    /// Pings that no frame followed in time; counted up to 65,535.
    pub missed: u32,
    /// Those of them since the peer's last frame.
    pub missed_in_a_row: u32,
    /// How long ago the peer's last frame came (or the connection, if none did).
    pub silent_for: Duration,
    /// Whether no ping was missed since the peer's last frame.
    pub healthy: bool,
}

/// What a [`HeartbeatManager`](crate::HeartbeatManager) knows about all its connections.
///
/// The first four are of now, the others of everything since the manager was made, connections that
/// are gone included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatSummary {
    /// Connections watched.
    pub connections: usize,
    /// Those that missed no ping since their last frame.
    pub healthy: usize,
    /// The mean of their smoothed round trips.
    pub average_latency: Option<Duration>,
    /// The longest round trip of any of them.
    pub max_latency: Option<Duration>,
    /// Pings sent.
    pub pings: u64,
    /// Pongs that matched their ping.
    pub pongs: u64,
    /// Peers declared dead.
    pub dead: u64,
}

impl HeartbeatSummary {
    /// Connections that missed a ping or are dead but not stopped yet.
    #[must_use]
    pub fn unhealthy(&self) -> usize {
        self.connections - self.healthy
    }
}

impl fmt::Display for HeartbeatSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections, {} healthy, ", self.connections, self.healthy)?;
        write!(f, "{} unhealthy; latency ", self.unhealthy())?;
        match (self.average_latency, self.max_latency) {
            (Some(average), Some(max)) => write!(f, "{average:.1?} average, {max:.1?} max")?,
            _ => write!(f, "unknown")?,
        }
        write!(f, "; {} pings, {} pongs, {} declared dead", self.pings, self.pongs, self.dead)
    }
}
