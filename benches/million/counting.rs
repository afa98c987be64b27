//! An allocator that knows how much of the heap is in use.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one counts and passes on")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    sync::atomic::{AtomicIsize, AtomicUsize, Ordering},
};

#[cfg(not(target_os = "linux"))]
use std::alloc::System as Inner;
#[cfg(target_os = "linux")]
use tikv_jemallocator::Jemalloc as Inner;

/// The allocator of the gateway's binary, counted as a program asked for it: without what it adds for
/// itself.
struct Counting;

/// More than there are threads, so that counting is shared by no two of them.
const SHARDS: usize = 64;

/// Sizes are told apart by eights up to here: larger ones are no connection's own.
const SIZE_MAX: usize = 2048;

/// On cache lines of its own, and on the one that the prefetcher takes with it.
#[repr(align(128))]
struct Shard {
    live_bytes: AtomicIsize,
    calls: AtomicUsize,
    /// How many allocations of each size are in use.
    live: [AtomicIsize; SIZE_MAX / 8 + 1],
}

impl Shard {
    const fn new() -> Self {
        Self {
            live_bytes: AtomicIsize::new(0),
            calls: AtomicUsize::new(0),
            live: [const { AtomicIsize::new(0) }; SIZE_MAX / 8 + 1],
        }
    }
}

static COUNTS: [Shard; SHARDS] = [const { Shard::new() }; SHARDS];
static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
}

fn count(taken: usize, given_back: usize) {
    let index = SHARD.get().unwrap_or_else(|| {
        let index = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
        SHARD.set(Some(index));
        index
    });
    let shard = &COUNTS[index];
    shard.live_bytes.fetch_add(taken as isize - given_back as isize, Ordering::Relaxed);
    if taken > 0 {
        shard.calls.fetch_add(1, Ordering::Relaxed);
    }
    for (size, change) in [(taken, 1), (given_back, -1)] {
        if (1..=SIZE_MAX).contains(&size) {
            shard.live[size.div_ceil(8)].fetch_add(change, Ordering::Relaxed);
        }
    }
}

/// Bytes that are allocated now.
pub(crate) fn live_bytes() -> usize {
    let sum: isize = COUNTS.iter().map(|shard| shard.live_bytes.load(Ordering::Relaxed)).sum();
    sum.max(0) as usize
}

/// How many allocations of each size are in use, by eights.
pub(crate) fn live_by_size() -> Vec<isize> {
    let of_size =
        |index: usize| COUNTS.iter().map(|shard| shard.live[index].load(Ordering::Relaxed)).sum();
    (0..=SIZE_MAX / 8).map(of_size).collect()
}

/// Allocations so far.
pub(crate) fn calls() -> usize {
    COUNTS.iter().map(|shard| shard.calls.load(Ordering::Relaxed)).sum()
}

// SAFETY: every call is passed on unchanged; the counters are statics and
// a thread-local cell that needs neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promised us.
        unsafe { Inner.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promised us.
        unsafe { Inner.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as the caller promised us.
        unsafe { Inner.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as the caller promised us.
        unsafe { Inner.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
