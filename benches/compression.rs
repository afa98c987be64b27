//! permessage-deflate on conversations of JSON messages, beside flate2 used by hand.
//!
//! One iteration is a whole conversation that starts without a history, so that takeover is measured
//! in both directions on messages that refer back to one another as they would on the wire.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::hint::black_box;

use criterion::{BenchmarkId, Throughput};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use ws_compression::{
    CompressionConfig, CompressionManager, Level, Outcome, Params, Role, WindowBits,
};
use ws_gateway_benches::json;

mod measured;

use measured::Criterion;

const KIB: usize = 1024;
const LIMIT_BYTES: usize = 1024 * KIB;
/// What a sender takes off and a receiver puts back (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

struct Conversation {
    size: &'static str,
    messages: Vec<String>,
}

fn conversations() -> [Conversation; 3] {
    let messages = |count, len| (0..count).map(|seed| json(len, seed)).collect();
    [
        Conversation { size: "64 of 300 B", messages: messages(64, 300) },
        Conversation { size: "64 of 1 KiB", messages: messages(64, KIB) },
        Conversation { size: "4 of 64 KiB", messages: messages(4, 64 * KIB) },
    ]
}

const MODES: [(&str, bool); 2] = [("alone", false), ("takeover", true)];

fn params(takeover: bool) -> Params {
    Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    }
}

fn manager(history_bytes: usize) -> CompressionManager {
    let config = CompressionConfig::default()
        .with_level(Level::BALANCED)
        .with_threshold_bytes(0)
        .with_takeover_history_bytes(history_bytes);
    CompressionManager::new(config)
}

fn deflate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deflate");
    for Conversation { size, messages } in conversations() {
        group.throughput(Throughput::Elements(messages.len() as u64));
        for (mode, takeover) in MODES {
            let name = format!("{mode}, {size}");
            let mut ours = |variant: &str, history_bytes: usize, mut out: Vec<u8>| {
                let manager = manager(history_bytes);
                group.bench_function(BenchmarkId::new(variant, &name), |bencher| {
                    bencher.iter(|| {
                        let mut codec = manager.codec(Role::Server, params(takeover));
                        for message in &messages {
                            out.clear();
                            let outcome = codec.compress(black_box(message.as_bytes()), &mut out);
                            assert_eq!(outcome, Outcome::Compressed);
                        }
                    });
                });
            };
            ours("ours", 4 * KIB, Vec::new());
            if takeover {
                ours("ours, 32 KiB of history", 32 * KIB, Vec::new());
            } else {
                ours("ours, into a buffer of 1 MiB", 4 * KIB, Vec::with_capacity(1024 * KIB));
            }
            let mut peer = Sender::new(takeover);
            group.bench_function(BenchmarkId::new("flate2", &name), |bencher| {
                bencher.iter(|| {
                    peer.send(&messages, |payload| {
                        black_box(payload);
                    });
                });
            });
        }
    }
}

fn inflate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("inflate");
    for Conversation { size, messages } in conversations() {
        group.throughput(Throughput::Elements(messages.len() as u64));
        for (mode, takeover) in MODES {
            let name = format!("{mode}, {size}");
            // Both inflate what the peer's deflater made.
            let mut payloads = Vec::new();
            Sender::new(takeover).send(&messages, |payload| payloads.push(payload.to_vec()));

            let manager = manager(4 * KIB);
            let mut ours = |variant: &str, mut out: Vec<u8>| {
                group.bench_function(BenchmarkId::new(variant, &name), |bencher| {
                    bencher.iter(|| {
                        let mut codec = manager.codec(Role::Server, params(takeover));
                        for (payload, message) in payloads.iter().zip(&messages) {
                            let payload = &payload[..payload.len() - TAIL.len()];
                            out.clear();
                            codec.decompress(black_box(payload), LIMIT_BYTES, &mut out).unwrap();
                            assert_eq!(out.len(), message.len());
                        }
                    });
                });
            };
            ours("ours", Vec::new());
            if !takeover {
                ours("ours, into a buffer of 256 KiB", Vec::with_capacity(256 * KIB));
            }

            let mut inflater = Decompress::new(false);
            let mut room = vec![0; 64 * KIB + 64];
            group.bench_function(BenchmarkId::new("flate2", &name), |bencher| {
                bencher.iter(|| {
                    inflater.reset(false);
                    for (payload, message) in payloads.iter().zip(&messages) {
                        if !takeover {
                            inflater.reset(false);
                        }
                        let before = inflater.total_out();
                        let payload = black_box(&payload[..]);
                        inflater.decompress(payload, &mut room, FlushDecompress::Sync).unwrap();
                        let len = (inflater.total_out() - before) as usize;
                        assert_eq!(black_box(&room[..len]).len(), message.len());
                    }
                });
            });
        }
    }
}

/// One context that stays with its connection, and room for any message that need not be cleared: the
/// least that can be done with flate2.
struct Sender {
    deflater: Compress,
    takeover: bool,
    room: Vec<u8>,
}

impl Sender {
    fn new(takeover: bool) -> Self {
        let deflater = Compress::new_with_window_bits(Compression::new(6), false, 15);
        Self { deflater, takeover, room: vec![0; 80 * KIB] }
    }

    /// A conversation from its start; each payload comes with its tail.
    fn send(&mut self, messages: &[String], mut each: impl FnMut(&[u8])) {
        let Self { deflater, takeover, room } = self;
        deflater.reset();
        for message in messages {
            if !*takeover {
                deflater.reset();
            }
            let before = deflater.total_out();
            deflater.compress(message.as_bytes(), room, FlushCompress::Sync).unwrap();
            let payload = &room[..(deflater.total_out() - before) as usize];
            assert!(payload.ends_with(&TAIL));
            each(payload);
        }
    }
}

fn main() {
    measured::run(&[deflate, inflate]);
}
