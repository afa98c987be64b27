//! What a handler is told when it is built.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use ws_auth::Origins;
use ws_broker::{Engine, InboxConfig, Memory};
use ws_compression::CompressionManager;
use ws_connection::ConnectionConfig;
use ws_frame_validator::FrameSizeValidator;
use ws_rate_limiter::{AnyLimit, IpKey, KeyedLimiter, Ladder, TieredLimiter, TokenBucket};

use crate::{address::TrustedProxies, channels::settings::ChannelSettings};

/// When a client must say who it is (DESIGN §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMode {
    /// With the upgrade, or 401.
    Upgrade,
    /// With the upgrade, or with its first message within the deadline, or 1008. A token that is
    /// sent with the upgrade and is bad is answered 401 all the same.
    Message {
        /// How long the first message may take.
        timeout: Duration,
        /// How many connections may wait for theirs at once; more are answered 503.
        pending_max: usize,
    },
    /// Never: whoever connects is served.
    None,
}

impl Default for AuthMode {
    /// By message within 5 s, ten thousand at once.
    fn default() -> Self {
        Self::Message { timeout: Duration::from_secs(5), pending_max: 10_000 }
    }
}

/// The limits of a handler; each is shared by all its connections.
#[derive(Debug)]
pub struct Limits {
    /// Connections of the whole server; `None` is no limit.
    pub connections_max: Option<NonZeroUsize>,
    /// Connections of one user; `None` is no limit. One more is accepted and closed with 1008, for a
    /// browser cannot read the body of a refusal.
    pub connections_per_user_max: Option<NonZeroUsize>,
    /// Connects by address (IPv6 by /64); `None` is no limit.
    pub connects: Option<KeyedLimiter<IpKey, TokenBucket>>,
    /// Messages of a user, by the tier that its token names; where nobody authenticates, of an
    /// address. `None` is no limit.
    pub messages: Option<TieredLimiter<u64, AnyLimit>>,
    /// What follows on messages that were denied.
    pub ladder: Ladder,
    /// Bytes that may wait for one client.
    pub outbox_bytes_max: usize,
}

impl Default for Limits {
    /// Five connections a user, 1 MiB of outbox, no other limit.
    fn default() -> Self {
        Self {
            connections_max: None,
            connections_per_user_max: NonZeroUsize::new(5),
            connects: None,
            messages: None,
            ladder: Ladder::default(),
            outbox_bytes_max: 1024 * 1024,
        }
    }
}

/// Everything about a handler but its authenticator, its application and its clock.
#[derive(Debug)]
pub struct HandlerConfig {
    /// The protocol of each connection: heartbeat, sizes, idle and close deadlines.
    pub connection: Arc<ConnectionConfig>,
    /// Compression, with its statistics.
    pub compression: CompressionManager,
    /// Statistics of message sizes, with the log of violations.
    pub validator: Arc<FrameSizeValidator>,
    /// When a client must say who it is.
    pub auth_mode: AuthMode,
    /// The cookie that may carry a token; an allowlist of origins must go with it.
    pub auth_cookie: Option<Box<str>>,
    /// The web pages whose browsers may connect.
    pub origins: Origins,
    /// The proxies whose word on a client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// How much, how often, how many.
    pub limits: Limits,
    /// Which channels there are, and who may do what in them.
    pub channels: ChannelSettings,
    /// What is between this node and others, and keeps what is to be kept. One handler has one engine to
    /// itself.
    pub engine: Arc<dyn Engine>,
    /// How much is kept for users who are away; `None`: nothing is.
    pub inbox: Option<InboxConfig>,
    /// Whether JSON pings go out beside control pings, for clients that cannot see the latter.
    pub json_ping: bool,
    /// What `connected` announces as `heartbeatMs`.
    pub heartbeat_ms: u64,
}

impl Default for HandlerConfig {
    fn default() -> Self {
        Self {
            connection: Arc::new(ConnectionConfig::server()),
            compression: CompressionManager::create_default(),
            validator: Arc::default(),
            auth_mode: AuthMode::default(),
            auth_cookie: None,
            origins: Origins::any(),
            trusted_proxies: TrustedProxies::default(),
            limits: Limits::default(),
            channels: ChannelSettings::default(),
            engine: Arc::new(Memory::new()),
            inbox: None,
            json_ping: false,
            heartbeat_ms: 30_000,
        }
    }
}
