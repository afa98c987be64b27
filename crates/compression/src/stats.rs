//! Counters that threads do not fight over, and the snapshot that is read from them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a [`CompressionManager`](crate::CompressionManager) did so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressionStats {
    /// Messages that went out compressed.
    pub compressed_messages: u64,
    /// Their bytes before.
    pub compressed_bytes_before: u64,
    /// Their bytes after.
    pub compressed_bytes_after: u64,
    /// Messages sent plain because they were below the threshold (or the level is 0).
    pub plain_small_messages: u64,
    /// Messages sent plain because they would not have shrunk.
    pub plain_incompressible_messages: u64,
    /// Messages sent plain because the deflater failed.
    pub deflate_errors: u64,
    /// Messages that came in compressed and were inflated.
    pub inflated_messages: u64,
    /// Their bytes before.
    pub inflated_bytes_before: u64,
    /// Their bytes after.
    pub inflated_bytes_after: u64,
    /// Messages refused because they were not valid DEFLATE.
    pub inflate_errors: u64,
    /// Messages refused because they were longer than allowed.
    pub inflate_too_large: u64,
    /// Bytes reserved for context takeover by the connections that live now.
    pub takeover_bytes: usize,
    /// Connections that could have taken over their context and did not for want of budget.
    pub takeover_refused: u64,
    /// Bytes of the zlib contexts that lie ready in the pool.
    pub pool_bytes: usize,
}

impl CompressionStats {
    /// The size of compressed messages as a percentage of what they were: 25 means that a quarter
    /// of the bytes went out. 100 as long as nothing was compressed.
    pub fn ratio_percent(&self) -> f64 {
        if self.compressed_bytes_before == 0 {
            return 100.0;
        }
        self.compressed_bytes_after as f64 * 100.0 / self.compressed_bytes_before as f64
    }

    /// Bytes saved by each message that went out compressed; 0 as long as there was none.
    pub fn average_bytes_saved(&self) -> f64 {
        if self.compressed_messages == 0 {
            return 0.0;
        }
        let saved = self.compressed_bytes_before.saturating_sub(self.compressed_bytes_after);
        saved as f64 / self.compressed_messages as f64
    }
}

impl fmt::Display for CompressionStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "compressed {} messages to {:.1} % ({} of {} bytes, {:.0} saved each); \
             plain {} small, {} incompressible, {} after errors; \
             inflated {} messages ({} to {} bytes), refused {} corrupt, {} too large; \
             takeover holds {} bytes, refused {} times; pool holds {} bytes",
            self.compressed_messages,
            self.ratio_percent(),
            self.compressed_bytes_after,
            self.compressed_bytes_before,
            self.average_bytes_saved(),
            self.plain_small_messages,
            self.plain_incompressible_messages,
            self.deflate_errors,
            self.inflated_messages,
            self.inflated_bytes_before,
            self.inflated_bytes_after,
            self.inflate_errors,
            self.inflate_too_large,
            self.takeover_bytes,
            self.takeover_refused,
            self.pool_bytes,
        )
    }
}

/// One thread's share of the counters. Each shard has cache lines of its own, so that counting
/// costs an uncontended add.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    compressed_messages: AtomicU64,
    compressed_bytes_before: AtomicU64,
    compressed_bytes_after: AtomicU64,
    plain_small_messages: AtomicU64,
    plain_incompressible_messages: AtomicU64,
    deflate_errors: AtomicU64,
    inflated_messages: AtomicU64,
    inflated_bytes_before: AtomicU64,
    inflated_bytes_after: AtomicU64,
    inflate_errors: AtomicU64,
    inflate_too_large: AtomicU64,
    takeover_refused: AtomicU64,
}

impl Counters {
    pub(crate) fn compressed(&self, before: usize, after: usize) {
        self.compressed_messages.fetch_add(1, Relaxed);
        self.compressed_bytes_before.fetch_add(before as u64, Relaxed);
        self.compressed_bytes_after.fetch_add(after as u64, Relaxed);
    }

    pub(crate) fn plain_small(&self) {
        self.plain_small_messages.fetch_add(1, Relaxed);
    }

    pub(crate) fn plain_incompressible(&self) {
        self.plain_incompressible_messages.fetch_add(1, Relaxed);
    }

    pub(crate) fn deflate_error(&self) {
        self.deflate_errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn inflated(&self, before: usize, after: usize) {
        self.inflated_messages.fetch_add(1, Relaxed);
        self.inflated_bytes_before.fetch_add(before as u64, Relaxed);
        self.inflated_bytes_after.fetch_add(after as u64, Relaxed);
    }

    pub(crate) fn inflate_error(&self) {
        self.inflate_errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn inflate_too_large(&self) {
        self.inflate_too_large.fetch_add(1, Relaxed);
    }

    pub(crate) fn takeover_refused(&self) {
        self.takeover_refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_to(&self, sum: &mut CompressionStats) {
        sum.compressed_messages += self.compressed_messages.load(Relaxed);
        sum.compressed_bytes_before += self.compressed_bytes_before.load(Relaxed);
        sum.compressed_bytes_after += self.compressed_bytes_after.load(Relaxed);
        sum.plain_small_messages += self.plain_small_messages.load(Relaxed);
        sum.plain_incompressible_messages += self.plain_incompressible_messages.load(Relaxed);
        sum.deflate_errors += self.deflate_errors.load(Relaxed);
        sum.inflated_messages += self.inflated_messages.load(Relaxed);
        sum.inflated_bytes_before += self.inflated_bytes_before.load(Relaxed);
        sum.inflated_bytes_after += self.inflated_bytes_after.load(Relaxed);
        sum.inflate_errors += self.inflate_errors.load(Relaxed);
        sum.inflate_too_large += self.inflate_too_large.load(Relaxed);
        sum.takeover_refused += self.takeover_refused.load(Relaxed);
    }
}
