//! What all connections of a server or client share.

use std::time::Duration;

use ws_frame_validator::SizeLimits;
use ws_heartbeat::HeartbeatConfig;
use ws_rate_limiter::TokenBucket;

/// Which side of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Receives masked frames, sends plain ones, closes the transport first.
    Server,
    /// Receives plain frames, masks its own, waits for the server to close the transport.
    Client,
}

/// Shared by all connections of one kind, behind an `Arc`.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    pub(crate) role: Role,
    pub(crate) masks: fn() -> [u8; 4],
    pub(crate) sizes: SizeLimits,
    pub(crate) fragments_max: u32,
    pub(crate) heartbeat: Option<HeartbeatConfig>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) ping_rate: Option<TokenBucket>,
    pub(crate) late_messages: bool,
}

impl ConnectionConfig {
    /// A server's side: heartbeat on, five minutes of idling, messages up to 1 MiB.
    pub fn server() -> Self {
        Self {
            role: Role::Server,
            masks: || [0; 4],
            sizes: SizeLimits::default(),
            fragments_max: 131_072,
            heartbeat: Some(HeartbeatConfig::default()),
            idle_timeout: Some(Duration::from_secs(300)),
            close_timeout: Duration::from_secs(5),
            write_timeout: Some(Duration::from_secs(60)),
            ping_rate: None,
            late_messages: false,
        }
    }

    /// A client's side. `masks` yields the masking key of each frame and must be unpredictable
    /// (RFC 6455 §5.3): pass a function over the system's random source.
    pub fn client(masks: fn() -> [u8; 4]) -> Self {
        Self {
            role: Role::Client,
            masks,
            idle_timeout: None,
            write_timeout: None,
            late_messages: true,
            ..Self::server()
        }
    }

    /// The limit of a message, for its declared length, the sum of its fragments and its inflated
    /// form, and the size from which messages count as large. Default: 1 MiB, 512 KiB. A connection
    /// that is receiving holds at most twice the limit (compressed and inflated).
    #[must_use]
    pub fn with_sizes(mut self, sizes: SizeLimits) -> Self {
        self.sizes = sizes;
        self
    }

    /// How many frames one message may come in. Default: 131,072. Fragments cost time, not memory;
    /// this bounds a message of endless empty ones.
    #[must_use]
    pub fn with_fragments_max(mut self, fragments_max: u32) -> Self {
        self.fragments_max = fragments_max;
        self
    }

    /// When to ping and when to give up. Default: [`HeartbeatConfig::default`]; `None` never pings
    /// and leaves dead peers to the idle timeout.
    #[must_use]
    pub fn with_heartbeat(mut self, heartbeat: Option<HeartbeatConfig>) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// How long a connection may go without a text or binary message in either direction. Default:
    /// five minutes for a server, `None` (for ever) for a client.
    #[must_use]
    pub fn with_idle_timeout(mut self, idle_timeout: Option<Duration>) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// How long the peer may take to answer a close frame. Default: 5 s.
    #[must_use]
    pub fn with_close_timeout(mut self, close_timeout: Duration) -> Self {
        self.close_timeout = close_timeout;
        self
    }

    /// How long a peer may take nothing of what is to be written, before the driver drops its transport.
    /// The heartbeat does not see such a peer while it goes on sending. Default: a minute for a server,
    /// `None` (for ever) for a client. Whoever drives a connection in another way has to keep it:
    /// `WebSocketStream` of `ws-transport` does not.
    #[must_use]
    pub fn with_write_timeout(mut self, write_timeout: Option<Duration>) -> Self {
        self.write_timeout = write_timeout;
        self
    }

    /// How many pings a peer may send; more end the connection with 1008. Default: `None`, all are
    /// answered. Pongs are never limited.
    #[must_use]
    pub fn with_ping_rate(mut self, ping_rate: Option<TokenBucket>) -> Self {
        self.ping_rate = ping_rate;
        self
    }

    /// Whether messages that arrive between our close frame and the peer's are told. Default: not to
    /// a server, for whoever was told to go is not listened to; to a client, whose answers may still
    /// be on their way.
    #[must_use]
    pub fn with_late_messages(mut self, late_messages: bool) -> Self {
        self.late_messages = late_messages;
        self
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The limit of a message and the size from which it counts as large.
    pub fn sizes(&self) -> SizeLimits {
        self.sizes
    }

    /// When to ping and when to give up.
    pub fn heartbeat(&self) -> Option<HeartbeatConfig> {
        self.heartbeat
    }

    /// How long the peer may take to answer a close frame.
    pub fn close_timeout(&self) -> Duration {
        self.close_timeout
    }

    /// How long the peer may take nothing of what is to be written.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.write_timeout
    }
}
