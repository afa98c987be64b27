//! Counts of all traffic, kept apart for each thread so that connections share nothing they write.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use ws_connection::Tally;
use ws_frame_validator::FrameSizeValidator;

/// More shards than threads that a server is likely to have.
const SHARDS: usize = 16;

/// Traffic of all connections that share the meter.
#[derive(Debug, Default)]
pub struct Meter {
    shards: [Shard; SHARDS],
    sizes: Arc<FrameSizeValidator>,
}

/// What has passed through all connections of a [`Meter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes taken from sockets.
    pub bytes_received: u64,
    /// Frames of any kind that were received.
    pub frames_received: u64,
    /// Bytes that sockets took.
    pub bytes_sent: u64,
    /// Calls that wrote them.
    pub writes: u64,
}

/// Two cache lines, for the prefetcher takes them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    bytes_received: AtomicU64,
    frames_received: AtomicU64,
    bytes_sent: AtomicU64,
    writes: AtomicU64,
}

static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

impl Meter {
    /// A meter at zero whose message sizes go into `sizes`.
    pub fn new(sizes: Arc<FrameSizeValidator>) -> Self {
        Self { shards: Default::default(), sizes }
    }

    /// The statistics of message sizes and the log of violations.
    pub fn sizes(&self) -> &FrameSizeValidator {
        &self.sizes
    }

    /// Adds a thread's tally and empties it.
    pub(crate) fn absorb(&self, tally: &mut Tally) {
        if tally.bytes_received == 0 && tally.frames_received == 0 {
            return;
        }
        let shard = self.shard();
        add(&shard.bytes_received, tally.bytes_received);
        add(&shard.frames_received, tally.frames_received);
        if tally.sizes.frames() > 0 {
            self.sizes.absorb(&mut tally.sizes);
        }
        *tally = Tally::default();
    }

    pub(crate) fn note_write(&self, bytes: usize) {
        let shard = self.shard();
        add(&shard.bytes_sent, bytes as u64);
        add(&shard.writes, 1);
    }

    /// The sum over all threads.
    pub fn traffic(&self) -> Traffic {
        let mut total = Traffic::default();
        for shard in &self.shards {
            total.bytes_received += shard.bytes_received.load(Ordering::Relaxed);
            total.frames_received += shard.frames_received.load(Ordering::Relaxed);
            total.bytes_sent += shard.bytes_sent.load(Ordering::Relaxed);
            total.writes += shard.writes.load(Ordering::Relaxed);
        }
        total
    }

    fn shard(&self) -> &Shard {
        &self.shards[SHARD.with(|shard| *shard)]
    }
}

/// Sums of independent events: no other memory is published by them.
fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
