//! Frames in and out: headers alone, then whole messages through a connection, beside tungstenite.

use std::{hint::black_box, io::Cursor, sync::Arc, time::Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use tungstenite::{
    Message, WebSocket,
    protocol::{
        Role as PeerRole,
        frame::{
            FrameHeader as PeerHeader,
            coding::{Data, OpCode},
        },
    },
};
use ws_connection::{
    Connection, ConnectionConfig, Event, FrameHeader, Role, Workspace, encode_header,
};
use ws_gateway_benches::{Memory, client_frame, client_frames, now};

mod measured;

use measured::Criterion;

/// How many messages one read brings, where more than one fits.
const BATCH: usize = 16;
const KIB: usize = 1024;
const BINARY: u8 = 0x82;

fn parse_header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header parse");
    for (name, len) in [("7-bit length", 20), ("16-bit length", 1000), ("64-bit length", 70_000)] {
        let frame = client_frame(BINARY, &vec![0; len], 1);
        let head = &frame[..14];
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| FrameHeader::parse(black_box(head), Role::Server));
        });
        group.bench_function(BenchmarkId::new("tungstenite", name), |bencher| {
            bencher.iter(|| PeerHeader::parse(&mut Cursor::new(black_box(head))));
        });
    }
}

fn write_header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header write");
    let opcode = OpCode::Data(Data::Binary);
    for (name, len) in [("7-bit length", 20), ("16-bit length", 1000), ("64-bit length", 70_000)] {
        let mut out = Vec::with_capacity(16);
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_header(&mut out, true, false, opcode, black_box(len), None);
                black_box(&out);
            });
        });
        let header = PeerHeader { opcode, ..PeerHeader::default() };
        group.bench_function(BenchmarkId::new("tungstenite", name), |bencher| {
            bencher.iter(|| {
                out.clear();
                let done = header.format(black_box(len as u64), &mut out);
                black_box((&out, done.is_ok()));
            });
        });
    }
}

/// A server reads `wire`: masked binary messages.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let fragments = {
        let piece = [0x5a; KIB];
        let middle = (0..62).map(|seed| client_frame(0x00, &piece, 2 * seed + 3));
        let (first, last) = (client_frame(0x02, &piece, 1), client_frame(0x80, &piece, 5));
        [first].into_iter().chain(middle).chain([last]).flatten().collect()
    };
    let cases = [
        ("1 of 20 B", client_frame(BINARY, &[0x5a; 20], 1), 1),
        ("16 of 20 B", client_frames(BINARY, &[0x5a; 20], BATCH), BATCH),
        ("16 of 1 KiB", client_frames(BINARY, &[0x5a; KIB], BATCH), BATCH),
        ("1 of 256 KiB", client_frame(BINARY, &vec![0x5a; 256 * KIB], 1), 1),
        ("1 of 64 KiB in 64 fragments", fragments, 1),
    ];
    for (name, wire, messages) in cases {
        let wire = Bytes::from(wire);
        group.throughput(Throughput::Elements(messages as u64));
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            let mut reader = OurReader::new();
            assert_eq!(reader.read(&wire), messages);
            bencher.iter(|| reader.read(&wire));
        });
        group.bench_function(BenchmarkId::new("tungstenite", name), |bencher| {
            let memory = Memory::default();
            let mut socket = WebSocket::from_raw_socket(memory.clone(), PeerRole::Server, None);
            let mut read = || {
                memory.deliver(&wire);
                std::iter::from_fn(|| socket.read().ok().map(black_box)).count()
            };
            assert_eq!(read(), messages);
            bencher.iter(read);
        });
    }
}

struct OurReader {
    connection: Connection,
    workspace: Workspace,
    out: Vec<u8>,
    now: Instant,
}

impl OurReader {
    fn new() -> Self {
        let now = now();
        let connection = Connection::new(Arc::new(ConnectionConfig::server()), None, 42, now);
        Self { connection, workspace: Workspace::new(), out: Vec::new(), now }
    }

    /// Counts the messages in `wire`, which comes in reads of at most 64 KiB.
    fn read(&mut self, wire: &[u8]) -> usize {
        let mut messages = 0;
        let mut rest = wire;
        while !rest.is_empty() {
            let len = self.workspace.load(rest);
            rest = &rest[len..];
            let Self { connection, workspace, out, now } = self;
            while let Some(event) = connection.poll_event(workspace, out, *now) {
                messages += usize::from(matches!(black_box(event), Event::Binary(_)));
            }
        }
        messages
    }
}

/// Binary messages are framed and handed to a transport that takes all at once.
fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let roles = [
        ("server", ConnectionConfig::server(), PeerRole::Server),
        ("client", ConnectionConfig::client(rand::random), PeerRole::Client),
    ];
    for (role, config, peer_role) in roles {
        let config = Arc::new(config);
        for (size, len, messages) in
            [("16 of 20 B", 20, BATCH), ("16 of 1 KiB", KIB, BATCH), ("1 of 64 KiB", 64 * KIB, 1)]
        {
            let name = format!("{role}, {size}");
            let payload = Bytes::from(vec![0x5a; len]);
            group.throughput(Throughput::Elements(messages as u64));
            let mut written = Vec::new();
            group.bench_function(BenchmarkId::new("ours", &name), |bencher| {
                let now = now();
                let mut connection = Connection::new(config.clone(), None, 42, now);
                let mut out = Vec::new();
                let mut write = || {
                    out.clear();
                    for _ in 0..messages {
                        let sent = connection.send_binary(black_box(&payload), &mut out, now);
                        debug_assert!(sent.is_ok());
                    }
                    black_box(&out).len()
                };
                written.push(write());
                bencher.iter(write);
            });
            group.bench_function(BenchmarkId::new("tungstenite", &name), |bencher| {
                let memory = Memory::default();
                let mut socket = WebSocket::from_raw_socket(memory.clone(), peer_role, None);
                let mut write = || {
                    for _ in 0..messages {
                        let sent = socket.write(Message::Binary(black_box(&payload).clone()));
                        debug_assert!(sent.is_ok());
                    }
                    let flushed = socket.flush();
                    debug_assert!(flushed.is_ok());
                    memory.take_written()
                };
                written.push(write());
                bencher.iter(write);
            });
            assert!(written.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {written:?}");
        }
    }
}

fn main() {
    measured::run(&[parse_header, write_header, decode, encode]);
}
