//! The settings of connections that carry bytes to a TCP address.

use std::time::Duration;

use ws_tunnel::Target;

/// Where tunnels may lead, and how much of them there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSettings {
    /// The addresses to which there may be tunnels. Default: none.
    pub targets: Vec<Target>,
    /// How many tunnels there may be. Default 1,024, never zero.
    pub tunnels_max: u32,
    /// How many of them to one address. Default 256, never zero.
    pub per_target_max: u32,
    /// How many of them one user may have. Default 8, never zero.
    pub per_user_max: u32,
    /// How long the address may take to answer the connect. Default 5 s, never zero.
    pub connect_timeout: Duration,
    /// How long no byte may move. Default 30 min; `None`, written as zero: for ever.
    pub idle_timeout: Option<Duration>,
    /// How old a tunnel may become. Default `None`, written as zero: as old as it likes, whatever
    /// `CONNECTION_LIFETIME_MAX` says of others.
    pub lifetime_max: Option<Duration>,
    /// How much may wait in each direction. Default 64 KiB. Worst case of memory: tunnels × 4 × (this +
    /// one message of `MAX_FRAME_SIZE`, or one read of 32 KiB).
    pub buffer_bytes: usize,
}

impl Default for TunnelSettings {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            tunnels_max: 1024,
            per_target_max: 256,
            per_user_max: 8,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Some(Duration::from_secs(30 * 60)),
            lifetime_max: None,
            buffer_bytes: 64 * 1024,
        }
    }
}
