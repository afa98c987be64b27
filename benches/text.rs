//! Text: is it UTF-8? The check alone beside std's, then as part of messages beside tungstenite.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use tungstenite::{WebSocket, protocol::Role as PeerRole};
use ws_connection::{Connection, ConnectionConfig, Event, Workspace};
use ws_gateway_benches::{Memory, client_frame, client_frames, json, now, scripts};

mod measured;

use measured::Criterion;

const KIB: usize = 1024;
const TEXT: u8 = 0x81;

fn validate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf-8 check");
    let cases = [
        ("ASCII, 20 B", json(20, 1)),
        ("ASCII, 1 KiB", json(KIB, 1)),
        ("ASCII, 64 KiB", json(64 * KIB, 1)),
        ("scripts, 20 B", scripts(20)),
        ("scripts, 1 KiB", scripts(KIB)),
        ("scripts, 64 KiB", scripts(64 * KIB)),
    ];
    for (name, text) in cases {
        let bytes = text.as_bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        // What `ws-connection` calls.
        group.bench_function(BenchmarkId::new("ours (simdutf8)", name), |bencher| {
            bencher.iter(|| simdutf8::basic::from_utf8(black_box(bytes)).is_ok());
        });
        group.bench_function(BenchmarkId::new("std", name), |bencher| {
            bencher.iter(|| std::str::from_utf8(black_box(bytes)).is_ok());
        });
    }
}

/// A server reads text: in whole frames, and in fragments of a size that cuts characters.
fn read_text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode text");
    let fragments = |text: &str| -> Vec<u8> {
        let pieces: Vec<_> = text.as_bytes().chunks(1021).collect();
        let last = pieces.len() - 1;
        let first_byte = |i| match i {
            0 => 0x01,
            i if i == last => 0x80,
            _ => 0x00,
        };
        let frame = |(i, piece): (usize, &&[u8])| client_frame(first_byte(i), piece, i as u64);
        pieces.iter().enumerate().flat_map(frame).collect()
    };
    let cases = [
        ("16 of 20 B, ASCII", client_frames(TEXT, json(20, 1).as_bytes(), 16), 16),
        ("16 of 1 KiB, ASCII", client_frames(TEXT, json(KIB, 1).as_bytes(), 16), 16),
        ("16 of 1 KiB, scripts", client_frames(TEXT, scripts(KIB).as_bytes(), 16), 16),
        ("1 of 64 KiB in fragments, ASCII", fragments(&json(64 * KIB, 1)), 1),
        ("1 of 64 KiB in fragments, scripts", fragments(&scripts(64 * KIB)), 1),
    ];
    for (name, wire, messages) in cases {
        let wire = Bytes::from(wire);
        group.throughput(Throughput::Elements(messages));
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            let now = now();
            let config = Arc::new(ConnectionConfig::server());
            let mut connection = Connection::new(config, None, 42, now);
            let (mut workspace, mut out) = (Workspace::new(), Vec::new());
            let mut read = || {
                let (mut texts, mut rest) = (0, &wire[..]);
                while !rest.is_empty() {
                    let len = workspace.load(rest);
                    rest = &rest[len..];
                    while let Some(event) = connection.poll_event(&mut workspace, &mut out, now) {
                        texts += u64::from(matches!(black_box(event), Event::Text(_)));
                    }
                }
                texts
            };
            assert_eq!(read(), messages);
            bencher.iter(read);
        });
        group.bench_function(BenchmarkId::new("tungstenite", name), |bencher| {
            let memory = Memory::default();
            let mut socket = WebSocket::from_raw_socket(memory.clone(), PeerRole::Server, None);
            let mut read = || {
                memory.deliver(&wire);
                std::iter::from_fn(|| socket.read().ok().map(black_box)).count() as u64
            };
            assert_eq!(read(), messages);
            bencher.iter(read);
            assert_eq!(memory.take_written(), 0, "a reader has nothing to say");
        });
    }
}

fn main() {
    measured::run(&[validate, read_text]);
}
