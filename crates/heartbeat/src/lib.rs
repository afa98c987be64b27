//! When to ping a WebSocket peer, when it is dead, and how long a round trip took.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod cuts;
mod error;
mod heartbeat;
mod manager;
mod stats;
#[cfg(feature = "tokio")]
mod stream;

pub use config::HeartbeatConfig;
pub use cuts::{Culprit, Cuts, Suspect};
pub use error::ConfigError;
pub use heartbeat::{Action, Heartbeat};
pub use manager::HeartbeatManager;
pub use stats::{HeartbeatStats, HeartbeatSummary, Latency};
#[cfg(feature = "tokio")]
pub use stream::HeartbeatStream;
