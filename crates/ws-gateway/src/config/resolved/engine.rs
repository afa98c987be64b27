//! The settings of what is between nodes and behind them.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Secret;

/// Which engine, and how the gateway lives with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Default [`EngineKind::Memory`].
    pub engine: EngineKind,
    /// Where history and inbox are kept on disk. Default `None`.
    pub data_dir: Option<PathBuf>,
    /// How large it may become. Default 4 GiB; at least 256 MiB.
    pub data_bytes_max: u64,
    /// What all names at a server begin with. Default `ws`.
    pub prefix: String,
    /// What becomes of a start without the engine. Default [`StartMode::Retry`].
    pub start: StartMode,
    /// How long a start waits for the engine with [`StartMode::Fail`]. Default 10 s, never zero.
    pub start_timeout: Duration,
    /// Whether the gateway is not ready while the engine is away. Default no: what needs no engine goes on,
    /// and without it all gateways would be unready at once.
    pub ready_needs_engine: bool,
    /// How many bytes of publishes may wait for the engine while it is away. Default 16 MiB, never zero, and
    /// the worst case of memory.
    pub queue_bytes_max: usize,
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self {
            engine: EngineKind::default(),
            data_dir: None,
            data_bytes_max: 4 << 30,
            prefix: "ws".to_owned(),
            start: StartMode::default(),
            start_timeout: Duration::from_secs(10),
            ready_needs_engine: false,
            queue_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// The engines that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// This process, as long as it lives.
    #[default]
    Memory,
    /// This process, and a folder.
    Disk,
    /// Redis, for any number of nodes.
    Redis,
    /// NATS with JetStream, for any number of nodes.
    Nats,
}

impl EngineKind {
    /// Its word in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }
}

/// What becomes of a start without the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartMode {
    /// The gateway serves, and the engine is tried until it is there.
    #[default]
    Retry,
    /// The process ends.
    Fail,
}

/// One server as its address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an address, that of IPv6 without brackets.
    pub host: String,
    /// Default: the protocol's.
    pub port: u16,
    /// Whether the scheme asks for TLS.
    pub tls: bool,
    /// Who signs in, and the password, where the address says so.
    pub user: Option<String>,
    /// The password, or the token.
    pub password: Option<Secret>,
    /// What stands behind the host, without the slash in front.
    pub path: String,
}

impl ServerAddress {
    /// The address without who signs in there: with this scheme, or with the other one where it asks for
    /// TLS.
    #[must_use]
    pub fn url(&self, plain: &str, tls: &str) -> String {
        let scheme = if self.tls { tls } else { plain };
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }
}

/// The Redis server or servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Default: none. After resolution, the host and the port are one of these.
    pub servers: Vec<ServerAddress>,
    /// Default `None`.
    pub host: Option<String>,
    /// Default 6379.
    pub port: u16,
    /// Default `None`.
    pub user: Option<String>,
    /// Default `None`; what the file holds, where it is one.
    pub password: Option<Secret>,
    /// Default `None`.
    pub password_file: Option<PathBuf>,
    /// Default 0.
    pub db: u32,
    /// Default no. After resolution: whether the setting or an address says so.
    pub tls: bool,
    /// Default `None`.
    pub ca_file: Option<PathBuf>,
    /// What `ca_file` holds.
    pub ca: Option<String>,
    /// Default no.
    pub cluster: bool,
    /// The master's name. Default `None`: no sentinels.
    pub sentinel: Option<String>,
    /// Default no: a restart of the server counts as a loss unless the server itself says that it keeps
    /// everything.
    pub durable: bool,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            host: None,
            port: 6379,
            user: None,
            password: None,
            password_file: None,
            db: 0,
            tls: false,
            ca_file: None,
            ca: None,
            cluster: false,
            sentinel: None,
            durable: false,
        }
    }
}

/// The NATS server or servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSettings {
    /// Default: none.
    pub servers: Vec<ServerAddress>,
    /// Default `None`.
    pub user: Option<String>,
    /// Default `None`; what the file holds, where it is one.
    pub password: Option<Secret>,
    /// Default `None`.
    pub password_file: Option<PathBuf>,
    /// Default `None`.
    pub token: Option<Secret>,
    /// Default `None`.
    pub credentials_file: Option<PathBuf>,
    /// What `credentials_file` holds.
    pub credentials: Option<Secret>,
    /// Default no. After resolution: whether the setting or an address says so.
    pub tls: bool,
    /// Default `None`.
    pub ca_file: Option<PathBuf>,
    /// What `ca_file` holds.
    pub ca: Option<String>,
    /// Default 1, never zero.
    pub replicas: u32,
    /// Default [`NatsStorage::File`].
    pub storage: NatsStorage,
    /// `[[bridges]]`, checked. Default: none.
    pub bridges: Vec<BridgeSpec>,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            user: None,
            password: None,
            password_file: None,
            token: None,
            credentials_file: None,
            credentials: None,
            tls: false,
            ca_file: None,
            ca: None,
            replicas: 1,
            storage: NatsStorage::default(),
            bridges: Vec::new(),
        }
    }
}

/// Where NATS keeps what it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NatsStorage {
    /// On disk.
    #[default]
    File,
    /// In memory: a restart of all replicas loses it.
    Memory,
}

/// What passes between a subject of NATS and a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeSpec {
    /// With `*` and `>` as NATS has them, where nothing goes out.
    pub subject: String,
    /// One channel.
    pub channel: String,
    /// Default [`Direction::In`].
    pub direction: Direction,
}

/// Which way a bridge is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From NATS to the channel.
    #[default]
    In,
    /// From the channel to NATS.
    Out,
    /// Both ways.
    Both,
}

impl Direction {
    /// All of them, with their words in a configuration.
    pub const ALL: [(&'static str, Self); 3] =
        [("in", Self::In), ("out", Self::Out), ("both", Self::Both)];

    /// Its word in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Both => "both",
        }
    }

    /// Whether what is published at the subject gets into the channel.
    #[must_use]
    pub const fn is_in(self) -> bool {
        matches!(self, Self::In | Self::Both)
    }

    /// Whether what is published in the channel gets to the subject.
    #[must_use]
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Out | Self::Both)
    }
}

/// What is kept for users who are away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxSettings {
    /// Default yes.
    pub enabled: bool,
    /// How many messages of one user. Default 100, never zero.
    pub count_max: u32,
    /// How many bytes of them. Default 256 KiB, never zero.
    pub bytes_max: u64,
    /// For how long. Default 7 d, never zero.
    pub ttl: Duration,
}

impl Default for InboxSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            count_max: 100,
            bytes_max: 256 * 1024,
            ttl: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
