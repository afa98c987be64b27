//! zlib contexts that wait for the next message, sharded by thread.
//!
//! A context is borrowed for one call and given back reset, so as many are in use as threads
//! deflate or inflate at the same instant. Each thread has a home shard: it finds the context that
//! it used last, still in its cache, behind a lock that nobody else wants.
//!
//! Not thread-local: those would outlive the manager, could not be counted or trimmed, and exist
//! once for each thread that ever passed by. What that would save was measured: borrowing, giving back
//! and counting take 80 ns together, where a message of 1 KiB takes 6 µs or more to deflate, and eight
//! threads on two cores were no slower than with thread-local contexts.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use flate2::{Compress, Compression, Decompress};
use parking_lot::Mutex;

use crate::stats::Counters;
use crate::{Level, WindowBits};

/// More than the threads that deflate at once on any machine we know; a shard that no thread calls
/// home costs 256 bytes.
const SHARDS: usize = 32;

/// What zlib-rs allocates for an inflater, whatever its window. Measured; a test holds it true.
pub(crate) const INFLATER_BYTES: usize = 47_552;

/// What zlib-rs allocates for a deflater: hash table, symbol and output buffers, and four times the
/// window. Measured; a test holds it true.
pub(crate) const fn deflater_bytes(bits: WindowBits) -> usize {
    248_960 + (4 << bits.deflater_bits())
}

pub(crate) struct Pool {
    shards: Box<[Shard]>,
}

/// Two cache lines' alignment: neighbours are fetched in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    contexts: Mutex<Contexts>,
    counters: Counters,
}

/// At most one context of each kind. Boxed, so that moving one in or out moves a pointer.
#[derive(Default)]
struct Contexts {
    deflaters: [Option<Box<Compress>>; WindowBits::COUNT],
    inflater: Option<Box<Decompress>>,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }

    /// The counters of the calling thread's home shard.
    pub(crate) fn counters(&self) -> &Counters {
        &self.shards[home()].counters
    }

    pub(crate) fn all_counters(&self) -> impl Iterator<Item = &Counters> {
        self.shards.iter().map(|shard| &shard.counters)
    }

    /// A deflater as if new.
    pub(crate) fn take_deflater(&self, bits: WindowBits, level: Level) -> Box<Compress> {
        let taken =
            self.near().find_map(|shard| shard.contexts.lock().deflaters[bits.index()].take());
        taken.unwrap_or_else(|| {
            let level = Compression::new(level.get().into());
            Box::new(Compress::new_with_window_bits(level, false, bits.deflater_bits()))
        })
    }

    /// Only contexts that did not fail come back.
    pub(crate) fn give_deflater(&self, bits: WindowBits, mut deflater: Box<Compress>) {
        deflater.reset();
        self.put(deflater, |contexts| &mut contexts.deflaters[bits.index()]);
    }

    /// An inflater as if new. zlib-rs gives every inflater the full window, so that one serves all.
    pub(crate) fn take_inflater(&self) -> Box<Decompress> {
        let taken = self.near().find_map(|shard| shard.contexts.lock().inflater.take());
        taken.unwrap_or_else(|| Box::new(Decompress::new(false)))
    }

    pub(crate) fn give_inflater(&self, mut inflater: Box<Decompress>) {
        inflater.reset(false);
        self.put(inflater, |contexts| &mut contexts.inflater);
    }

    /// Frees everything that lies ready.
    pub(crate) fn trim(&self) {
        for shard in &self.shards {
            let contexts = std::mem::take(&mut *shard.contexts.lock());
            // Freed behind the lock.
            drop(contexts);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.contexts.lock().bytes()).sum()
    }

    /// Into the first free slot near home; dropped if there is none, which bounds the pool.
    fn put<T>(&self, context: T, slot: impl Fn(&mut Contexts) -> &mut Option<T>) {
        for shard in self.near() {
            let mut contexts = shard.contexts.lock();
            let slot = slot(&mut contexts);
            if slot.is_none() {
                *slot = Some(context);
                return;
            }
        }
    }

    /// Puts a context of any state in this thread's slot.
    #[cfg(test)]
    pub(crate) fn lend_for_test(&self, bits: WindowBits, deflater: Compress) {
        self.put(Box::new(deflater), |contexts| &mut contexts.deflaters[bits.index()]);
    }

    /// The home shard and its neighbour, for the case that two busy threads share a home.
    fn near(&self) -> impl Iterator<Item = &Shard> {
        let home = home();
        [home, (home + 1) % SHARDS].into_iter().map(|index| &self.shards[index])
    }
}

impl Contexts {
    fn bytes(&self) -> usize {
        let deflaters = (WindowBits::MIN.get()..=WindowBits::MAX.get())
            .filter_map(WindowBits::new)
            .filter(|bits| self.deflaters[bits.index()].is_some())
            .map(deflater_bytes);
        let inflater = self.inflater.as_ref().map_or(0, |_| INFLATER_BYTES);
        deflaters.sum::<usize>() + inflater
    }
}

/// Threads are numbered as they first come by.
fn home() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static HOME: usize = NEXT.fetch_add(1, Relaxed) % SHARDS;
    }
    // Only a thread that is just ending has none any more.
    HOME.try_with(|home| *home).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{INFLATER_BYTES, Pool, deflater_bytes};
    use crate::{Level, WindowBits};

    #[test]
    fn a_context_comes_back_and_the_pool_stays_bounded() {
        let pool = Pool::new();
        let bits = WindowBits::MAX;
        let taken: Vec<_> = (0..5).map(|_| pool.take_deflater(bits, Level::FAST)).collect();
        assert_eq!(pool.bytes(), 0);
        for deflater in taken {
            pool.give_deflater(bits, deflater);
        }
        assert_eq!(pool.bytes(), 2 * deflater_bytes(bits), "home and its neighbour, no more");
        pool.give_inflater(pool.take_inflater());
        assert_eq!(pool.bytes(), 2 * deflater_bytes(bits) + INFLATER_BYTES);
        pool.trim();
        assert_eq!(pool.bytes(), 0);
    }
}
