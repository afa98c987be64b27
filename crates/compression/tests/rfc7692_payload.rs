//! RFC 7692 §7.2, a line for each rule and each example: the section stands first in it.

use ws_compression::{
    CompressionConfig, CompressionManager, Corruption, InflateError, Outcome, Params,
    PerMessageDeflate, Role, WindowBits,
};

const LIMIT: usize = 1 << 20;

fn codec(role: Role, takeover: bool) -> PerMessageDeflate {
    let config = CompressionConfig::default().with_threshold_bytes(0);
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    };
    CompressionManager::new(config).codec(role, params)
}

fn inflate(codec: &mut PerMessageDeflate, payload: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    codec.decompress(payload, LIMIT, &mut out).map(|()| out)
}

const UNFINISHED: InflateError = InflateError::Corrupt(Corruption::Unfinished);
const INVALID: InflateError = InflateError::Corrupt(Corruption::Invalid);

type Read = Result<&'static [u8], InflateError>;

/// Section and rule, payload, the message that is read or why it is refused.
const PAYLOADS: &[(&str, &[u8], Read)] = &[
    ("7.2.3.1 one block", &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], Ok(b"Hello")),
    (
        "7.2.3.3 a block without compression",
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        Ok(b"Hello"),
    ),
    (
        "7.2.3.4 a block with BFINAL set",
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        Ok(b"Hello"),
    ),
    (
        "7.2.3.4 the octet behind the final block left out, as some senders do",
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        Ok(b"Hello"),
    ),
    (
        "7.2.3.4 more blocks behind a final one",
        &[
            0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00,
            0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00,
        ],
        Ok(b"HelloHelloHello"),
    ),
    (
        "7.2.3.5 two blocks",
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        Ok(b"Hello"),
    ),
    ("7.2.3.6 an empty message", &[0x00], Ok(b"")),
    ("7.2.2 a payload has at least the block header", &[], Err(UNFINISHED)),
    (
        "7.2.1 the tail has to be taken off",
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff],
        Err(UNFINISHED),
    ),
    ("7.2.2 cut off in a fixed block", &[0xf2, 0x48, 0xcd], Err(UNFINISHED)),
    (
        "7.2.2 cut off ahead of the empty block",
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07],
        Err(UNFINISHED),
    ),
    ("7.2.2 cut off in a stored block", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48], Err(UNFINISHED)),
    (
        "7.2.2 cut off in a stored block by just the tail",
        &[0x00, 0x04, 0x00, 0xfb, 0xff],
        Err(UNFINISHED),
    ),
    (
        "7.2.2 cut off in a final stored block by just what closes",
        &[0x01, 0x09, 0x00, 0xf6, 0xff],
        Err(UNFINISHED),
    ),
    ("7.2.2 cut off in a dynamic block", &[0x04, 0xc0], Err(UNFINISHED)),
    ("RFC 1951 3.2.3 block type 3 does not exist", &[0x06], Err(INVALID)),
    (
        "RFC 1951 3.2.4 a stored length and its complement",
        &[0x00, 0x05, 0x00, 0x00, 0x00],
        Err(INVALID),
    ),
    ("RFC 1951 3.2.5 a distance beyond the start", &[0x02, 0x23, 0x00, 0x00, 0x00], Err(INVALID)),
];

#[test]
fn each_payload_is_read_as_the_rfc_says() {
    for (rule, payload, expected) in PAYLOADS {
        for takeover in [false, true] {
            let got = inflate(&mut codec(Role::Server, takeover), payload);
            assert_eq!(got.as_deref(), expected.as_ref().copied(), "{rule}, takeover {takeover}");
        }
    }
}

#[test]
fn section_7_2_3_2_the_window_is_shared_when_taken_over() {
    let first = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let mut remembering = codec(Role::Client, true);
    assert_eq!(inflate(&mut remembering, &first).unwrap(), b"Hello");
    assert_eq!(inflate(&mut remembering, &second).unwrap(), b"Hello");
    assert_eq!(inflate(&mut remembering, &second).unwrap(), b"Hello");

    let mut forgetful = codec(Role::Client, false);
    assert_eq!(inflate(&mut forgetful, &first).unwrap(), b"Hello");
    assert_eq!(inflate(&mut forgetful, &second), Err(INVALID), "nothing to refer back to");
}

#[test]
fn section_7_2_3_4_a_final_block_does_not_end_the_takeover() {
    let mut receiver = codec(Role::Client, true);
    let with_final_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    for _ in 0..3 {
        assert_eq!(inflate(&mut receiver, &with_final_block).unwrap(), b"Hello");
        assert_eq!(inflate(&mut receiver, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
    }
}

#[test]
fn section_7_2_1_the_sender_makes_what_the_rfc_shows() {
    let mut out = Vec::new();
    let mut sender = codec(Role::Server, true);
    assert_eq!(sender.compress(b"Hello", &mut out), Outcome::Plain, "7 bytes for 5");
    assert_eq!(sender.compress(b"", &mut out), Outcome::Plain, "1 byte for none");
    assert!(out.is_empty());

    let message = b"Hello Hello Hello Hello Hello Hello";
    assert_eq!(sender.compress(message, &mut out), Outcome::Compressed);
    assert!(out.len() < message.len());
    assert!(!out.ends_with(&[0x00, 0x00, 0xff, 0xff]), "the tail is taken off");
    let first = out.split_off(0);
    assert_eq!(sender.compress(message, &mut out), Outcome::Compressed);
    assert!(out.len() < first.len(), "7.1.1.1 the window is taken over");

    let mut receiver = codec(Role::Client, true);
    assert_eq!(inflate(&mut receiver, &first).unwrap(), message);
    assert_eq!(inflate(&mut receiver, &out).unwrap(), message);
}

#[test]
fn section_7_1_1_without_takeover_equal_messages_make_equal_payloads() {
    let mut sender = codec(Role::Server, false);
    let message = b"Hello Hello Hello Hello Hello Hello";
    let payloads: Vec<_> = (0..3)
        .map(|_| {
            let mut out = Vec::new();
            assert_eq!(sender.compress(message, &mut out), Outcome::Compressed);
            out
        })
        .collect();
    assert!(payloads.windows(2).all(|pair| pair[0] == pair[1]));
}
