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
    /// Whether other processes may listen on the same port, such as the one that takes this one's place.
    /// Default no.
    pub reuse_port: bool,
    /// How old a connection may become. Default `None`, written as zero: as old as it likes.
    pub lifetime_max: Option<Duration>,
    /// How many percent more connections than the mean of all nodes this one may have before it gives some
    /// away. Default `None`, written as zero: any number.
    pub rebalance_margin_percent: Option<u32>,
    /// How often nodes tell each other how many they have, and give some away. Default 10 s.
    pub rebalance_interval: Duration,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self {
            timeout: None,
            returns_per_second: NonZeroU32::new(1000),
            reuse_port: false,
            lifetime_max: None,
            rebalance_margin_percent: None,
            rebalance_interval: Duration::from_secs(10),
        }
    }
}

/// When connections are not taken in, so that those who are there keep their service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverloadSettings {
    /// How many connections a second are taken in. Default `None`, written as zero: all that come.
    pub accepts_per_second: Option<NonZeroU32>,
    /// How many bytes of memory the process may have in use before nobody is taken in. Default `None`,
    /// written as zero: nine tenths of the limit of its control group, if that has one.
    pub memory_bytes_max: Option<u64>,
}
