//! What the settings mean: checked values of plain types, grouped by the part that they are for.
//!
//! Nothing here remembers how or where a value was written. The `Default` of each group is that of
//! the table of settings; a test compares the two.

mod access;
mod channels;
mod drain;
mod engine;
mod tls;
mod traces;
mod traffic;
mod tunnels;

pub use access::{
    AdminSettings, AuthMode, AuthSettings, LimitSettings, Supabase, Tier, UpstreamSettings,
    UpstreamTarget,
};
pub use channels::{ApiSettings, ChannelSettings, HookFailure, HookSettings};
pub use drain::{DrainSettings, OverloadSettings};
pub use engine::{
    BridgeSpec, BrokerSettings, Direction, EngineKind, InboxSettings, NatsSettings, NatsStorage,
    RedisSettings, ServerAddress, StartMode,
};
pub use tls::{ClientCertificates, TlsSettings};
pub use traces::TraceSettings;
pub use traffic::{
    CloseSettings, CompressionSettings, FrameSettings, HeartbeatSettings, LogFormat, LogLevel,
    LogSettings, ServerSettings,
};
pub use tunnels::TunnelSettings;

/// Everything that the gateway can be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `--dev`: for a laptop. A throw-away secret where none is set, a printed token, the console.
    pub dev: bool,
    /// Where and how connections are accepted.
    pub server: ServerSettings,
    /// What TLS is spoken with.
    pub tls: TlsSettings,
    /// When a peer is dead, or has nothing to say.
    pub heartbeat: HeartbeatSettings,
    /// permessage-deflate.
    pub compression: CompressionSettings,
    /// How large a message may be.
    pub frames: FrameSettings,
    /// How connections end.
    pub close: CloseSettings,
    /// How they are sent elsewhere.
    pub drain: DrainSettings,
    /// When they are not taken in.
    pub overload: OverloadSettings,
    /// Who may come in.
    pub auth: AuthSettings,
    /// How much of everything.
    pub limits: LimitSettings,
    /// Who may use which channel.
    pub channels: ChannelSettings,
    /// Which engine is between nodes and behind them.
    pub broker: BrokerSettings,
    /// The Redis server or servers.
    pub redis: RedisSettings,
    /// The NATS server or servers, and what passes between them and channels.
    pub nats: NatsSettings,
    /// What is kept for users who are away.
    pub inbox: InboxSettings,
    /// Where tunnels may lead.
    pub tunnels: TunnelSettings,
    /// Who answers requests.
    pub upstream: UpstreamSettings,
    /// Who is asked about clients, or told of them.
    pub hooks: HookSettings,
    /// What back-ends may ask for.
    pub api: ApiSettings,
    /// Who may look inside.
    pub admin: AdminSettings,
    /// What is told about it.
    pub log: LogSettings,
    /// What is told of whose request led to what.
    pub traces: TraceSettings,
}
