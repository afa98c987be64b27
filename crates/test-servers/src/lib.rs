//! A redis-server and a nats-server for tests: started, paused, killed and restarted on loopback.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod folder;
mod nats;
mod ports;
mod process;
mod program;
mod redis;
pub mod tls;
mod waiting;

pub use error::ServerError;
pub use nats::{Nats, NatsCluster, NatsLogin, NatsOptions};
pub use ports::free as free_ports;
pub use process::Process;
pub use redis::{Redis, RedisCluster, RedisOptions};
