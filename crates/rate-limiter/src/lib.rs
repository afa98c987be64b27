//! Token buckets and windows, keyed, tiered, bounded in memory.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod algorithm;
mod bucket;
#[cfg(test)]
mod clock;
mod config;
mod error;
mod fixed_window;
mod ip_key;
mod keyed;
mod ladder;
mod leased;
mod limit;
mod mode;
mod price;
mod sliding_window;
mod tiered;

pub use algorithm::{AnyLimit, AnyState};
pub use bucket::{BucketState, TokenBucket};
pub use config::{Algorithm, LimitConfig};
pub use error::{ConfigError, Denied, DeniedReason};
pub use fixed_window::{FixedWindow, FixedWindowState};
pub use ip_key::{IpKey, ip_key};
pub use keyed::{KeyedLimiter, LimiterStats};
pub use ladder::{Ladder, Strikes, Verdict};
pub use leased::{Claim, LeaseStats, LeasedLimiter, Settlement, is_account_over};
pub use limit::Limit;
pub use mode::Mode;
pub use price::Price;
pub use sliding_window::{SlidingWindow, SlidingWindowState};
pub use tiered::{TierId, TieredLimiter};
