//! The bounds of the queue, and how often it tries.

use std::time::Duration;

/// How much a client keeps for sending, and how it sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// How many entries of each priority may wait for being sent or answered. A call beyond it
    /// fails at once.
    pub entries_max: usize,
    /// How many bytes may wait in all priorities together. Nothing larger can be sent.
    pub bytes_max: usize,
    /// How many messages of one priority may be unanswered at a time; zero counts as one. With one
    /// the order is strict. More is faster where the way is long, and lets a message that was
    /// refused for a while arrive behind its successors.
    pub in_flight_max: usize,
    /// How often in a row a priority may be passed over for higher ones while it has something to
    /// send. Below three, with four priorities, it is met as well as can be.
    pub passes_max: u32,
    /// How often a message may be refused for a while before its call fails. One, like zero, means
    /// that it is not tried again.
    pub refusals_max: u32,
    /// How long to wait after the first refusal that names no time; twice that after the second,
    /// and so on.
    pub retry_delay: Duration,
    /// How many lost connections a message may have been sent on and still go again; `None`: any
    /// number of them.
    pub losses_max: Option<u32>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            entries_max: 1_000,
            bytes_max: 1024 * 1024,
            in_flight_max: 1,
            passes_max: 8,
            refusals_max: 3,
            retry_delay: Duration::from_secs(1),
            losses_max: None,
        }
    }
}
