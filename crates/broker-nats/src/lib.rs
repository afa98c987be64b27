#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod api;
mod client;
mod clock;
mod config;
mod engine;
mod error;
mod link;
mod logs;
mod names;
mod records;
mod stats;
mod streams;
mod topics;

pub use client::{Arrival, Bridge, Client, Headers};
pub use config::{Login, NatsConfig, Storage, Tls};
pub use engine::Nats;
pub use error::{RequestError, StartError};
pub use stats::NatsStats;
