//! WebSockets that carry bytes to TCP addresses from a list, bounded both ways.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod config;
mod end;
mod lane;
mod link;
mod permits;
mod pump;
mod session;
mod stats;
mod target;
#[cfg(test)]
mod tests;
mod tunnels;

pub use client::{BridgeError, Bridged, bridge};
pub use config::TunnelConfig;
pub use end::{Refused, TunnelEnd};
pub use session::Tunnel;
pub use stats::TunnelStats;
pub use target::{Target, TargetError, Targets};
pub use tunnels::{Reservation, Tunnels};

/// The subprotocol in which an empty binary message means that no more bytes follow in its direction.
/// Without it, a side that has finished ends the connection.
pub const SUBPROTOCOL: &str = "ws-tunnel.v1";
