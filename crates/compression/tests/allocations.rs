//! What is allocated, counted: nothing for a message once warm, and as much as the documentation
//! says for everything else.

#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one counts and passes on")]
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[path = "material/text.rs"]
mod text;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use flate2::{Compress, Compression, Decompress, FlushCompress};
use ws_compression::{
    CompressionConfig, CompressionManager, InflateError, Outcome, Params, Role, WindowBits,
};

/// Counts for each thread by itself, so that tests that run beside each other do not mix.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    LIVE.set(LIVE.get() + change);
    PEAK.set(PEAK.get().max(LIVE.get()));
    if change > 0 {
        CALLS.set(CALLS.get() + 1);
    }
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

struct Measured {
    calls: usize,
    kept_bytes: isize,
    peak_bytes: isize,
}

fn measure<T>(work: impl FnOnce() -> T) -> (T, Measured) {
    let (calls, live) = (CALLS.get(), LIVE.get());
    PEAK.set(live);
    let result = work();
    let measured = Measured {
        calls: CALLS.get() - calls,
        kept_bytes: LIVE.get() - live,
        peak_bytes: PEAK.get() - live,
    };
    (result, measured)
}

fn params(takeover: bool, bits: u8) -> Params {
    let bits = WindowBits::new(bits).unwrap();
    Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: bits,
        client_max_window_bits: bits,
    }
}

#[test]
fn nothing_is_allocated_for_a_message_once_warm() {
    let manager = CompressionManager::new(CompressionConfig::default().with_threshold_bytes(0));
    let messages: Vec<_> = (0..8).map(|seed| text::json(600 + 500 * seed, seed as u64)).collect();
    let incompressible = text::noise(2000, 1);
    for takeover in [false, true] {
        let mut server = manager.codec(Role::Server, params(takeover, 15));
        let mut client = manager.codec(Role::Client, params(takeover, 15));
        let (mut payload, mut back) = (Vec::new(), Vec::new());
        let mut echo = || {
            for message in &messages {
                payload.clear();
                back.clear();
                assert_eq!(server.compress(message, &mut payload), Outcome::Compressed);
                client.decompress(&payload, 1 << 20, &mut back).unwrap();
                assert_eq!(&back, message);
            }
            payload.clear();
            assert_eq!(server.compress(&incompressible, &mut payload), Outcome::Plain);
        };
        for _ in 0..16 {
            echo();
        }
        let ((), warm) = measure(|| (0..16).for_each(|_| echo()));
        assert_eq!((warm.calls, warm.kept_bytes), (0, 0), "takeover {takeover}");
    }
}

#[test]
fn a_connection_without_takeover_owns_nothing_but_itself() {
    let manager = CompressionManager::create_default();
    let (codec, made) = measure(|| manager.codec(Role::Server, params(false, 15)));
    assert_eq!((made.calls, made.kept_bytes), (0, 0));
    assert_eq!(size_of_val(&codec), 24);

    let (mut codec, mut out) = (codec, Vec::with_capacity(10_000));
    let message = text::json(4000, 1);
    assert_eq!(codec.compress(&message, &mut out), Outcome::Compressed);
    let ((), freed) = measure(|| manager.trim());
    assert!(freed.kept_bytes < 0, "the context was the pool's");
    let ((), dropped) = measure(|| drop(codec));
    assert_eq!(dropped.kept_bytes, 0);
}

#[test]
fn a_connection_with_takeover_owns_what_it_remembers_and_no_more() {
    let config = CompressionConfig::default().with_threshold_bytes(0);
    let message = text::json(100_000, 1);
    for (bits, expected) in [(9, 512 + 512), (12, 4096 + 4096), (15, 4096 + 32_768)] {
        let manager = CompressionManager::new(config.clone());
        let mut server = manager.codec(Role::Server, params(true, bits));
        let mut client = manager.codec(Role::Client, params(true, bits));
        let (mut to_server, mut to_client, mut out) = (Vec::new(), Vec::new(), Vec::new());
        assert_eq!(client.compress(&message, &mut to_server), Outcome::Compressed);
        assert_eq!(server.compress(&message, &mut to_client), Outcome::Compressed);
        server.decompress(&to_server, 1 << 20, &mut out).unwrap();
        assert_eq!(manager.stats().takeover_bytes, 2 * expected);

        let ((), dropped) = measure(|| drop(server));
        let owned = -dropped.kept_bytes as usize;
        assert!((expected..expected + 128).contains(&owned), "{bits} bits: {owned} bytes");
        drop(client);
        assert_eq!(manager.stats().takeover_bytes, 0);
    }
}

#[test]
fn an_idle_connection_with_takeover_owns_two_empty_histories() {
    let manager = CompressionManager::create_default();
    let (codec, made) = measure(|| manager.codec(Role::Server, params(true, 15)));
    assert!(made.kept_bytes <= 96, "{} bytes", made.kept_bytes);
    drop(codec);
}

#[test]
fn a_bomb_costs_no_more_than_twice_the_limit() {
    let mut bomb = Vec::with_capacity(1 << 20);
    Compress::new(Compression::best(), false)
        .compress_vec(&vec![0; 256 << 20], &mut bomb, FlushCompress::Sync)
        .unwrap();
    let manager = CompressionManager::create_default();
    let mut codec = manager.codec(Role::Server, params(false, 15));
    codec.decompress(&[0], 0, &mut Vec::new()).unwrap();
    let limit_bytes = 1 << 20;
    let (result, cut) = measure(|| codec.decompress(&bomb, limit_bytes, &mut Vec::new()));
    assert_eq!(result, Err(InflateError::TooLarge { limit_bytes }));
    assert_eq!(cut.kept_bytes, 0);
    assert!(cut.peak_bytes <= 2 * limit_bytes as isize, "{} bytes", cut.peak_bytes);
}

/// The table of the documentation.
#[test]
fn zlib_contexts_cost_what_is_documented() {
    let (inflater, made) = measure(|| Decompress::new(false));
    assert_eq!(made.kept_bytes, 47_552);
    drop(inflater);
    for (bits, expected) in [
        (9, 251_008),
        (10, 253_056),
        (11, 257_152),
        (12, 265_344),
        (13, 281_728),
        (14, 314_496),
        (15, 380_032),
    ] {
        let level = Compression::new(6);
        let (deflater, made) = measure(|| Compress::new_with_window_bits(level, false, bits));
        assert_eq!(made.kept_bytes, expected, "{bits} bits");
        drop(deflater);

        let manager = CompressionManager::new(CompressionConfig::high().with_threshold_bytes(0));
        let bits = WindowBits::new(bits).unwrap();
        let message = text::json(1000, 1);
        let outcome = manager.compress_shared(bits, &message, &mut Vec::with_capacity(2000));
        assert_eq!(outcome, Outcome::Compressed);
        assert_eq!(manager.stats().pool_bytes, expected as usize);
    }
}
