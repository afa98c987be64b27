#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answers;
mod backoff;
mod budget;
mod config;
mod ear;
mod endpoint;
mod error;
mod follows;
mod greeting;
mod health;
mod hub;
mod lane;
mod link;
mod names;
mod redis;
mod scripts;
mod server;
mod stats;
mod topology;

pub use self::config::{RedisConfig, TlsConfig};
pub use self::error::{ConfigError, StartError};
pub use self::redis::Redis;
pub use self::stats::RedisStats;
