//! A client that comes back: reconnects, recovers what it missed, keeps what it could not send.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod backoff;
mod book;
mod builder;
mod calls;
mod client;
mod dial;
mod driver;
mod duplicates;
mod error;
mod inbox;
mod incoming;
mod letters;
mod liveness;
mod machine;
mod mailbox;
mod network;
mod news;
mod pool;
mod probe;
pub mod queue;
mod room;
mod subscription;

pub use backoff::{Backoff, BackoffConfig, Jitter};
pub use builder::{ClientBuilder, TokenError, TokenIn};
pub use client::{
    Client, ClientEvent, Metrics, Pending, PublishOptions, Published, RequestOptions, SendOptions,
    Sent, State, SubscribeOptions,
};
pub use dial::{Connect, Connecting, Credential, DialError, Dialer, DialerConfig, Socket, Wire};
pub use duplicates::Duplicates;
pub use error::{Error, Refusal, Stopped};
pub use inbox::{Inbox, Letter};
pub use liveness::{Liveness, Verdict};
pub use network::{NetworkSource, NetworkStatus, NextAttempt};
pub use news::{ChannelMessage, Gap, GapReason, News, Position, Presence, PresenceChange};
pub use pool::{Pool, PoolConfig, PoolError, PoolMetrics, Poolable, Pooled};
pub use probe::{HealthProbe, ProbeConfig};
pub use queue::{Priority, QueueConfig};
pub use room::Room;
pub use subscription::Subscription;
