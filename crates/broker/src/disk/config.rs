//! What may be set.

use std::time::Duration;

/// How a [`Disk`](super::Disk) works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// Whether the disk is told to write (`fdatasync`) before anything is answered: what was answered survives a
    /// power cut. Without, it survives `kill -9` of the process alone, and a power cut may leave damage that is to be repaired. Default: on. One call serves all that wait.
    pub is_synced: bool,
    /// At most so many bytes of files. When they are reached, the oldest entries go from the logs that drop
    /// their oldest, whatever their `Keep` would allow; logs that refuse, and records, may fill half of it, and then
    /// say `Full`. Default: 4 GiB. At least four times `segment_bytes`.
    pub bytes_max: u64,
    /// At most so many bytes of entries in one log; beyond, it does what it does beyond `entries_max`. Default: 256 MiB.
    pub log_bytes_max: u64,
    /// At most so many entries in all logs: each takes 32 bytes of memory. When they are reached, the oldest go
    /// as with `bytes_max`. Default: 16,777,216.
    pub entries_max: u64,
    /// At most so many names of events in memory, about 100 bytes each beside the name; beyond, appends with an event
    /// are answered with `Overloaded` until a window has passed. Default: 1,000,000.
    pub events_max: u64,
    /// An entry, or the value of a record, is refused if it is larger. Default and at most: 16 MiB.
    pub payload_bytes_max: usize,
    /// How much may wait to be written before calls are answered with `Overloaded`. Default: 64 MiB.
    pub waiting_bytes_max: usize,
    /// The size of one file, each of which is held open. Files are given back as a whole, so that room comes back in such steps. Default: 64 MiB.
    pub segment_bytes: u64,
    /// A log with nothing in it, to which nothing is appended for so long, and that nobody follows, is
    /// forgotten: if it is used again, it has another epoch. Default: 7 days.
    pub forget_after: Duration,
    /// Whether damage in the midst of the data is dealt with: all that is sound is kept, and all logs have another
    /// epoch, as what was lost may be theirs. Without, [`Disk::open`](super::Disk::open) fails and says what is damaged. Default: off.
    pub is_repairing: bool,
}

const PAYLOAD_BYTES_MAX: usize = 16 << 20;

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            is_synced: true,
            bytes_max: 4 << 30,
            log_bytes_max: 256 << 20,
            entries_max: 1 << 24,
            events_max: 1_000_000,
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            waiting_bytes_max: 64 << 20,
            segment_bytes: 64 << 20,
            forget_after: Duration::from_secs(7 * 24 * 3600),
            is_repairing: false,
        }
    }
}

impl DiskConfig {
    /// With what cannot be put right.
    pub(super) fn within_bounds(mut self) -> Self {
        // Positions within a segment are 32 bits, and the last frame of one may be large.
        self.segment_bytes = self.segment_bytes.clamp(64 << 10, 1 << 30);
        self.bytes_max = self.bytes_max.max(4 * self.segment_bytes);
        self.payload_bytes_max = self.payload_bytes_max.min(PAYLOAD_BYTES_MAX);
        self
    }

    /// From here on the oldest entries go, so that the files stay within `bytes_max`.
    pub(super) fn bytes_wanted(&self) -> u64 {
        self.bytes_max - self.segment_bytes
    }

    /// What cannot be dropped may take so much.
    pub(super) fn pinned_bytes_max(&self) -> u64 {
        self.bytes_max / 2 - self.segment_bytes
    }
}
