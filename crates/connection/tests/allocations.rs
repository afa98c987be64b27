//! What a peer can make us allocate: no more than its messages may be, whatever it declares.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one counts and passes on")]
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
    time::Instant,
};

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::OpCode;
use ws_compression::{CompressionConfig, CompressionManager, Outcome, Role};
use ws_connection::{Connection, ConnectionConfig, Event, Workspace, encode_header};
use ws_frame_validator::SizeLimits;

/// Counts for each thread by itself, so that tests that run beside each other do not mix.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    LIVE.set(LIVE.get() + change);
    PEAK.set(PEAK.get().max(LIVE.get()));
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

const LIMIT: usize = 256 * 1024;
/// A buffer that grows holds the old one beside the new one, which is at most twice as large.
const GROWTH: isize = 3;

#[expect(clippy::disallowed_methods, reason = "a test's time has to begin somewhere")]
fn now() -> Instant {
    Instant::now()
}

/// A frame whose mask is zeros: the payload lies in it as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(payload.len() + 14);
    let opcode = OpCode::from(first & 0x0f);
    encode_header(&mut wire, true, false, opcode, payload.len(), Some([0; 4]));
    wire[0] = first;
    wire.extend_from_slice(payload);
    wire
}

/// A server that is fed in pieces: the most that was allocated at once, and what the connection still
/// owns when it has worked off everything. Also how many messages came.
fn feed(wire: &[u8], piece: usize, manager: Option<&CompressionManager>) -> (isize, isize, usize) {
    let limits = SizeLimits::with_max(LIMIT as u64).expect("not zero");
    let config = Arc::new(ConnectionConfig::server().with_sizes(limits));
    let codec = manager.map(|manager| {
        let accepted = manager.accept_offer(["permessage-deflate"]).expect("plain offer");
        manager.codec(Role::Server, accepted.params)
    });
    let mut workspace = Workspace::new();
    let mut out = Vec::with_capacity(1024);
    let mut connection = Connection::new(config, codec, 7, now());
    let (before, mut messages) = (LIVE.get(), 0);
    PEAK.set(before);
    for piece in wire.chunks(piece) {
        workspace.load(piece);
        while let Some(event) = connection.poll_event(&mut workspace, &mut out, now()) {
            messages += usize::from(matches!(event, Event::Text(_) | Event::Binary(_)));
        }
        out.clear();
    }
    let peak = PEAK.get() - before;
    // What the thread keeps for the next connection is not this one's.
    drop((workspace, out));
    let with_it = LIVE.get();
    drop(connection);
    (peak, with_it - LIVE.get(), messages)
}

#[test]
fn a_length_that_is_declared_and_not_sent_costs_nothing() {
    for first in [0x81, 0x82, 0x01, 0x02] {
        let wire = frame(first, &[b'x'; LIMIT]);
        let (peak, owned, _) = feed(&wire[..24], 7, None);
        assert!(peak < 1000 && owned < 1500, "{peak} at most, {owned} owned");
    }
}

#[test]
fn a_message_costs_what_has_come_of_it_and_nothing_once_it_is_told() {
    for first in [0x81, 0x82] {
        let wire = frame(first, &[b'x'; LIMIT]);
        let (peak, owned, messages) = feed(&wire, 10_000, None);
        assert_eq!(messages, 1);
        assert!(peak <= GROWTH * LIMIT as isize, "{peak} at most");
        assert!(owned < 1000, "{owned} owned");
    }
}

#[test]
fn fragments_cost_no_memory_however_many() {
    let mut wire = frame(0x02, b"");
    wire.extend(frame(0x00, b"").repeat(100_000));
    let (peak, owned, _) = feed(&wire, 1000, None);
    assert!(peak < 1000 && owned < 1500, "{peak} at most, {owned} owned");
}

#[test]
fn a_bomb_costs_the_limit_and_what_was_sent_of_it() {
    let manager = CompressionManager::new(CompressionConfig::default());
    let params = manager.accept_offer(["permessage-deflate"]).expect("plain offer").params;
    let mut bomb = Vec::new();
    let outcome = manager.codec(Role::Client, params).compress(&vec![0; 64 << 20], &mut bomb);
    assert_eq!(outcome, Outcome::Compressed);
    // The pool's contexts are everybody's: made before anything is counted.
    let _ = feed(&frame(0xc2, &bomb), 10_000, Some(&manager));
    let (peak, owned, messages) = feed(&frame(0xc2, &bomb), 10_000, Some(&manager));
    assert_eq!(messages, 0);
    let most = GROWTH * (LIMIT + bomb.len()) as isize;
    assert!(peak <= most, "{peak} at most");
    assert!(owned < 1000, "{owned} owned");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_peer_sends_costs_at_most_a_message_twice(
        frames in prop::collection::vec(
            (any::<u8>(), prop_oneof![0usize..200, 1000usize..(LIMIT + 10)], any::<bool>()),
            0..10,
        ),
        piece in prop_oneof![1000usize..60_000, 50usize..1000],
    ) {
        let manager = CompressionManager::new(CompressionConfig::default());
        let mut wire = Vec::new();
        for (first, len, is_sound) in frames {
            let first = if is_sound { first & 0x83 } else { first & 0xcf };
            wire.extend(frame(first, &vec![first; len]));
        }
        // The pool's contexts are everybody's: made before anything is counted.
        let _ = feed(&frame(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), 100, Some(&manager));
        let (peak, owned, _) = feed(&wire, piece, Some(&manager));
        prop_assert!(peak <= 2 * GROWTH * LIMIT as isize, "{} at most", peak);
        prop_assert!(owned <= 2 * LIMIT as isize + 1500, "{} owned", owned);
    }
}
