//! Against C zlib, which honours a window strictly: an inflater made for 9 bits refuses to look
//! back further than 512 bytes. Python carries it in its standard library.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what went wrong by panicking"
)]

#[path = "material/text.rs"]
mod text;

use std::io::Write;
use std::process::{Command, Stdio};

use ws_compression::{
    CompressionConfig, CompressionManager, Level, Outcome, Params, Role, WindowBits,
};

/// Reads sessions, one a line: `inflate|deflate BITS TAKEOVER HEX…`, and answers each with a line
/// of hex words, or with the error. Inflates 32 bytes at a time: what was written before is then
/// found in the window and nowhere else.
const SCRIPT: &str = r"
import sys, zlib
TAIL = b'\x00\x00\xff\xff'
def inflate(bits, takeover, payloads):
    context = zlib.decompressobj(-bits)
    for payload in payloads:
        if not takeover:
            context = zlib.decompressobj(-bits)
        message, rest = b'', payload + TAIL
        while True:
            piece = context.decompress(rest, 32)
            rest = context.unconsumed_tail
            message += piece
            if not piece and not rest:
                break
        yield message
def deflate(bits, takeover, messages):
    context = zlib.compressobj(9, zlib.DEFLATED, -bits)
    for message in messages:
        if not takeover:
            context = zlib.compressobj(9, zlib.DEFLATED, -bits)
        payload = context.compress(message) + context.flush(zlib.Z_SYNC_FLUSH)
        assert payload.endswith(TAIL)
        yield payload[:-4]
for line in sys.stdin:
    verb, bits, takeover, *words = line.split()
    run = inflate if verb == 'inflate' else deflate
    try:
        out = run(int(bits), takeover == 'true', [bytes.fromhex(word) for word in words])
        print(*[word.hex() for word in out])
    except zlib.error as error:
        print('error:', error)
";

struct Session {
    verb: &'static str,
    bits: u8,
    takeover: bool,
    words: Vec<Vec<u8>>,
}

/// Runs all sessions in one Python.
fn python(sessions: &[Session]) -> Vec<Result<Vec<Vec<u8>>, String>> {
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs `python3` (Debian package: python3) on the PATH");
    let mut input = child.stdin.take().unwrap();
    let lines: String = sessions
        .iter()
        .map(|session| {
            let words: Vec<_> = session.words.iter().map(|word| to_hex(word)).collect();
            let Session { verb, bits, takeover, .. } = session;
            format!("{verb} {bits} {takeover} {}\n", words.join(" "))
        })
        .collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "python3 failed: {}", output.status);
    let output = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = output
        .lines()
        .map(|line| match line.strip_prefix("error: ") {
            Some(error) => Err(error.to_owned()),
            None => Ok(line.split(' ').map(from_hex).collect()),
        })
        .collect();
    assert_eq!(answers.len(), sessions.len());
    answers
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(word: &str) -> Vec<u8> {
    let digits = word.as_bytes();
    let digit = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Text, long runs, and noise that repeats at distances around the edge of every small window.
fn messages() -> Vec<Vec<u8>> {
    let mut messages = vec![
        text::json(20_000, 1),
        text::json(700, 2),
        vec![b'x'; 5000],
        text::json(20_000, 1),
        text::json(700, 2),
    ];
    messages.extend((240..270).map(|period| text::noise(period, 3).repeat(4)));
    messages.extend([505, 511, 512, 513, 1023, 1025, 4097].map(|p| text::noise(p, 4).repeat(4)));
    messages
}

fn params(bits: u8, takeover: bool) -> Params {
    let bits = WindowBits::new(bits).unwrap();
    Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: bits,
        client_max_window_bits: bits,
    }
}

#[test]
fn zlib_inflates_what_we_deflate_within_each_window() {
    let mut sessions = Vec::new();
    let mut expected = Vec::new();
    for level in [1, 2, 4, 6, 9] {
        for bits in 8..=15 {
            for takeover in [false, true] {
                let config = CompressionConfig::default()
                    .with_level(Level::new(level).unwrap())
                    .with_threshold_bytes(0)
                    .with_takeover_history_bytes(1 << 15);
                let manager = CompressionManager::new(config);
                let mut sender = manager.codec(Role::Server, params(bits, takeover));
                let (mut words, mut compressed) = (Vec::new(), Vec::new());
                for message in messages() {
                    let mut word = Vec::new();
                    if sender.compress(&message, &mut word) == Outcome::Compressed {
                        words.push(word);
                        compressed.push(message);
                    }
                }
                assert!(words.len() >= 5);
                sessions.push(Session { verb: "inflate", bits, takeover, words });
                expected.push(compressed);
            }
        }
    }
    for ((session, answer), expected) in sessions.iter().zip(python(&sessions)).zip(expected) {
        assert!(
            answer.as_ref() == Ok(&expected),
            "{} bits, takeover {}: {:?}",
            session.bits,
            session.takeover,
            answer.err()
        );
    }
}

/// Without this the test above would prove nothing about windows.
#[test]
fn zlib_refuses_what_was_deflated_for_a_larger_window() {
    let manager = CompressionManager::create_default();
    let deflated = |period| {
        let (message, mut word) = (text::noise(period, 5).repeat(3), Vec::new());
        let outcome = manager.compress_shared(WindowBits::MAX, &message, &mut word);
        assert_eq!(outcome, Outcome::Compressed);
        (message, word)
    };
    let mut sessions = Vec::new();
    for bits in 8..=14 {
        let word = deflated((1 << bits) + 100).1;
        sessions.push(Session { verb: "inflate", bits, takeover: false, words: vec![word] });
    }
    let (message, word) = deflated(1 << 14);
    sessions.push(Session { verb: "inflate", bits: 15, takeover: false, words: vec![word] });

    let mut answers = python(&sessions);
    assert_eq!(answers.pop(), Some(Ok(vec![message])));
    for (answer, session) in answers.iter().zip(&sessions) {
        let error = answer.as_ref().unwrap_err();
        assert!(error.contains("too far back"), "{} bits: {error}", session.bits);
    }
}

#[test]
fn we_inflate_what_zlib_deflates() {
    let mut sessions = Vec::new();
    for bits in 9..=15 {
        for takeover in [false, true] {
            sessions.push(Session { verb: "deflate", bits, takeover, words: messages() });
        }
    }
    for (session, payloads) in sessions.iter().zip(python(&sessions)) {
        let manager = CompressionManager::create_default();
        let mut receiver = manager.codec(Role::Server, params(session.bits, session.takeover));
        for (message, payload) in session.words.iter().zip(payloads.unwrap()) {
            let mut out = Vec::new();
            receiver.decompress(&payload, message.len(), &mut out).unwrap();
            assert!(&out == message, "{} bits, takeover {}", session.bits, session.takeover);
        }
    }
}
