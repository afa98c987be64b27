//! A load tool for WebSocket servers.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arguments;
mod clock;
mod command;
mod course;
mod credentials;
mod engine;
mod errand;
mod plan;
mod record;
mod report;
mod scale;
mod scenario;
mod schedule;
mod server_stats;
mod siege;
mod soak;
mod stamp;
mod target;
mod template;
mod torture;

pub use command::run;
pub use scale::run as scale;
pub use siege::run as siege;
pub use soak::run as soak;
pub use torture::run as torture;
