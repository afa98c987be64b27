//! What a memory engine holds, and what it did.

use std::iter::Sum;

/// What a [`Memory`](crate::Memory) engine holds now, and what it did since its start. The nodes of a
/// [`MemoryCluster`](crate::MemoryCluster) share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Of its logs.
    pub logs: LogStats,
    /// Records that there are.
    pub records: usize,
    /// The memory that they take.
    pub records_bytes: usize,
    /// Topics that somebody is subscribed to.
    pub topics: usize,
}

/// What there is of logs, and what was done to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Logs with entries, or with events that are remembered.
    pub logs: usize,
    /// Logs of which only the position is left.
    pub heads: usize,
    /// Logs that somebody follows.
    pub followed: usize,
    /// Entries that are kept.
    pub entries: usize,
    /// The memory that the logs take.
    pub bytes: usize,
    /// Entries that were appended.
    pub appended: u64,
    /// Appends of an event that was there already.
    pub repeated: u64,
    /// Appends that were refused because the log was full.
    pub refused: u64,
    /// Calls that were refused because too much waited for the listeners.
    pub overloaded: u64,
    /// Pages that were read.
    pub reads: u64,
    /// Entries that were read.
    pub entries_read: u64,
    /// Entries that were taken out.
    pub removed: u64,
    /// Entries that became too old.
    pub expired: u64,
    /// Logs whose entries went because all logs together took too much memory.
    pub evicted_logs: u64,
    /// Entries that went with them.
    pub evicted_entries: u64,
    /// Positions that were forgotten because there were too many.
    pub forgotten: u64,
}

impl Sum for LogStats {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            logs: sum.logs + part.logs,
            heads: sum.heads + part.heads,
            followed: sum.followed + part.followed,
            entries: sum.entries + part.entries,
            bytes: sum.bytes + part.bytes,
            appended: sum.appended + part.appended,
            repeated: sum.repeated + part.repeated,
            refused: sum.refused + part.refused,
            overloaded: sum.overloaded + part.overloaded,
            reads: sum.reads + part.reads,
            entries_read: sum.entries_read + part.entries_read,
            removed: sum.removed + part.removed,
            expired: sum.expired + part.expired,
            evicted_logs: sum.evicted_logs + part.evicted_logs,
            evicted_entries: sum.evicted_entries + part.evicted_entries,
            forgotten: sum.forgotten + part.forgotten,
        })
    }
}
