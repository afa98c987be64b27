//! An allocator that counts, for each thread by itself, so that tests beside each other do not mix.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one counts and passes on")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
};

struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Calls of the allocator by this thread; one that grows a buffer counts like a new one.
pub(crate) fn allocations() -> usize {
    CALLS.get()
}

/// Bytes that this thread has allocated and not freed.
pub(crate) fn live_bytes() -> isize {
    LIVE.get()
}

fn count(change: isize) {
    LIVE.set(LIVE.get() + change);
    CALLS.set(CALLS.get() + usize::from(change > 0));
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counters are plain
// thread-local cells that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_counter_counts_each_growth_and_forgets_what_is_freed() {
    let (calls, bytes) = (allocations(), live_bytes());
    let mut held: Vec<u8> = black_box(Vec::with_capacity(100));
    assert_eq!((allocations() - calls, live_bytes() - bytes), (1, 100));
    held.reserve_exact(black_box(1000));
    assert_eq!((allocations() - calls, live_bytes() - bytes), (2, 1000));
    drop(held);
    assert_eq!((allocations() - calls, live_bytes() - bytes), (2, 0));
}
