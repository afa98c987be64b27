//! How the server is reached, and what may wait for it.

use std::{fmt, path::PathBuf, time::Duration};

/// How the server is reached, and what may wait for it. [`Default`] is a server on this machine.
#[derive(Clone)]
pub struct RedisConfig {
    /// `host:port`, or `redis://[user[:password]@]host[:port][/db]`; `rediss://` is TLS. Of several, the first
    /// that is a master is taken; in a cluster, any of its nodes tells of the others.
    pub servers: Vec<String>,
    /// Whether they are nodes of a Redis Cluster: sharded pub/sub, and all masters at work.
    pub is_cluster: bool,
    /// With the name of a master: `servers` are sentinels, which are asked for its address at each
    /// connect.
    pub sentinel_master: Option<String>,
    /// Who we are; before what an address says.
    pub user: Option<String>,
    /// The password; before what an address says.
    pub password: Option<String>,
    /// Which database; before what an address says. A cluster has only 0.
    pub db: Option<u16>,
    /// TLS, also for addresses without a scheme.
    pub tls: Option<TlsConfig>,
    /// Before the names of all keys and channels: letters, digits, `-`, `_` and `.`, at most 64. Two gateways
    /// with different ones do not meet.
    pub prefix: String,
    /// The operator vouches that the server loses nothing that it acknowledged, also in a failover: epochs
    /// stay when it restarts. Without, they stay only if the server says `appendfsync always`.
    pub is_durable: bool,
    /// For reaching the server and greeting it.
    pub connect_timeout: Duration,
    /// If nothing is answered for so long, the connection is given up, and what was on its way is unknown.
    pub answer_timeout: Duration,
    /// After so long without a call, the server is asked whether it lives.
    pub ping_interval: Duration,
    /// How long the first pause between two tries is, jittered; each is twice the one before.
    pub backoff_min: Duration,
    /// The longest pause between two tries.
    pub backoff_max: Duration,
    /// How many calls may be under way to one server, and how many changes of what is followed: beyond,
    /// they are refused as overloaded.
    pub pending_max: usize,
    /// How many bytes of calls may be under way to one server.
    pub pending_bytes_max: usize,
    /// How long the place of a log without appends is remembered, at least four times as long as its entries:
    /// who comes back later cannot be told what it missed. Costs the server some 150 bytes for each log.
    pub positions_ttl: Duration,
}

/// What TLS trusts, and what we show. Files are read once, when the engine is made.
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    /// The authorities that servers are trusted by, as PEM; without, those of the system.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, as PEM, for servers that ask for one.
    pub client_files: Option<(PathBuf, PathBuf)>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            servers: vec!["127.0.0.1:6379".to_owned()],
            is_cluster: false,
            sentinel_master: None,
            user: None,
            password: None,
            db: None,
            tls: None,
            prefix: "ws".to_owned(),
            is_durable: false,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(3),
            ping_interval: Duration::from_secs(1),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(3),
            pending_max: 65_536,
            pending_bytes_max: 64 << 20,
            positions_ttl: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

impl RedisConfig {
    pub(crate) fn publish_command(&self) -> &'static str {
        if self.is_cluster { "SPUBLISH" } else { "PUBLISH" }
    }
}

/// Without passwords.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.iter().map(|server| without_login(server)).collect::<Vec<_>>();
        f.debug_struct("RedisConfig")
            .field("servers", &servers)
            .field("is_cluster", &self.is_cluster)
            .field("sentinel_master", &self.sentinel_master)
            .field("user", &self.user)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// An address as it may be shown.
pub(crate) fn without_login(server: &str) -> &str {
    let server = server.split_once("://").map_or(server, |(_, rest)| rest);
    server.rsplit_once('@').map_or(server, |(_, rest)| rest)
}
