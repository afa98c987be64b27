//! How much of tunnels there may be.

use std::{num::NonZeroUsize, time::Duration};

/// The limits of all tunnels, and of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// How long a target may take to answer the connect. Default 5 s.
    pub connect_timeout: Duration,
    /// How long no byte may move in either direction before a tunnel ends; `None`: for ever. Default 30
    /// min. A target or a client that takes nothing ends by this, too.
    pub idle_timeout: Option<Duration>,
    /// Bytes that wait in each direction before the side that sends them is read from no more. Default 64
    /// KiB. Worst case of memory: tunnels × 4 × (this + one message, or one read of 32 KiB); an idle tunnel
    /// holds none.
    pub buffer_bytes: usize,
    /// How many tunnels there may be. Default 1,024.
    pub tunnels_max: NonZeroUsize,
    /// How many of them to one target. Default 256.
    pub per_target_max: NonZeroUsize,
    /// How many of them one user may have. Default 8.
    pub per_user_max: NonZeroUsize,
}

impl Default for TunnelConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Some(Duration::from_secs(30 * 60)),
            buffer_bytes: 64 * 1024,
            tunnels_max: NonZeroUsize::MIN.saturating_add(1023),
            per_target_max: NonZeroUsize::MIN.saturating_add(255),
            per_user_max: NonZeroUsize::MIN.saturating_add(7),
        }
    }
}
