//! What is counted, for metrics.

/// What was done since the start, and what waits now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatsStats {
    /// Messages published in topics.
    pub published: u64,
    /// Messages of topics that came.
    pub received: u64,
    /// Entries appended.
    pub appended: u64,
    /// Entries that came of followed logs.
    pub followed: u64,
    /// Entries read.
    pub read: u64,
    /// What was refused because too much was under way.
    pub overloads: u64,
    /// Answers that did not come in time.
    pub late: u64,
    /// Messages that the client library dropped because they came faster than they were taken.
    pub missed: u64,
    /// Connections that were made.
    pub connects: u64,
    /// Calls that wait for an answer.
    pub calls_waiting: u64,
    /// Bytes that wait to be written to the connection.
    pub bytes_queued: u64,
}
