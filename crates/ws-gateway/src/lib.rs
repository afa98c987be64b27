//! A WebSocket gateway composed of focused crates: the binary's library.
//!
//! [`Gateway`] composes the components in the order of the README's integration example; the binary
//! adds configuration, logs and signals. What a picker could want lives in the crates below, not
//! here.
#![forbid(unsafe_code)]

mod api;
mod bridges;
mod causes;
pub mod compose;
pub mod config;
mod connect;
mod console;
mod files;
mod framing;
mod gateway;
mod health;
mod hooks;
mod http;
pub mod inherited;
mod inspector;
mod listener;
pub mod logging;
mod memory;
mod metered;
mod metrics;
pub mod notify;
pub mod open_files;
mod outcomes;
mod proxy;
mod reload;
mod report;
mod server;
mod signals;
pub mod terminal;
mod tls;
mod traces;
mod tunnels;
mod under_way;
mod upstream;

pub use bridges::Bridges;
pub use connect::{ConnectError, connect};
pub use files::Files;
pub use gateway::{Gateway, StartError};
pub use health::{HealthError, health};
pub use hooks::Hooks;
pub use http::Http;
pub use metered::{EngineCounts, Metered};
pub use metrics::Metrics;
pub use outcomes::Outcomes;
pub use reload::{Change, LiveAuthenticator, ReloadError, ReloadReport, Reloader};
pub use server::{Server, ServerOptions};
pub use signals::{Hangups, Signals};
pub use tls::{Certificates, CertificatesError, LoadedCertificates};
pub use upstream::Upstream;
