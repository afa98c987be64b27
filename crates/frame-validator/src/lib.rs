//! Size limits on WebSocket frames and messages, with violations and statistics.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod error;
mod limits;
mod statistics;
mod tally;
mod validator;
mod violations;

pub use config::ValidatorConfig;
pub use error::{ConfigError, TooLarge};
pub use limits::{SizeLimits, SizeVerdict};
pub use statistics::SizeStats;
pub use tally::SizeTally;
pub use validator::{FrameSizeValidator, SizeSummary, Validation};
pub use violations::Violation;
