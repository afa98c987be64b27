//! Some thousand runs of each target, so that they cannot rot.

use proptest::prelude::*;

use super::{bytes, heads, operations, pair};

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\nrest";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x00";

/// Bytes with a few of them replaced, dropped or doubled.
fn mutated(seed: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let mutation = (any::<prop::sample::Index>(), any::<u8>(), 0u8..4);
    prop::collection::vec(mutation, 0..4).prop_map(move |mutations| {
        let mut bytes = seed.to_vec();
        for (at, byte, kind) in mutations {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// Frames as a peer would write them, most of them sound: what random bytes hardly ever are.
fn frames(masked: bool) -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![
        0x81u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88, 0xc1, 0xc2, 0x41, 0xa1, 0x83, 0x09,
    ]);
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[a-zé😀]{0,50}".prop_map(String::into_bytes),
        Just(vec![0x03, 0xe8]),
        Just(vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        (100usize..5000).prop_map(|len| vec![b'x'; len]),
    ];
    prop::collection::vec((first, payload), 0..8).prop_map(move |frames| {
        let mut wire = Vec::new();
        for (first, payload) in frames {
            let opcode = tungstenite::protocol::frame::coding::OpCode::from(first & 0x0f);
            // A key of zeros leaves the payload as it is.
            let mask = masked.then_some([0; 4]);
            let at = wire.len();
            crate::encode_header(&mut wire, true, false, opcode, payload.len(), mask);
            wire[at] = first;
            wire.extend_from_slice(&payload);
        }
        wire
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn bytes_of_any_kind(data in prop::collection::vec(any::<u8>(), 0..400)) {
        bytes(&data);
    }

    #[test]
    fn bytes_that_are_frames(
        choices in prop::collection::vec(any::<u8>(), 12),
        server in frames(true),
        client in frames(false),
    ) {
        for (role, wire) in [(0, server), (1, client)] {
            for compressed in [0, 1] {
                // The role, late messages, compression or not and its choices, the size of pieces.
                let mut data = vec![role, choices[0], compressed];
                let rest = if compressed == 1 { 8 } else { 2 };
                data.extend_from_slice(&choices[1..=rest]);
                data.extend_from_slice(&wire);
                bytes(&data);
            }
        }
    }

    #[test]
    fn operations_of_any_kind(data in prop::collection::vec(any::<u8>(), 0..600)) {
        operations(&data);
    }

    #[test]
    fn pairs_of_any_kind(data in prop::collection::vec(any::<u8>(), 0..600)) {
        pair(&data);
    }

    #[test]
    fn heads_of_any_kind(
        data in prop_oneof![
            mutated(REQUEST),
            mutated(RESPONSE),
            prop::collection::vec(any::<u8>(), 0..1200),
        ],
    ) {
        heads(&data);
    }
}

/// What libFuzzer has found worth keeping: each reached something that nothing before it had reached.
#[test]
fn what_was_kept_of_longer_runs() {
    type Target = fn(&[u8]);
    let kept: [(&str, Target); 4] =
        [("bytes", bytes), ("heads", heads), ("operations", operations), ("pair", pair)];
    for (name, target) in kept {
        let path = format!("{}/../../xtask/fuzz/corpus/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let digits = line.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
            target(&digits.map(byte).collect::<Vec<_>>());
        }
    }
}
