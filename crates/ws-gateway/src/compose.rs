//! From the configuration to the components, one function for each.

use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroUsize},
    str::FromStr,
    sync::Arc,
};

use serde_json::json;
use ws_auth::{Algorithm, Authenticator, BuildError, Issuer, Origins, TokenMinter};
use ws_channels::{
    ChannelRules, ConnectionTypes, PresenceConfig, PublishedEventsConfig, SubscriptionLimits,
};
use ws_compression::{CompressionConfig, CompressionManager, Level};
use ws_connection::{ConnectionConfig, handshake::HeadLimits};
use ws_frame_validator::{FrameSizeValidator, SizeLimits};
use ws_handler::{
    AuthMode, ChannelSettings, Gatekeeper, Outward, Policy, TrustedProxies, WallClock,
};
use ws_heartbeat::HeartbeatConfig;
use ws_rate_limiter::TokenBucket;

use crate::{
    bridges::Bridges,
    config::{self, Config, UpstreamTarget},
    console::ConsoleOptions,
    hooks::Hooks,
    http::Key,
    outcomes::Outcomes,
    server::ServerOptions,
    tls::{Certificates, LoadedCertificates},
    traces::Traces,
    upstream::{Target, Upstream},
};

mod checking;
mod drain;
mod engine;
mod limits;
#[cfg(test)]
mod tests;
mod tunnels;

pub use checking::check;
pub use drain::close;
pub(crate) use drain::{listen, moving};
pub use engine::{ComposedEngine, bridges, engine, engine_is_there, inbox};
pub use limits::limits;
pub(crate) use limits::revocation;
pub(crate) use tunnels::other_tunnels;
pub use tunnels::tunnels;

/// A component refused its part of the configuration, which the configuration's own checks let pass.
#[derive(Debug, thiserror::Error)]
#[error("{component}: {reason}")]
pub struct ComposeError {
    component: &'static str,
    reason: String,
}

impl ComposeError {
    fn of<E: std::fmt::Display>(component: &'static str) -> impl Fn(E) -> Self {
        move |error| Self { component, reason: error.to_string() }
    }

    fn of_all(component: &'static str, errors: &[impl std::fmt::Display]) -> Self {
        let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Self { component, reason: reasons.join("; ") }
    }
}

/// Verifies tokens by the configured keys; the throw-away `dev_secret` joins them with `--dev`.
pub fn authenticator(
    config: &Config,
    dev_secret: Option<&ws_auth::Secret>,
) -> Result<Authenticator, ComposeError> {
    let auth = &config.auth;
    let mut builder = Authenticator::builder();
    if auth.secret.is_some() || auth.public_key.is_some() || auth.jwks_url.is_some() {
        builder = builder.issuer(own_issuer(auth)?);
    }
    if let Some(supabase) = &auth.supabase {
        let issuer = Issuer::supabase(&supabase.domain, &*supabase.audience, &*supabase.issuer);
        builder = builder.issuer(bounded(issuer.leeway(auth.leeway), auth));
    }
    if let Some(secret) = dev_secret {
        builder = builder.issuer(Issuer::new("dev").secret(secret.clone()));
    }
    builder.build().map_err(|error: BuildError| ComposeError::of("authentication")(error))
}

/// Signs tokens that this gateway accepts, with a secret that it verifies with.
pub fn minter(config: &Config, secret: &ws_auth::Secret) -> Result<TokenMinter, ComposeError> {
    let mut minter = TokenMinter::new(secret).map_err(ComposeError::of("JWT_SECRET_KEY"))?;
    if let Some(issuer) = config.auth.issuers.first() {
        minter = minter.iss(issuer.as_str());
    }
    if let Some(audience) = config.auth.audiences.first() {
        minter = minter.audience(audience.as_str());
    }
    Ok(minter)
}

/// With the bound on how long its tokens live, if there is one.
fn bounded(issuer: Issuer, auth: &config::AuthSettings) -> Issuer {
    match auth.lifetime_max {
        Some(lifetime) => issuer.lifetime_max(lifetime),
        None => issuer,
    }
}

fn own_issuer(auth: &config::AuthSettings) -> Result<Issuer, ComposeError> {
    let mut issuer = bounded(Issuer::new("configured").leeway(auth.leeway), auth);
    if auth.tier_claim != "tier" {
        issuer = issuer.tier_claims([auth.tier_claim.as_str()]);
    }
    if let Some(secret) = &auth.secret {
        issuer = issuer.secret(ws_auth::Secret::new(secret.expose()));
    }
    if let Some(pem) = &auth.public_key {
        issuer = issuer.pem(pem.as_str());
    }
    if let Some(url) = &auth.jwks_url {
        issuer = issuer.jwks_url(url.to_string());
    }
    if !auth.algorithms.is_empty() {
        let algorithms: Result<Vec<_>, _> =
            auth.algorithms.iter().map(|name| Algorithm::from_str(name)).collect();
        issuer = issuer.algorithms(algorithms.map_err(ComposeError::of("JWT_ALGORITHMS"))?);
    }
    issuer = auth.issuers.iter().fold(issuer, |issuer, iss| issuer.iss(iss.as_str()));
    Ok(auth.audiences.iter().fold(issuer, |issuer, aud| issuer.audience(aud.as_str())))
}

/// When a client must say who it is.
pub fn auth_mode(config: &Config) -> AuthMode {
    match config.auth.mode {
        config::AuthMode::Upgrade => AuthMode::Upgrade,
        config::AuthMode::None => AuthMode::None,
        config::AuthMode::Message => AuthMode::Message {
            timeout: config.auth.timeout,
            pending_max: config.auth.pending_max as usize,
        },
    }
}

/// The web pages whose browsers may connect.
pub fn origins(config: &Config) -> Result<Origins, ComposeError> {
    match &config.server.allowed_origins {
        None => Ok(Origins::any()),
        Some(origins) => Origins::new(origins.iter().map(String::as_str))
            .map_err(ComposeError::of("ALLOWED_ORIGINS")),
    }
}

/// What may change while the gateway runs, with the hooks that judge.
pub fn policy(config: &Config, hooks: Option<&Hooks>) -> Result<Policy, ComposeError> {
    let settings = &config.channels;
    let rules = ChannelRules::compile(&settings.rules)
        .map_err(|faults| ComposeError::of_all("channels", &faults))?;
    let types = ConnectionTypes::compile(&settings.types)
        .map_err(|faults| ComposeError::of_all("connection_types", &faults))?;
    let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let channels_max = NonZeroUsize::new(settings.channels_max as usize);
    let keeper = hooks.filter(|hooks| hooks.judges()).cloned();
    Ok(Policy {
        connection: connection(config)?,
        auth_mode: auth_mode(config),
        auth_cookie: config.auth.cookie.as_deref().map(Box::from),
        origins: origins(config)?,
        trusted_proxies: trusted_proxies(config),
        limits: limits(config),
        rules: Arc::new(rules),
        types: Arc::new(types),
        tunnels: None,
        subscriptions: SubscriptionLimits {
            channels_per_subscriber_max: at_least_one(settings.per_connection_max),
            subscribers_per_channel_max: at_least_one(settings.connections_per_channel_max),
            channels_max: channels_max.unwrap_or(NonZeroUsize::MIN),
        },
        presence_users_max: settings.presence_users_max as usize,
        gatekeeper: keeper.map(|keeper| Arc::new(keeper) as Arc<dyn Gatekeeper>),
        json_ping: config.heartbeat.json_ping,
        heartbeat_ms: config.heartbeat.ping_interval.as_millis() as u64,
    })
}

/// What is told and remembered of channels.
pub fn channels(config: &Config, bridges: Option<&Bridges>) -> ChannelSettings {
    let settings = &config.channels;
    ChannelSettings {
        presence: PresenceConfig {
            grace: settings.presence_grace,
            batch_above: settings.presence_batch_above as usize,
            batch_interval: settings.presence_batch_interval,
            ..PresenceConfig::default()
        },
        published: settings
            .event_window
            .map(|window| PublishedEventsConfig { window, ..PublishedEventsConfig::default() }),
        event_cache: NonZeroU16::new(settings.event_cache_size),
        backlog_bytes_max: config.broker.queue_bytes_max,
        outward: bridges.map(|bridges| Arc::new(bridges.clone()) as Arc<dyn Outward>),
    }
}

/// permessage-deflate.
pub fn compression(config: &Config) -> CompressionManager {
    let settings = &config.compression;
    let compression = CompressionConfig::default()
        .with_enabled(settings.enabled)
        .with_level(Level::new(settings.level).unwrap_or(Level::BALANCED))
        .with_threshold_bytes(settings.threshold_bytes)
        .with_server_context_takeover(settings.context_takeover)
        .with_client_context_takeover(settings.context_takeover)
        .with_takeover_budget_bytes(settings.memory_bytes_max);
    CompressionManager::new(compression)
}

/// The limit of a message, and what is kept of those that break it.
pub fn validator(config: &Config) -> Result<Arc<FrameSizeValidator>, ComposeError> {
    Ok(Arc::new(FrameSizeValidator::new(sizes(config)?)))
}

fn sizes(config: &Config) -> Result<SizeLimits, ComposeError> {
    let frames = &config.frames;
    SizeLimits::new(frames.bytes_max, frames.warn_bytes)
        .map_err(ComposeError::of("FRAME_WARN_THRESHOLD"))
}

/// The protocol of each connection: heartbeat, sizes, idle and close deadlines.
pub fn connection(config: &Config) -> Result<Arc<ConnectionConfig>, ComposeError> {
    let heartbeat = &config.heartbeat;
    let heartbeat = HeartbeatConfig::new(
        heartbeat.ping_interval,
        heartbeat.pong_timeout,
        heartbeat.missed_pongs_max,
    )
    .map_err(ComposeError::of("heartbeat"))?;
    let pings = config.limits.pings_per_minute.and_then(NonZeroU32::new);
    let connection = ConnectionConfig::server()
        .with_heartbeat(Some(heartbeat))
        .with_idle_timeout(config.heartbeat.idle_timeout)
        .with_write_timeout(config.heartbeat.write_timeout)
        .with_sizes(sizes(config)?)
        .with_fragments_max(config.frames.fragments_max)
        .with_close_timeout(config.close.timeout)
        .with_ping_rate(pings.map(TokenBucket::per_minute));
    Ok(Arc::new(connection))
}

/// Who answers requests. Must be called within a tokio runtime.
pub fn upstream(config: &Config) -> Result<Upstream, ComposeError> {
    let settings = &config.upstream;
    let concurrency_max = settings.concurrency_max as usize;
    let answer_bytes_max = config.frames.bytes_max as usize;
    match &settings.target {
        UpstreamTarget::Unset => Ok(Upstream::unset()),
        UpstreamTarget::Echo => Ok(Upstream::echo()),
        UpstreamTarget::Nats { server, subject } => {
            let nats = engine::nats_config(config, std::slice::from_ref(server));
            nats.check().map_err(ComposeError::of("UPSTREAM"))?;
            let client = ws_broker_nats::Client::connect(nats);
            let (timeout, max) = (settings.timeout, answer_bytes_max);
            Ok(Upstream::nats(client, subject, timeout, concurrency_max, max))
        }
        UpstreamTarget::Http(url) => {
            Upstream::http(url, settings.timeout, concurrency_max, answer_bytes_max)
                .map_err(ComposeError::of("UPSTREAM"))
        }
    }
}

/// As [`upstream`], to take the place of another.
pub(crate) fn target(config: &Config) -> Result<Arc<Target>, ComposeError> {
    upstream(config).map(Upstream::into_target)
}

/// Who is asked about clients, and told of them.
pub fn hooks(
    config: &Config,
    clock: Arc<WallClock>,
    outcomes: Arc<Outcomes>,
) -> Result<Option<Hooks>, ComposeError> {
    Hooks::new(&config.hooks, clock, outcomes).map_err(ComposeError::of("hooks"))
}

/// Who is told of traces, if anybody is. Must be called within a tokio runtime.
pub(crate) fn traces(
    config: &Config,
    clock: Arc<WallClock>,
) -> Result<Option<Traces>, ComposeError> {
    Traces::start(&config.traces, clock).map_err(ComposeError::of("traces"))
}

/// The proxies whose word on a client's address is taken.
pub fn trusted_proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::new(config.server.trusted_proxies.iter().copied())
}

/// How the listener treats those who connect.
pub fn server(config: &Config, tls: Option<Arc<Certificates>>) -> ServerOptions {
    let head = HeadLimits { bytes_max: config.server.header_bytes_max, ..HeadLimits::default() };
    ServerOptions {
        handshake_timeout: config.server.handshake_timeout,
        head,
        proxy_protocol: config.server.proxy_protocol,
        tls,
        http2_streams_max: config.tls.http2_streams_max,
    }
}

/// What TLS is spoken with, read from its files; none where no certificate is set.
pub fn certificates(config: &Config) -> Result<Option<Arc<Certificates>>, ComposeError> {
    let certificates = Certificates::open(&config.tls).map_err(ComposeError::of("TLS"))?;
    Ok(certificates.map(Arc::new))
}

/// What takes the place of these certificates; they stay until it is installed.
pub(crate) fn other_certificates(
    certificates: &Certificates,
    config: &Config,
) -> Result<LoadedCertificates, ComposeError> {
    certificates.load(&config.tls).map_err(ComposeError::of("TLS"))
}

/// What a viewer of the console is told of the configuration.
pub(crate) fn console_settings(config: &Config) -> serde_json::Value {
    let auth_mode = match config.auth.mode {
        config::AuthMode::Upgrade => "upgrade",
        config::AuthMode::Message => "message",
        config::AuthMode::None => "none",
    };
    json!({
        "heartbeatMs": config.heartbeat.ping_interval.as_millis() as u64,
        "compressionEnabled": config.compression.enabled,
        "compressionThreshold": config.compression.threshold_bytes,
        "maxFrameSize": config.frames.bytes_max,
        "authMode": auth_mode,
        "messageRateLimit": config.limits.messages_per_minute,
    })
}

/// The console, which is there with `--dev` or with a key. `dev_key` is the key of this run, and `dev_secret`
/// the secret of this run, where none is configured.
pub(crate) fn console(
    config: &Config,
    dev_key: Option<&str>,
    dev_secret: Option<&ws_auth::Secret>,
) -> Option<ConsoleOptions> {
    let key = config.admin.key.as_ref().map(config::Secret::expose).or(dev_key)?;
    let configured = || config.auth.secret.as_ref().map(|it| ws_auth::Secret::new(it.expose()));
    let secret = dev_secret.cloned().or_else(configured).filter(|_| config.dev);
    Some(ConsoleOptions {
        key: Key::new(key),
        dev: config.dev,
        websocket_path: config.server.path.as_str().into(),
        settings: console_settings(config),
        minter: secret.and_then(|secret| minter(config, &secret).ok()),
    })
}
