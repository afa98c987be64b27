//! The whole way of a message through a driver and back out, on a transport in memory, beside
//! tokio-tungstenite on the same one.
//!
//! Ours has heartbeat, idle deadline and statistics on, as it comes.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use futures_util::{Sink, SinkExt, Stream, StreamExt, TryStreamExt, future};
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::WebSocketStream as PeerStream;
use tungstenite::{Error, Message, protocol::Role as PeerRole};
use ws_compression::{CompressionConfig, CompressionManager, Outcome, PerMessageDeflate, Role};
use ws_connection::{Connection, ConnectionConfig, End, Event};
use ws_gateway_benches::{Memory, client_frame, client_frames, json, now};
use ws_transport::{Driver, Meter, Replies, Session, WebSocketStream};

mod measured;

use measured::Criterion;

const KIB: usize = 1024;
const TEXT: u8 = 0x81;

/// Sends back what comes.
struct Echo;

impl Session for Echo {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        let sent = match event {
            Event::Text(text) => replies.send_text(text),
            Event::Binary(bytes) => replies.send_binary(bytes),
            other => panic!("only messages were sent: {other:?}"),
        };
        sent.unwrap();
    }

    fn handle_end(&mut self, end: End) {
        panic!("nobody ended the connection: {end:?}");
    }
}

/// A connection that echoes whenever it is polled, and the wire that it hangs on.
struct Echoing {
    memory: Memory,
    task: Pin<Box<dyn Future<Output = ()>>>,
}

impl Echoing {
    fn new<F: Future<Output = ()> + 'static>(over: impl FnOnce(Memory) -> F) -> Self {
        let memory = Memory::default();
        Self { task: Box::pin(over(memory.clone())), memory }
    }

    fn driver(deflate: Option<PerMessageDeflate>) -> Self {
        Self::new(|memory| {
            let config = Arc::new(ConnectionConfig::server());
            let connection = Connection::new(config, deflate, 42, now());
            Driver::new(memory, connection, Arc::<Meter>::default(), 1 << 20, |_outbox| Echo)
        })
    }

    /// How many bytes come back.
    fn echo(&mut self, wire: &Bytes) -> usize {
        self.memory.deliver(wire);
        loop {
            let poll = self.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending(), "the connection goes on");
            if self.memory.is_drained() {
                return self.memory.take_written();
            }
        }
    }
}

/// The loop that everyone writes first.
async fn answer_each(mut socket: impl Socket) {
    while let Some(message) = socket.next().await {
        socket.send(message.unwrap()).await.unwrap();
    }
}

/// Flushes only when nothing is left to read.
async fn forward(socket: impl Socket) {
    let (sink, stream) = socket.split();
    stream.try_filter(|message| future::ready(!message.is_close())).forward(sink).await.unwrap();
}

trait Socket:
    Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin + 'static
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin + 'static
{
}

fn ours(memory: Memory) -> impl Socket {
    let config = Arc::new(ConnectionConfig::server());
    WebSocketStream::after_handshake(memory, config, None, Bytes::new())
}

fn theirs(memory: Memory, runtime: &Runtime) -> impl Socket + use<> {
    runtime.block_on(PeerStream::from_raw_socket(memory, PeerRole::Server, None))
}

fn echo(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = criterion.benchmark_group("echo");
    let cases = [
        ("1 of 20 B", client_frames(TEXT, json(20, 1).as_bytes(), 1), 1, 22),
        ("16 of 20 B", client_frames(TEXT, json(20, 1).as_bytes(), 16), 16, 22),
        ("16 of 1 KiB", client_frames(TEXT, json(KIB, 1).as_bytes(), 16), 16, KIB + 4),
        ("1 of 256 KiB", client_frame(TEXT, json(256 * KIB, 1).as_bytes(), 1), 1, 256 * KIB + 10),
    ];
    for (name, wire, messages, framed) in cases {
        let wire = Bytes::from(wire);
        group.throughput(Throughput::Elements(messages as u64));
        let peer = |memory| theirs(memory, &runtime);
        let candidates = [
            ("ours", Echoing::driver as fn(_) -> _),
            ("ours, as a stream", |_| Echoing::new(|memory| forward(ours(memory)))),
        ];
        let candidates = candidates.map(|(who, make)| {
            let _guard = runtime.enter();
            (who, make(None))
        });
        let peers = [
            ("tokio-tungstenite, send", Echoing::new(|memory| answer_each(peer(memory)))),
            ("tokio-tungstenite, forward", Echoing::new(|memory| forward(peer(memory)))),
        ];
        for (who, mut connection) in candidates.into_iter().chain(peers) {
            let _guard = runtime.enter();
            assert_eq!(connection.echo(&wire), messages * framed, "{who}");
            group.bench_function(BenchmarkId::new(who, name), |bencher| {
                bencher.iter(|| connection.echo(&wire));
            });
        }
    }
}

/// Inflated and deflated on the way, beside the same messages plain; tungstenite knows no
/// permessage-deflate.
fn echo_deflated(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let _guard = runtime.enter();
    let mut group = criterion.benchmark_group("echo, deflated");
    let manager = CompressionManager::new(CompressionConfig::default().with_threshold_bytes(0));
    let offer = manager.offer().unwrap();
    let params = manager.accept_offer([offer.as_str()]).unwrap().params;
    for (name, len) in [("16 of 300 B", 300), ("16 of 1 KiB", KIB)] {
        let texts: Vec<_> = (0..16).map(|seed| json(len, seed)).collect();
        let plain = |text: &String| client_frame(TEXT, text.as_bytes(), 1);
        let mut client = manager.codec(Role::Client, params);
        let deflated = |text: &String| {
            let mut payload = Vec::new();
            assert_eq!(client.compress(text.as_bytes(), &mut payload), Outcome::Compressed);
            client_frame(0x40 | TEXT, &payload, 1)
        };
        let wires = [
            ("ours", texts.iter().flat_map(plain).collect::<Vec<_>>(), None),
            (
                "ours, deflated",
                texts.iter().flat_map(deflated).collect(),
                Some(manager.codec(Role::Server, params)),
            ),
        ];
        for (who, wire, codec) in wires {
            let is_plain = codec.is_none();
            let wire = Bytes::from(wire);
            let mut connection = Echoing::driver(codec);
            let written = connection.echo(&wire);
            assert_eq!(is_plain, written > 16 * len, "deflated again: {written} bytes");
            group.throughput(Throughput::Elements(16));
            group.bench_function(BenchmarkId::new(who, name), |bencher| {
                bencher.iter(|| connection.echo(&wire));
            });
        }
    }
}

fn main() {
    measured::run(&[echo, echo_deflated]);
}
