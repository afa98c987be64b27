//! What an append allocates, and whether the bound over all logs counts what they take. A test binary of
//! its own: the counter is the allocator's.

#![expect(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    num::NonZeroU32,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use ws_broker::{Engine, Keep, Log, Memory, MemoryConfig, WhenFull};

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

/// What glibc's allocator takes for so many bytes.
fn chunk(bytes: usize) -> isize {
    (bytes + 8).next_multiple_of(16).max(32) as isize
}

// SAFETY: everything is passed on to the system's allocator as it came. The counters are constant-initialized
// thread locals without destructors, so that touching them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.set(BYTES.get() + chunk(layout.size()));
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get() - chunk(layout.size()));
        // SAFETY: the caller's promise is ours.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        BYTES.set(BYTES.get() + chunk(new_size) - chunk(layout.size()));
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promise is ours.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(100).unwrap(),
    ttl: Duration::from_secs(3600),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};

fn append(engine: &Memory, name: &str, payload: Bytes, event: Option<&str>) {
    let answer = engine.append(&Log { name, keep: &KEEP }, payload, event);
    answer.now_or_never().unwrap().unwrap();
}

#[test]
fn an_append_to_a_full_log_allocates_its_answer_and_nothing_else() {
    let engine = Memory::new();
    let payload = Bytes::from_static(b"an entry");
    for _ in 0..200 {
        append(&engine, "h:a", payload.clone(), None);
    }
    let before = CALLS.get();
    for _ in 0..1_000 {
        append(&engine, "h:a", payload.clone(), None);
    }
    assert_eq!(CALLS.get() - before, 1_000);
}

#[test]
fn the_bound_counts_what_logs_take() {
    for (case, logs, entries, bytes, has_event) in [
        ("many small logs", 5_000, 1, 20, false),
        ("long logs", 20, 100, 200, false),
        ("logs with events", 100, 100, 50, true),
        ("large entries", 50, 10, 5_000, false),
    ] {
        let config = MemoryConfig { logs_bytes_max: usize::MAX, ..MemoryConfig::default() };
        let engine = Memory::with_config(config);
        let names: Vec<String> = (0..logs).map(|number| format!("h:channel:{number:06}")).collect();
        let before = BYTES.get();
        for name in &names {
            for number in 0..entries {
                let event = has_event.then(|| format!("{number:032x}"));
                append(&engine, name, Bytes::from(vec![b'x'; bytes]), event.as_deref());
            }
        }
        let taken = (BYTES.get() - before) as f64;
        let counted = engine.stats().logs.bytes as f64;
        let ratio = counted / taken;
        assert!((0.75..1.33).contains(&ratio), "{case}: {counted} counted, {taken} taken");
        println!("{case}: {:.0} bytes a log, {ratio:.2} of it counted", taken / f64::from(logs));
    }
}
