//! RFC 6455 §5, §7 and §8: a line for each rule, whole and byte by byte.

use ws_connection::{ConnectionConfig, ProtocolError};
use ws_frame_validator::SizeLimits;

use crate::{
    pair::Seen,
    wire::{Fed, feed_chunked, frame},
};

/// Feeds the bytes whole, in threes and one by one: how they arrive must not matter.
fn in_any_chunks(wire: &[u8]) -> [Fed; 3] {
    [usize::MAX, 3, 1].map(|chunk| feed_chunked(ConnectionConfig::server(), wire, chunk))
}

fn check_fails(section: &str, wire: &[u8], error: ProtocolError, code: u16) {
    for fed in in_any_chunks(wire) {
        assert_eq!(fed.failure(), Some(error), "{section}");
        assert_eq!(fed.close().expect(section).0, code, "{section}");
    }
}

fn check_seen(section: &str, wire: &[u8], expect: &[Seen]) {
    for fed in in_any_chunks(wire) {
        assert_eq!(fed.seen, expect, "{section}");
    }
}

#[test]
fn section_5_frames_that_fail_the_connection() {
    use ProtocolError as E;
    let text = |text: &[u8]| frame(0x81, text);
    for (section, wire, error, code) in [
        ("5.1 unmasked", b"\x81\x01x".to_vec(), E::UnmaskedFromClient, 1002),
        ("5.2 RSV1 without extension", frame(0xc1, b"x"), E::ReservedBits, 1002),
        ("5.2 RSV2", frame(0xa1, b"x"), E::ReservedBits, 1002),
        ("5.2 RSV3", frame(0x91, b"x"), E::ReservedBits, 1002),
        ("5.2 opcode 3", frame(0x83, b""), E::ReservedOpcode(3), 1002),
        ("5.2 opcode 15", frame(0x8f, b""), E::ReservedOpcode(15), 1002),
        ("5.2 16-bit length below 126", b"\x82\xfe\0\x05".to_vec(), E::LengthNotMinimal, 1002),
        ("5.2 length above 2^63", b"\x82\xff\x80\0\0\0\0\0\0\0".to_vec(), E::LengthTooBig, 1002),
        ("5.4 nothing to continue", frame(0x80, b"x"), E::NothingToContinue, 1002),
        (
            "5.4 message within message",
            [frame(0x01, b"x"), text(b"y")].concat(),
            E::MessageWithinMessage,
            1002,
        ),
        (
            "5.4 nothing to continue after the last fragment",
            [frame(0x01, b"x"), frame(0x80, b"y"), frame(0x80, b"z")].concat(),
            E::NothingToContinue,
            1002,
        ),
        ("5.5 fragmented ping", frame(0x09, b""), E::FragmentedControlFrame, 1002),
        ("5.5 long ping", frame(0x89, &[0; 126]), E::LongControlFrame, 1002),
        ("5.5.1 close of one byte", frame(0x88, b"\x03"), E::CloseFrameTooShort, 1002),
        ("5.5.1 reason not UTF-8", frame(0x88, b"\x03\xe8\xff"), E::InvalidUtf8, 1007),
        ("8.1 text not UTF-8", text(b"a\xffb"), E::InvalidUtf8, 1007),
        ("8.1 text ends within a character", text(b"caf\xc3"), E::InvalidUtf8, 1007),
        (
            "8.1 character cut at a message's end, over fragments",
            [frame(0x01, b"caf"), frame(0x80, b"\xc3")].concat(),
            E::InvalidUtf8,
            1007,
        ),
    ] {
        check_fails(section, &wire, error, code);
    }
}

#[test]
fn section_5_messages_come_out_as_they_went_in() {
    let text = |text: &str| Seen::Text(text.to_owned());
    for (section, wire, expect) in [
        ("5.6 empty text", frame(0x81, b""), vec![text("")]),
        ("5.6 empty binary", frame(0x82, b""), vec![Seen::Binary(vec![])]),
        (
            "5.4 empty fragments",
            [frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")].concat(),
            vec![text("")],
        ),
        (
            "5.4 a character over two fragments",
            [frame(0x01, b"caf\xc3"), frame(0x80, b"\xa9")].concat(),
            vec![text("café")],
        ),
        (
            "5.4 control frames between fragments",
            [frame(0x02, b"a"), frame(0x89, b"p"), frame(0x8a, b"q"), frame(0x80, b"b")].concat(),
            vec![
                Seen::Ping(b"p".to_vec()),
                Seen::Pong { round_trip: None },
                Seen::Binary(b"ab".to_vec()),
            ],
        ),
        ("5.2 16-bit length", frame(0x82, &[7; 126]), vec![Seen::Binary(vec![7; 126])]),
        ("5.2 64-bit length", frame(0x82, &[7; 70_000]), vec![Seen::Binary(vec![7; 70_000])]),
    ] {
        check_seen(section, &wire, &expect);
    }
}

#[test]
fn section_5_5_2_a_ping_is_answered_with_its_own_payload() {
    for payload in [&b""[..], b"x", &[9; 125]] {
        for fed in in_any_chunks(&frame(0x89, payload)) {
            let mut pong = vec![0x8a, payload.len() as u8];
            pong.extend_from_slice(payload);
            assert_eq!(fed.out, pong);
        }
    }
}

#[test]
fn section_7_4_codes_that_may_travel_are_echoed_and_others_fail() {
    let ok = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ];
    for code in ok {
        for fed in in_any_chunks(&frame(0x88, &u16::to_be_bytes(code))) {
            assert_eq!(fed.seen, [Seen::Close(Some((code, String::new())))], "{code}");
            assert_eq!(fed.close().map(|close| close.0), Some(code));
        }
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        let wire = frame(0x88, &u16::to_be_bytes(code));
        check_fails("7.4.2", &wire, ProtocolError::CloseCodeInvalid(code), 1002);
    }
}

#[test]
fn section_8_1_a_bad_byte_is_seen_before_its_frame_ends() {
    // The frame declares 1,000 bytes; the second one that arrives is bad.
    let mut wire = frame(0x81, &[b'a'; 1000]);
    wire.truncate(8);
    wire.push(0xff ^ 1); // the key's first byte
    let fed = feed_chunked(ConnectionConfig::server(), &wire, usize::MAX);
    assert_eq!(fed.failure(), Some(ProtocolError::InvalidUtf8));
}

#[test]
fn section_10_4_a_message_over_the_limit_is_refused_by_its_declared_length() {
    let limits = SizeLimits::new(1000, 500).expect("sound");
    let config = || ConnectionConfig::server().with_sizes(limits);
    let header_only = &frame(0x82, &[0; 1001])[..8];
    let fed = feed_chunked(config(), header_only, usize::MAX);
    assert!(
        matches!(fed.failure(), Some(ProtocolError::TooLarge(it)) if it.size == 1001 && it.max == 1000)
    );
    assert_eq!(fed.close(), Some((1009, "Message too large".to_owned())));

    let just_fits = feed_chunked(config(), &frame(0x82, &[0; 1000]), 7);
    assert_eq!(just_fits.seen, [Seen::Binary(vec![0; 1000])]);

    let sum = [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat();
    let fed = feed_chunked(config(), &sum, 7);
    assert!(matches!(fed.failure(), Some(ProtocolError::TooLarge(it)) if it.size == 1001));
}

#[test]
fn fragments_beyond_the_limit_are_refused_and_16385_are_not_many() {
    let fragments = |count: usize| {
        let mut wire = frame(0x02, b"x");
        for _ in 2..count {
            wire.extend(frame(0x00, b"x"));
        }
        wire.extend(frame(0x80, b"x"));
        wire
    };
    let fed = feed_chunked(ConnectionConfig::server(), &fragments(16_385), 1 << 14);
    assert_eq!(fed.seen, [Seen::Binary(vec![b'x'; 16_385])]);
    let config = ConnectionConfig::server().with_fragments_max(10);
    assert_eq!(feed_chunked(config.clone(), &fragments(10), 5).failure(), None);
    let fed = feed_chunked(config, &fragments(11), 5);
    assert_eq!(fed.failure(), Some(ProtocolError::TooManyFragments { max: 10 }));
    assert_eq!(fed.close().expect("told").0, 1008);
}
