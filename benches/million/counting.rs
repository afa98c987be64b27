//! An allocator that knows how much of the heap is in use.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one counts and passes on")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicIsize, AtomicUsize, Ordering},
};

/// The system's allocator, counted as a program asked for it: without what it adds for itself.
struct Counting;

/// More than there are threads, so that counting is shared by no two of them.
const SHARDS: usize = 64;

/// On a cache line of its own, and on the one that the prefetcher takes with it.
#[repr(align(128))]
struct Shard {
    live_bytes: AtomicIsize,
    calls: AtomicUsize,
}

static COUNTS: [Shard; SHARDS] =
    [const { Shard { live_bytes: AtomicIsize::new(0), calls: AtomicUsize::new(0) } }; SHARDS];
static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
}

fn count(bytes: isize) {
    let index = SHARD.get().unwrap_or_else(|| {
        let index = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
        SHARD.set(Some(index));
        index
    });
    COUNTS[index].live_bytes.fetch_add(bytes, Ordering::Relaxed);
    COUNTS[index].calls.fetch_add(usize::from(bytes > 0), Ordering::Relaxed);
}

/// Bytes that are allocated now.
pub(crate) fn live_bytes() -> usize {
    let sum: isize = COUNTS.iter().map(|shard| shard.live_bytes.load(Ordering::Relaxed)).sum();
    sum.max(0) as usize
}

/// Allocations so far.
pub(crate) fn calls() -> usize {
    COUNTS.iter().map(|shard| shard.calls.load(Ordering::Relaxed)).sum()
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counters are statics and
// a thread-local cell that needs neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
