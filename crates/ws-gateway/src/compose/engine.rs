//! What is between nodes, and keeps what is to be kept.

use std::{
    future::{Future, ready},
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;
use ws_broker::{Disk, DiskConfig, Engine, InboxConfig, Memory, Recovery, Status};
use ws_broker_nats::{Login, Nats, NatsConfig, Storage, Tls};
use ws_broker_redis::{Redis, RedisConfig, TlsConfig};

use super::ComposeError;
use crate::{
    bridges::Bridges,
    config::{Config, EngineKind, NatsStorage, Secret, ServerAddress},
    outcomes::Outcomes,
};

/// How often an engine that is not there yet is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// An engine that has begun to connect, and what came of its first try.
pub struct ComposedEngine {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Why the first try failed, once it is known.
    pub first_try: Pin<Box<dyn Future<Output = Result<(), String>> + Send>>,
}

/// The engine as it is set. It begins to connect and is not waited for. Must be called within a tokio
/// runtime.
pub fn engine(config: &Config) -> Result<ComposedEngine, ComposeError> {
    match config.broker.engine {
        EngineKind::Memory => Ok(ComposedEngine {
            engine: Arc::new(Memory::new()),
            first_try: Box::pin(ready(Ok(()))),
        }),
        EngineKind::Redis => {
            let redis = Redis::connect(redis(config)).map_err(ComposeError::of("[redis]"))?;
            let redis = Arc::new(redis);
            let engine = redis.clone();
            let first_try = async move { redis.ready().await.map_err(|error| error.to_string()) };
            Ok(ComposedEngine { engine, first_try: Box::pin(first_try) })
        }
        EngineKind::Nats => {
            let nats = nats_config(config, &config.nats.servers);
            nats.check().map_err(ComposeError::of("[nats]"))?;
            let nats = Arc::new(Nats::connect(nats));
            let engine = nats.clone();
            let first_try = async move { nats.ready().await.map_err(|error| error.to_string()) };
            Ok(ComposedEngine { engine, first_try: Box::pin(first_try) })
        }
        EngineKind::Disk => {
            let folder = config.broker.data_dir.clone().unwrap_or_default();
            let bytes_max = config.broker.data_bytes_max;
            let disk = Disk::open(folder, DiskConfig { bytes_max, ..DiskConfig::default() });
            let disk = disk.map_err(ComposeError::of("DATA_DIR"))?;
            tell_recovery(disk.recovery());
            Ok(ComposedEngine { engine: Arc::new(disk), first_try: Box::pin(ready(Ok(()))) })
        }
    }
}

/// What was found in `DATA_DIR`.
fn tell_recovery(recovery: &Recovery) {
    let Recovery { segments, bytes, entries, records, .. } = recovery;
    tracing::info!(segments, bytes, entries, records, "what is on disk was read");
    if let Some(torn) = &recovery.torn {
        tracing::info!(%torn, "a commit that nobody was told of was not finished, and is cut off");
    }
    for damage in &recovery.damage {
        tracing::warn!(%damage, "damaged; clients are told that something is missing");
    }
}

/// How these servers are reached, as [nats] says.
pub(super) fn nats_config(config: &Config, servers: &[ServerAddress]) -> NatsConfig {
    let settings = &config.nats;
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|it| it.expose().to_owned());
    let login = if let Some(path) = &settings.credentials_file {
        Login::CredentialsFile(path.clone())
    } else if let Some(token) = secret(&settings.token) {
        Login::Token(token)
    } else if let (Some(user), Some(password)) = (settings.user.clone(), secret(&settings.password))
    {
        Login::Password { user, password }
    } else {
        Login::Addresses
    };
    NatsConfig {
        urls: servers.iter().map(|server| server.url("nats", "tls")).collect(),
        login,
        tls: Tls { is_required: settings.tls, ca_file: settings.ca_file.clone(), ..Tls::default() },
        prefix: config.broker.prefix.clone(),
        replicas: settings.replicas as usize,
        storage: match settings.storage {
            NatsStorage::File => Storage::File,
            NatsStorage::Memory => Storage::Memory,
        },
        ..NatsConfig::default()
    }
}

fn redis(config: &Config) -> RedisConfig {
    let settings = &config.redis;
    RedisConfig {
        // Who signs in stands beside it: an address is shown in logs.
        servers: settings.servers.iter().map(|server| server.url("redis", "rediss")).collect(),
        is_cluster: settings.cluster,
        sentinel_master: settings.sentinel.clone(),
        user: settings.user.clone(),
        password: settings.password.as_ref().map(|it| it.expose().to_owned()),
        db: u16::try_from(settings.db).ok().filter(|db| *db != 0),
        tls: settings
            .tls
            .then(|| TlsConfig { ca_file: settings.ca_file.clone(), ..TlsConfig::default() }),
        prefix: config.broker.prefix.clone(),
        is_durable: settings.durable,
        ..RedisConfig::default()
    }
}

/// What passes between subjects of NATS and channels, over a connection of its own; `None` if nothing does.
/// Must be called within a tokio runtime.
pub fn bridges(config: &Config, outcomes: Arc<Outcomes>) -> Result<Option<Bridges>, ComposeError> {
    let specs = &config.nats.bridges;
    if specs.is_empty() {
        return Ok(None);
    }
    let nats = nats_config(config, &config.nats.servers);
    nats.check().map_err(ComposeError::of("[[bridges]]"))?;
    let client = ws_broker_nats::Client::connect(nats);
    Ok(Some(Bridges::new(client, specs, outcomes)))
}

/// How much is kept for users who are away.
pub fn inbox(config: &Config) -> Option<InboxConfig> {
    let settings = &config.inbox;
    settings.enabled.then(|| InboxConfig {
        entries_max: NonZeroU32::new(settings.count_max).unwrap_or(NonZeroU32::MIN),
        bytes_max: settings.bytes_max as usize,
        ttl: settings.ttl,
        ..InboxConfig::default()
    })
}

/// Waits until the engine is there, at most so long; the error says why it is not.
pub async fn engine_is_there(
    composed: ComposedEngine,
    timeout: Duration,
) -> Result<Arc<dyn Engine>, ComposeError> {
    let ComposedEngine { engine, first_try } = composed;
    let deadline = Instant::now() + timeout;
    let mut reason = match tokio::time::timeout_at(deadline, first_try).await {
        Ok(first) => first.err(),
        Err(_) => None,
    };
    loop {
        match engine.status() {
            Status::Up => return Ok(engine),
            Status::Starting => {}
            Status::Down(why) => reason = Some(why.to_string()),
        }
        if Instant::now() >= deadline {
            let reason = reason.unwrap_or_else(|| "it was not reached".to_owned());
            let reason = format!("not there after {timeout:?}: {reason}");
            return Err(ComposeError { component: "BROKER", reason });
        }
        tokio::time::sleep(LOOK).await;
    }
}
