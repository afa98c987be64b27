//! Streams that mean harm: nothing panics, nothing is believed, nothing grows past its limit.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[path = "material/text.rs"]
mod text;

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;
use ws_compression::{
    CompressionConfig, CompressionManager, Corruption, InflateError, Outcome, Params,
    PerMessageDeflate, Role, WindowBits,
};

fn receiver(takeover: bool) -> PerMessageDeflate {
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    };
    CompressionManager::create_default().codec(Role::Server, params)
}

/// A complete payload as RFC 7692 wants it.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 1000);
    Compress::new(Compression::best(), false)
        .compress_vec(message, &mut out, FlushCompress::Sync)
        .unwrap();
    out.truncate(out.len() - 4);
    out
}

#[test]
fn a_bomb_of_a_thousand_to_one_is_cut_at_the_limit() {
    let bomb = deflated(&vec![0; 64 << 20]);
    assert!(bomb.len() * 1000 < 64 << 20, "{} bytes", bomb.len());
    let limit_bytes = 1 << 20;
    for takeover in [false, true] {
        let mut out = b"before".to_vec();
        let result = receiver(takeover).decompress(&bomb, limit_bytes, &mut out);
        assert_eq!(result, Err(InflateError::TooLarge { limit_bytes }));
        assert_eq!(out, b"before");
        assert!(out.capacity() <= limit_bytes + 6, "{} bytes of room", out.capacity());
    }
}

#[test]
fn the_limit_counts_what_is_appended_and_not_the_room_there_is() {
    let payload = deflated(&[7; 5000]);
    for room in [0, 4999, 5000, 5001, 100_000] {
        for limit_bytes in [0, 1, 255, 256, 257, 4999] {
            let mut out = Vec::with_capacity(room);
            let result = receiver(false).decompress(&payload, limit_bytes, &mut out);
            assert_eq!(result, Err(InflateError::TooLarge { limit_bytes }), "room {room}");
            assert!(out.is_empty());
        }
        for limit_bytes in [5000, 5001, usize::MAX] {
            let mut out = Vec::with_capacity(room);
            assert_eq!(receiver(false).decompress(&payload, limit_bytes, &mut out), Ok(()));
            assert_eq!(out, [7; 5000]);
        }
    }
}

#[test]
fn an_empty_message_fits_a_limit_of_nothing() {
    for payload in [&[0][..], &[3, 0][..], &[1, 0, 0, 0xFF, 0xFF, 0][..]] {
        assert_eq!(receiver(true).decompress(payload, 0, &mut Vec::new()), Ok(()), "{payload:?}");
    }
}

#[test]
fn stored_blocks_inflate_within_the_limit_as_well() {
    let message = text::noise(200_000, 1);
    let mut payload = Vec::new();
    for block in message.chunks(65_535) {
        let length = block.len() as u16;
        payload.push(0);
        payload.extend(length.to_le_bytes());
        payload.extend((!length).to_le_bytes());
        payload.extend(block);
    }
    payload.push(0);
    let mut out = Vec::new();
    assert_eq!(receiver(true).decompress(&payload, message.len(), &mut out), Ok(()));
    assert_eq!(out, message);
    let limit_bytes = message.len() - 1;
    let result = receiver(true).decompress(&payload, limit_bytes, &mut Vec::new());
    assert_eq!(result, Err(InflateError::TooLarge { limit_bytes }));
}

#[test]
fn blocks_that_hold_nothing_produce_nothing() {
    // A hundred thousand empty stored blocks, and as many final blocks that each end the stream.
    for block in [&[0, 0, 0, 0xFF, 0xFF][..], &[3, 0][..]] {
        let mut payload = block.repeat(100_000);
        payload.push(0);
        let mut out = Vec::new();
        assert_eq!(receiver(false).decompress(&payload, 10, &mut out), Ok(()));
        assert!(out.is_empty() && out.capacity() <= 10);
    }
}

#[test]
fn final_blocks_in_a_row_count_towards_one_limit() {
    let mut hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00].repeat(100);
    hello.push(0);
    let mut out = Vec::new();
    assert_eq!(receiver(false).decompress(&hello, 500, &mut out), Ok(()));
    assert_eq!(out, b"Hello".repeat(100));
    let result = receiver(false).decompress(&hello, 499, &mut Vec::new());
    assert_eq!(result, Err(InflateError::TooLarge { limit_bytes: 499 }));
}

#[test]
fn a_payload_cut_off_anywhere_is_unfinished() {
    for message in [text::json(3000, 5), text::noise(300, 5), vec![b'a'; 3000]] {
        let payload = deflated(&message);
        for end in 0..payload.len() {
            if payload[..end] == [0] {
                continue; // A whole message by itself, an empty one.
            }
            for takeover in [false, true] {
                let mut out = Vec::new();
                let result = receiver(takeover).decompress(&payload[..end], 10_000, &mut out);
                assert_eq!(result, Err(InflateError::Corrupt(Corruption::Unfinished)), "at {end}");
                assert!(out.is_empty());
            }
        }
    }
}

#[test]
fn a_failed_message_leaves_nothing_behind_in_the_pool() {
    let manager = CompressionManager::new(CompressionConfig::default().with_threshold_bytes(0));
    let params = Params {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    };
    let mut codec = manager.codec(Role::Server, params);
    let message = text::json(3000, 9);
    let payload = deflated(&message);
    let invalid = Err(InflateError::Corrupt(Corruption::Invalid));
    for _ in 0..3 {
        assert_eq!(codec.decompress(&[0x06], 100, &mut Vec::new()), invalid);
        assert!(codec.decompress(&payload, 100, &mut Vec::new()).is_err());
        assert!(codec.decompress(&payload[..50], 5000, &mut Vec::new()).is_err());
        // Refers back to what an earlier message held: a window left behind would answer it.
        let peeking = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(codec.decompress(&peeking, 100, &mut Vec::new()), invalid);
        let mut out = Vec::new();
        assert_eq!(codec.decompress(&payload, 3000, &mut out), Ok(()));
        assert_eq!(out, message);
    }
    let stats = manager.stats();
    assert_eq!((stats.inflated_messages, stats.inflate_errors, stats.inflate_too_large), (3, 9, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_whatever_stay_within_the_limit(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4),
        limit_bytes in 0_usize..2000,
        room in 0_usize..3000,
        takeover in any::<bool>(),
    ) {
        let mut receiver = receiver(takeover);
        for payload in &payloads {
            let mut out = Vec::with_capacity(room);
            out.push(1);
            let room = out.capacity();
            match receiver.decompress(payload, limit_bytes, &mut out) {
                Ok(()) => prop_assert!(out.len() <= 1 + limit_bytes),
                Err(_) => prop_assert_eq!(&out, &[1]),
            }
            prop_assert!(out.capacity() <= room.max(1 + limit_bytes));
        }
    }

    /// Nearly right is where decoders break: a good stream with a few bytes changed.
    #[test]
    fn a_damaged_stream_stays_within_the_limit(
        seed in any::<u64>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        limit_bytes in 0_usize..6000,
        takeover in any::<bool>(),
    ) {
        let mut payload = deflated(&text::json(3000, seed));
        for (index, byte) in damage {
            let index = index.index(payload.len());
            payload[index] = byte;
        }
        let mut receiver = receiver(takeover);
        let mut out = Vec::new();
        for _ in 0..2 {
            out.clear();
            if receiver.decompress(&payload, limit_bytes, &mut out).is_err() {
                prop_assert!(out.is_empty());
            }
            prop_assert!(out.len() <= limit_bytes && out.capacity() <= limit_bytes);
        }
    }

    #[test]
    fn any_message_whatever_is_compressed_or_sent_plain(
        message in prop::collection::vec(any::<u8>(), 0..2000),
        copies in 1_usize..4,
        room in 0_usize..3000,
    ) {
        let message = message.repeat(copies);
        let manager = CompressionManager::new(CompressionConfig::high().with_threshold_bytes(0));
        let mut out = Vec::with_capacity(room);
        match manager.compress_shared(WindowBits::MAX, &message, &mut out) {
            Outcome::Compressed => prop_assert!(out.len() < message.len()),
            Outcome::Plain => prop_assert!(out.is_empty()),
        }
        // Compressing never needs more room than the message itself and the tail.
        prop_assert!(out.capacity() <= room.max(message.len() + 4));
    }
}
