//! permessage-deflate over real sockets, against zlib itself: windows, fallbacks, hostile streams.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use ws_compression::{CompressionConfig, CompressionManager, Outcome, Role};

use crate::{
    raw::{Raw, frame},
    server::{KINDS, Kind, LIMIT, start},
};

/// Takeover as far as a client asks for it, and every message compressed.
fn generous() -> CompressionConfig {
    CompressionConfig::default()
        .with_threshold_bytes(0)
        .with_server_context_takeover(true)
        .with_client_context_takeover(true)
}

async fn offering(kind: Kind, offer: &str) -> Raw {
    let address = start(kind, LIMIT, generous()).await;
    Raw::connect(address, offer).await
}

/// What zlib makes of a message, its tail cut (RFC 7692 §7.2.1).
fn deflate(zlib: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 1000);
    let before = zlib.total_in();
    zlib.compress_vec(message, &mut out, FlushCompress::Sync).expect("room");
    assert_eq!(zlib.total_in() - before, message.len() as u64, "room for all");
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

/// What zlib reads from a payload, with no more window than it was made with.
fn inflate(zlib: &mut Decompress, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(LIMIT);
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    let status = zlib.decompress_vec(&input, &mut out, FlushDecompress::Sync);
    assert_eq!(status.expect("within the window"), Status::Ok);
    out
}

/// Words that repeat over distances of all sizes.
fn prose(seed: usize, len: usize) -> Vec<u8> {
    let words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"];
    let mut state = seed as u64 | 1;
    let mut text = String::new();
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text += words[(state >> 61) as usize];
        text += &(state >> 48).to_string();
    }
    text.truncate(len);
    text.into_bytes()
}

#[tokio::test]
async fn every_window_from_8_to_15_bits_is_kept_to_with_and_without_takeover() {
    for kind in KINDS {
        let address = start(kind, LIMIT, generous()).await;
        for bits in 8..=15u8 {
            for takeover in [true, false] {
                let mut offer = format!(
                    "permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}"
                );
                if !takeover {
                    offer += "; server_no_context_takeover; client_no_context_takeover";
                }
                let mut raw = Raw::connect(address, &offer).await;
                let agreed = format!("server_max_window_bits={bits}");
                assert!(raw.response.contains(&agreed), "{}", raw.response);
                // zlib has no deflater of eight bits; nine would be more than was agreed.
                let sends = bits.max(9);
                let fresh = || {
                    let compress =
                        Compress::new_with_window_bits(Compression::new(9), false, sends);
                    (compress, Decompress::new_with_window_bits(false, bits.max(9)))
                };
                let (mut compress, mut decompress) = fresh();
                for n in 0..4 {
                    let message = prose(n, 40_000);
                    let payload =
                        if bits == 8 { message.clone() } else { deflate(&mut compress, &message) };
                    raw.send(&frame(if bits == 8 { 0x81 } else { 0xc1 }, &payload)).await;
                    let (first, payload) = raw.next().await.expect("an echo");
                    assert_eq!(first, 0xc1, "compressed, {offer}");
                    let echo = inflate(&mut decompress, &payload);
                    assert!(echo == message, "message {n}, {offer}, {kind:?}");
                    if !takeover {
                        (compress, decompress) = fresh();
                    }
                }
                raw.close().await;
            }
        }
    }
}

#[tokio::test]
async fn an_offer_with_a_fallback_list_is_answered_by_its_first_acceptable_entry() {
    for (offer, agreed) in [
        ("permessage-deflate", Some("permessage-deflate")),
        ("permessage-deflate; x-unknown, permessage-deflate", Some("permessage-deflate")),
        (
            "permessage-deflate; server_max_window_bits=7, permessage-deflate",
            Some("permessage-deflate"),
        ),
        (
            "permessage-deflate; server_max_window_bits, x-other, permessage-deflate",
            Some("permessage-deflate"),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"10\", permessage-deflate",
            Some("server_max_window_bits=10"),
        ),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("x-webkit-deflate-frame", None),
    ] {
        for kind in KINDS {
            let raw = offering(kind, offer).await;
            let line = raw
                .response
                .lines()
                .find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
            match agreed {
                Some(agreed) => {
                    let line = line.unwrap_or_else(|| panic!("{offer} was declined"));
                    assert!(line.starts_with("permessage-deflate"), "{offer}: {line}");
                    assert!(line.contains(agreed), "{offer}: {line}");
                    assert!(!line.contains(','), "one answer to {offer}: {line}");
                }
                None => assert_eq!(line, None, "{offer}"),
            }
            raw.close().await;
        }
    }
}

/// RFC 7692 §7.2.3's examples of "Hello".
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[tokio::test]
async fn unusual_streams_that_are_sound_are_read() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for kind in KINDS {
        for (name, wire) in [
            ("one block", frame(0xc1, HELLO)),
            ("in fragments", [frame(0x41, &HELLO[..3]), frame(0x80, &HELLO[3..])].concat()),
            (
                "in fragments of a byte, with pings and empty ones between",
                [
                    frame(0x41, &HELLO[..1]),
                    frame(0x8a, b""),
                    frame(0x00, b""),
                    frame(0x00, &HELLO[1..6]),
                    frame(0x80, &HELLO[6..]),
                ]
                .concat(),
            ),
            ("a stored block", frame(0xc1, &stored)),
            ("the final-block bit", frame(0xc1, &last)),
            ("two blocks", frame(0xc1, &two)),
            ("plain among compressed ones", frame(0x81, b"Hello")),
        ] {
            let mut raw = offering(kind, "permessage-deflate; server_no_context_takeover").await;
            for _ in 0..3 {
                raw.send(&wire).await;
                let (first, payload) = raw.next().await.expect("an echo");
                let echo = match first {
                    0xc1 => inflate(&mut Decompress::new(false), &payload),
                    _ => payload,
                };
                assert_eq!(echo, b"Hello", "{name}, {kind:?}");
            }
            raw.close().await;
        }
    }
}

#[tokio::test]
async fn hostile_streams_end_with_their_code() {
    for kind in KINDS {
        for (name, wire, code) in [
            (
                "RSV1 on a continuation",
                [frame(0x41, &HELLO[..3]), frame(0xc0, &HELLO[3..])].concat(),
                1002,
            ),
            ("RSV1 on a ping", frame(0xc9, b""), 1002),
            ("block type 3", frame(0xc2, &[0x07, 0xff]), 1007),
            ("a stored block whose lengths disagree", frame(0xc2, &[0, 5, 0, 0, 0]), 1007),
            ("a stored block that is cut", frame(0xc2, &[0, 5, 0, 0xfa, 0xff, 0x48]), 1007),
            ("a truncated block", frame(0xc2, &HELLO[..2]), 1007),
            ("a distance beyond the start", frame(0xc2, &[0x4b, 0x04, 0x12, 0x00]), 1007),
            ("text that is none", frame(0xc1, &[0, 2, 0, 0xfd, 0xff, 0xc3, 0x28, 0]), 1007),
        ] {
            let mut raw = offering(kind, "permessage-deflate").await;
            raw.send(&wire).await;
            assert_eq!(raw.closed().await, code, "{name}, {kind:?}");
        }
    }
}

#[tokio::test]
async fn a_bomb_ends_with_1009() {
    let unlimited = CompressionManager::new(generous());
    let params = unlimited.accept_offer(["permessage-deflate"]).expect("plain offer").params;
    let mut bomb = Vec::new();
    let outcome = unlimited.codec(Role::Client, params).compress(&vec![0; 64 << 20], &mut bomb);
    assert_eq!(outcome, Outcome::Compressed);
    assert!(bomb.len() < 100_000);
    for kind in KINDS {
        let mut raw = offering(kind, "permessage-deflate").await;
        raw.send(&frame(0xc2, &bomb)).await;
        assert_eq!(raw.closed().await, 1009, "{kind:?}");
    }
}
