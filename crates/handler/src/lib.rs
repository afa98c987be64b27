//! The life of a gateway connection: admit, authenticate, register, route, limit, deliver, close.
//!
//! [`WebSocketHandler`] composes the crates below it (transport, authenticator, limiters,
//! compression, frame validator, heartbeat) around an [`Application`] of yours: it judges upgrade
//! requests, keeps track of connections by name and by user, answers pings, enforces limits on a
//! ladder (drop, tell, close), routes requests to the application and their answers back, and ends
//! connections with codes that say whether to come back.
//!
//! # What it does not do
//! It opens no listener, serves no HTTP beside the answer to an upgrade, and reads no configuration.
#![forbid(unsafe_code)]

mod address;
mod admission;
mod application;
mod client;
mod clock;
mod config;
mod counts;
mod drain;
mod expiry;
mod handler;
mod health;
mod lifecycle;
mod registry;
mod rejection;
mod session;
mod stats;

pub use address::TrustedProxies;
pub use admission::Admission;
pub use application::{Application, LateResponder, Responder};
pub use client::{Client, ConnectionId};
pub use clock::WallClock;
pub use config::{AuthMode, HandlerConfig, Limits};
pub use handler::WebSocketHandler;
pub use health::Health;
pub use rejection::Rejection;
pub use session::GatewaySession;
pub use stats::{HandlerStats, Histogram};
