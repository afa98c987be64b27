//! How connections are sent elsewhere, and when they are not taken in.

use std::num::NonZeroU32;
use std::time::Duration;

/// How connections are sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long a drain of all takes at most. Default `None`, written as zero: as long as one peer may take
    /// to answer its close.
    pub timeout: Option<Duration>,
    /// How many clients a second may come back to the others of the fleet. Default 1,000; `None`, written as
    /// zero: nobody is told when to come back.
    pub returns_per_second: Option<NonZeroU32>,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self { timeout: None, returns_per_second: NonZeroU32::new(1000) }
    }
}
