//! Where other implementations are weak, and peers that mean harm, over real sockets.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use ws_compression::CompressionConfig;

use crate::{
    raw::{PATIENCE, Raw, frame},
    server::{KINDS, Kind, LIMIT, start},
};

async fn plain(kind: Kind) -> Raw {
    let address = start(kind, LIMIT, CompressionConfig::disabled()).await;
    Raw::connect(address, "").await
}

#[tokio::test]
async fn invalid_utf8_is_seen_at_its_first_bad_byte_and_not_at_the_end_of_its_frame() {
    // The frames declare a mebibyte each, and never end.
    let begin = |first: u8, payload: &[u8]| {
        let mut wire = frame(first, &[payload, &[b'a'; 1 << 20]].concat());
        wire.truncate(wire.len() - (1 << 20));
        wire
    };
    for kind in KINDS {
        for (name, wire) in [
            ("a byte that is never valid", begin(0x81, b"valid so far \xff")),
            ("a surrogate", begin(0x81, b"\xed\xa0")),
            ("an overlong form", begin(0x81, b"\xc0")),
            ("beyond U+10FFFF", begin(0x81, b"\xf4\x90")),
            ("ASCII where a character goes on", begin(0x81, b"\xe2\x82a")),
            ("in a later fragment", [frame(0x01, b"fine\xe2"), begin(0x00, b"\x28")].concat()),
        ] {
            let mut raw = plain(kind).await;
            raw.send(&wire).await;
            assert_eq!(raw.closed().await, 1007, "{name}, {kind:?}");
        }
    }
}

#[tokio::test]
async fn a_bad_byte_that_comes_alone_in_a_read_of_its_own_is_seen() {
    for kind in KINDS {
        let mut raw = plain(kind).await;
        let mut wire = frame(0x81, &[b"caf\xc3(".as_slice(), &[b'a'; 1000]].concat());
        wire.truncate(wire.len() - 1000);
        for byte in wire {
            raw.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(raw.closed().await, 1007, "{kind:?}");
    }
}

#[tokio::test]
async fn a_close_frame_between_fragments_is_answered_with_its_own_code() {
    for kind in KINDS {
        let mut raw = plain(kind).await;
        raw.send(&[frame(0x01, b"begun"), frame(0x88, b"\x0b\xb9see you")].concat()).await;
        assert_eq!(raw.closed().await, 3001, "{kind:?}");
    }
}

#[tokio::test]
async fn as_many_as_100_000_fragments_of_one_message_are_echoed() {
    for kind in KINDS {
        let mut raw = plain(kind).await;
        // Node's ws gives up after 16,384.
        for count in [16_385, 100_000] {
            let mut wire = frame(0x02, &[0]);
            for n in 1..count - 1 {
                wire.extend(frame(0x00, &[n as u8]));
            }
            wire.extend(frame(0x80, &[(count - 1) as u8]));
            raw.send(&wire).await;
            let expected: Vec<_> = (0..count).map(|n| n as u8).collect();
            let echo = raw.next().await.expect("an echo");
            assert!(echo == (0x82, expected), "{count} fragments, {kind:?}");
        }
        raw.close().await;
    }
}

#[tokio::test]
async fn one_fragment_too_many_ends_with_1008() {
    for kind in KINDS {
        let mut raw = plain(kind).await;
        let wire = [frame(0x02, b""), frame(0x00, b"").repeat(100_000)].concat();
        raw.send(&wire).await;
        assert_eq!(raw.closed().await, 1008, "{kind:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_limit_ends_with_1009_by_its_declared_length() {
    for kind in KINDS {
        let mut raw = plain(kind).await;
        raw.send(&frame(0x82, &vec![0; LIMIT + 1])[..14]).await;
        assert_eq!(raw.closed().await, 1009, "{kind:?}");

        let mut raw = plain(kind).await;
        raw.send(&[frame(0x02, &vec![0; LIMIT]), frame(0x80, b"x")[..2].to_vec()].concat()).await;
        raw.send(&frame(0x80, b"x")[2..]).await;
        assert_eq!(raw.closed().await, 1009, "one byte too many in a fragment, {kind:?}");
    }
}

#[tokio::test]
async fn a_peer_that_is_still_sending_gets_the_close_frame_and_no_reset() {
    for kind in KINDS {
        let mut raw = plain(kind).await;
        raw.send(&frame(0x83, b"")).await;
        // Far more than all buffers hold: it leaves only if the server goes on reading.
        for _ in 0..64 {
            raw.send(&[0xaa; 256 * 1024]).await;
        }
        assert_eq!(raw.closed().await, 1002, "{kind:?}");
    }
}

#[tokio::test]
async fn a_client_whose_head_is_too_long_gets_its_431_though_it_is_still_sending() {
    let address = start(Kind::Stream, LIMIT, CompressionConfig::disabled()).await;
    let mut socket = TcpStream::connect(address).await.expect("the server listens");
    let talk = async {
        socket.write_all(b"GET / HTTP/1.1\r\nCookie: ").await.expect("taken");
        socket.write_all(&vec![b'c'; 4 << 20]).await.expect("taken");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("no reset");
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, talk).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn rules_that_are_broken_end_with_their_code() {
    for kind in KINDS {
        for (name, wire, code) in [
            ("unmasked", b"\x81\x01x".to_vec(), 1002),
            ("RSV1 without an extension", frame(0xc1, b"x"), 1002),
            ("RSV2", frame(0xa1, b"x"), 1002),
            ("a reserved opcode", frame(0x83, b"x"), 1002),
            ("a long ping", frame(0x89, &[0; 126]), 1002),
            ("a fragmented ping", frame(0x09, b""), 1002),
            ("a continuation of nothing", frame(0x80, b"x"), 1002),
            ("a message within a message", [frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
            ("a length that is not minimal", b"\x82\xfe\0\x01\0\0\0\0x".to_vec(), 1002),
            ("a length beyond 63 bits", b"\x82\xff\x80\0\0\0\0\0\0\0".to_vec(), 1002),
            ("a close code that must not travel", frame(0x88, b"\x03\xed"), 1002),
            ("a close frame of one byte", frame(0x88, b"\x03"), 1002),
            ("a close reason that is no text", frame(0x88, b"\x03\xe8\xff"), 1007),
        ] {
            let mut raw = plain(kind).await;
            raw.send(&wire).await;
            assert_eq!(raw.closed().await, code, "{name}, {kind:?}");
        }
    }
}
