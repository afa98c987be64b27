//! The settings of the socket, the wire and the log.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;

/// Where and how connections are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Default `0.0.0.0:3001`, and `127.0.0.1:3001` with `--dev`. Port zero: any that is free.
    pub address: SocketAddr,
    /// Where upgrades are accepted, besides `/`. Default `/ws`.
    pub path: String,
    /// How long a client may take from connecting to the end of its request. Default 10 s, never
    /// zero. Worst case: a silent client holds a socket and a task for that long.
    pub handshake_timeout: Duration,
    /// How long the head of a request may be. Default 16 KiB. Worst case of memory: connections in
    /// their handshake × this.
    pub header_bytes_max: usize,
    /// Whose word on a client's address is taken. Default: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether each connection of a trusted proxy starts with a PROXY protocol header. Default no.
    pub proxy_protocol: bool,
    /// Which web pages may connect: origins, `*` for any, `null` for pages without one. Default
    /// `None`, any.
    pub allowed_origins: Option<Vec<String>>,
    /// How many threads serve connections. Default `None`, one for each core.
    pub worker_threads: Option<NonZeroUsize>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 3001),
            path: "/ws".to_owned(),
            handshake_timeout: Duration::from_secs(10),
            header_bytes_max: 16 * 1024,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            allowed_origins: None,
            worker_threads: None,
        }
    }
}

/// When a peer is dead, or has nothing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// How long a peer may be silent before it is pinged. Default 30 s, never zero. Costs one ping
    /// and one pong for each silent interval of each connection.
    pub ping_interval: Duration,
    /// How long a pinged peer may stay silent before that counts as a miss. Default 5 s, never zero.
    pub pong_timeout: Duration,
    /// How many misses in a row declare it dead. Default 3, never zero. So it takes
    /// `ping_interval + missed_pongs_max × pong_timeout`, 45 s, to find a dead peer.
    pub missed_pongs_max: u32,
    /// Whether a JSON `ping` goes out beside each control ping. Default no.
    pub json_ping: bool,
    /// How long a connection may go without a data message in either direction. Default 5 min;
    /// `None`, written as zero: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a peer may take nothing of what is sent to it. Default 1 min; `None`, written as zero:
    /// for ever.
    pub write_timeout: Option<Duration>,
}

impl Default for HeartbeatSettings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(5),
            missed_pongs_max: 3,
            json_ping: false,
            idle_timeout: Some(Duration::from_secs(300)),
            write_timeout: Some(Duration::from_secs(60)),
        }
    }
}

/// permessage-deflate. `COMPRESSION_PROFILE` is resolved into the first three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressionSettings {
    /// Whether the extension is accepted. Default yes.
    pub enabled: bool,
    /// 0 to 9. Default 6. Zero: outgoing messages are plain, incoming ones are inflated.
    pub level: u8,
    /// Shorter messages go out plain. Default 1 KiB. Zero: all are tried.
    pub threshold_bytes: usize,
    /// Whether connections remember earlier messages to refer to. Default no. Worst case: 32 KiB
    /// and what was sent lately, for each connection, up to `memory_bytes_max` for all.
    pub context_takeover: bool,
    /// What all connections together may remember. Default 64 MiB. Zero: nothing.
    pub memory_bytes_max: usize,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            level: 6,
            threshold_bytes: 1024,
            context_takeover: false,
            memory_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// How large a message may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSettings {
    /// The largest message, as declared, summed over its fragments, and inflated. Default 1 MiB,
    /// never zero. Worst case of memory: connections that are receiving × twice this.
    pub bytes_max: u64,
    /// From where on a message is counted and logged as large. Default: half of `bytes_max`. Zero:
    /// none is.
    pub warn_bytes: u64,
    /// How many frames one message may come in. Default 131,072. They cost time, not memory.
    pub fragments_max: u32,
}

impl Default for FrameSettings {
    fn default() -> Self {
        Self { bytes_max: 1024 * 1024, warn_bytes: 512 * 1024, fragments_max: 131_072 }
    }
}

/// How connections end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseSettings {
    /// How long a peer may take to answer a close frame. Default 5 s, never zero.
    pub timeout: Duration,
    /// How many connections a second are told to go during a drain. Default `None`, written as
    /// zero: as many as may come back elsewhere.
    pub per_second: Option<u32>,
}

impl Default for CloseSettings {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), per_second: None }
    }
}

/// What is told about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// Default: `info`, which is a line for each connection's start and end.
    pub level: LogLevel,
    /// Default: `auto`.
    pub format: LogFormat,
}

/// The least urgent lines that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What needs somebody.
    Error,
    /// What will need somebody.
    Warn,
    /// What happens to connections as a whole.
    #[default]
    Info,
    /// What happens on them.
    Debug,
    /// Every message's way.
    Trace,
}

impl LogLevel {
    /// The word for it, which is that of `tracing` too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// For whom the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// People on a terminal, machines otherwise.
    #[default]
    Auto,
    /// People.
    Human,
    /// Machines: one JSON object a line.
    Json,
}
