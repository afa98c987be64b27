//! Where a server is, and how one logs in there.

use std::{path::PathBuf, sync::Arc};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, ProtocolVersion, TlsCertificates,
    aio::{AsyncPushSender, MultiplexedConnection},
    io::tcp::TcpSettings,
};

use crate::{
    config::{RedisConfig, TlsConfig, without_login},
    error::{ConfigError, StartError},
};

/// Batches that may be written before one is answered fit.
const PIPELINE_MAX: usize = 64;
/// So many bytes are gathered before they must be written.
const WRITE_BYTES: usize = 256 << 10;

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    client: Client,
    pub(crate) label: Arc<str>,
}

/// Everything that is named.
pub(crate) fn all(config: &RedisConfig) -> Result<Vec<Endpoint>, ConfigError> {
    check(config)?;
    // Another crate of the process may bring a provider as well; then rustls would not choose by itself.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let _already_chosen = provider.install_default();
    let certificates = config.tls.as_ref().map(certificates).transpose()?;
    if config.servers.is_empty() {
        return Err(ConfigError::NoServer);
    }
    config
        .servers
        .iter()
        .map(|server| Endpoint::new(config, certificates.as_ref(), server))
        .collect()
}

fn check(config: &RedisConfig) -> Result<(), ConfigError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if config.prefix.is_empty() || config.prefix.len() > 64 || !config.prefix.chars().all(is_plain)
    {
        return Err(ConfigError::Prefix(config.prefix.clone()));
    }
    if config.is_cluster && config.sentinel_master.is_some() {
        return Err(ConfigError::ClusterSentinel);
    }
    let zero = [
        ("connect_timeout", config.connect_timeout.is_zero()),
        ("answer_timeout", config.answer_timeout.is_zero()),
        ("ping_interval", config.ping_interval.is_zero()),
        ("pending_max", config.pending_max == 0),
        ("pending_bytes_max", config.pending_bytes_max == 0),
    ];
    match zero.into_iter().find(|(_, is_zero)| *is_zero) {
        Some((name, _)) => Err(ConfigError::Zero(name)),
        None => Ok(()),
    }
}

fn certificates(tls: &TlsConfig) -> Result<TlsCertificates, ConfigError> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| ConfigError::File { path: path.clone(), error })
    };
    let client_tls = match &tls.client_files {
        Some((certificate, key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        None => None,
    };
    Ok(TlsCertificates { client_tls, root_cert: tls.ca_file.as_ref().map(read).transpose()? })
}

impl Endpoint {
    fn new(
        config: &RedisConfig,
        certificates: Option<&TlsCertificates>,
        server: &str,
    ) -> Result<Self, ConfigError> {
        let wrong = |reason: redis::RedisError| ConfigError::Server {
            server: without_login(server).to_owned(),
            reason: reason.to_string(),
        };
        let url = match (server.contains("://"), certificates) {
            (true, _) => server.to_owned(),
            (false, None) => format!("redis://{server}"),
            (false, Some(_)) => format!("rediss://{server}"),
        };
        let info = url.as_str().into_connection_info().map_err(wrong)?;
        let mut login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        if let Some(user) = &config.user {
            login = login.set_username(user);
        }
        if let Some(password) = &config.password {
            login = login.set_password(password);
        }
        if let Some(db) = config.db {
            login = login.set_db(db.into());
        }
        if config.is_cluster && login.db() != 0 {
            return Err(ConfigError::ClusterDb(login.db()));
        }
        let login = login.set_skip_set_lib_name();
        let settings = TcpSettings::default().set_nodelay(true);
        let info = info.set_redis_settings(login).set_tcp_settings(settings);
        let client = match (info.addr(), certificates) {
            (ConnectionAddr::TcpTls { .. }, Some(certificates)) => {
                Client::build_with_tls(info, certificates.clone())
            }
            _ => Client::open(info),
        };
        Ok(Self { client: client.map_err(wrong)?, label: without_login(server).into() })
    }

    /// Another server, with the same login.
    pub(crate) fn at(&self, host: &str, port: u16) -> Result<Self, StartError> {
        let (host, label) = (host.to_owned(), Arc::from(format!("{host}:{port}")));
        let info: &ConnectionInfo = self.client.get_connection_info();
        let addr = match info.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        match Client::open(info.clone().set_addr(addr)) {
            Ok(client) => Ok(Self { client, label }),
            Err(error) => {
                Err(StartError::Unreachable { server: label, reason: error.to_string().into() })
            }
        }
    }

    /// As a sentinel, which has no databases.
    pub(crate) fn for_sentinel(&self) -> Self {
        let info: &ConnectionInfo = self.client.get_connection_info();
        let login = info.redis_settings().clone().set_db(0);
        match Client::open(info.clone().set_redis_settings(login)) {
            Ok(client) => Self { client, label: self.label.clone() },
            Err(_) => self.clone(),
        }
    }

    /// The host by which it was reached: nodes of a cluster that do not know their own are at this one.
    pub(crate) fn host(&self) -> &str {
        match self.client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
            _ => "127.0.0.1",
        }
    }

    /// Connects and logs in; what the server pushes goes to `pushed`.
    pub(crate) async fn connect(
        &self,
        config: &RedisConfig,
        pushed: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, StartError> {
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_MAX)
            .set_write_backpressure_boundary(WRITE_BYTES)
            .set_push_sender(pushed);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&options);
        match tokio::time::timeout(config.connect_timeout, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(StartError::of(&error, &self.label, &config.prefix)),
            Err(_) => Err(self.unreachable("it does not answer")),
        }
    }

    pub(crate) fn unreachable(&self, reason: impl Into<Arc<str>>) -> StartError {
        StartError::Unreachable { server: self.label.clone(), reason: reason.into() }
    }
}
