//! One message for many: framed once, pushed to every outbox, written by every driver; beside a
//! channel and a tokio-tungstenite socket for each receiver.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    future::Future,
    hint::black_box,
    io::Write,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use criterion::{BenchmarkId, Throughput};
use futures_util::SinkExt;
use tokio::{runtime::Builder, sync::mpsc};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{Message, Utf8Bytes, WebSocket, protocol::Role as PeerRole};
use ws_compression::{CompressionManager, Role};
use ws_connection::{Connection, ConnectionConfig, End, Event, Prepared, Wire};
use ws_gateway_benches::{Memory, json, now};
use ws_transport::{Driver, Meter, Outbox, Replies, Session};

mod measured;

use measured::Criterion;

const KIB: usize = 1024;
const RECEIVERS: usize = 1000;

/// From a message to the transports of a thousand connections: no queue, no task.
fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out encode");
    let now = now();
    let config = Arc::new(ConnectionConfig::server());
    let manager = CompressionManager::create_default();
    let params = manager.accept_offer([manager.offer().unwrap().as_str()]).unwrap().params;
    let cases = [("20 B", 20), ("1 KiB", KIB), ("16 KiB", 16 * KIB)];
    for (size, len) in cases {
        let text = json(len, 1);
        let name = format!("{size} for 1,000");
        group.throughput(Throughput::Elements(RECEIVERS as u64));
        // Deflated once for all; what is below the threshold of 1 KiB goes out plain.
        for (who, negotiated) in [("ours", false), ("ours, deflate negotiated", true)] {
            let deflate = || negotiated.then(|| manager.codec(Role::Server, params));
            let connect =
                |_| (Connection::new(config.clone(), deflate(), 42, now), Memory::default());
            let mut receivers: Vec<_> = (0..RECEIVERS).map(connect).collect();
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::new(who, &name), |bencher| {
                bencher.iter(|| {
                    let message = Prepared::text(black_box(&text));
                    for (connection, memory) in &mut receivers {
                        match connection.send_prepared(&message, &mut out, now).unwrap() {
                            Wire::Shared(frame) => memory.write_all(frame).unwrap(),
                            Wire::Written => panic!("each receiver takes the shared form"),
                        }
                    }
                });
            });
        }
        let connect = |_| WebSocket::from_raw_socket(Memory::default(), PeerRole::Server, None);
        let mut receivers: Vec<_> = (0..RECEIVERS).map(connect).collect();
        group.bench_function(BenchmarkId::new("tungstenite", &name), |bencher| {
            bencher.iter(|| {
                let message = Message::Text(Utf8Bytes::from(black_box(&text)));
                for receiver in &mut receivers {
                    receiver.send(message.clone()).unwrap();
                }
            });
        });
    }
}

/// A receiver that says nothing.
struct Listener;

impl Session for Listener {
    fn handle_event(&mut self, event: Event<'_>, _replies: &mut Replies<'_>) {
        panic!("nothing was sent: {event:?}");
    }

    fn handle_end(&mut self, end: End) {
        panic!("nobody ended the connection: {end:?}");
    }
}

/// One receiver: the way to it, its task, its wire.
struct Receiver<W> {
    way: W,
    task: Pin<Box<dyn Future<Output = ()>>>,
    memory: Memory,
}

impl<W> Receiver<W> {
    /// Lets the task work off what was pushed; how many bytes were written.
    fn poll(&mut self) -> usize {
        let poll = self.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending(), "the connection goes on");
        self.memory.take_written()
    }
}

fn our_receiver() -> Receiver<Outbox> {
    let memory = Memory::default();
    let connection = Connection::new(Arc::new(ConnectionConfig::server()), None, 42, now());
    let mut way = None;
    let driver =
        Driver::new(memory.clone(), connection, Arc::<Meter>::default(), 1 << 20, |outbox| {
            way = Some(outbox);
            Listener
        });
    Receiver { way: way.unwrap(), task: Box::pin(driver), memory }
}

fn their_receiver() -> Receiver<mpsc::Sender<Message>> {
    let memory = Memory::default();
    let (way, mut inbox) = mpsc::channel(64);
    let socket = memory.clone();
    let task = async move {
        let mut socket = WebSocketStream::from_raw_socket(socket, PeerRole::Server, None).await;
        let mut batch = Vec::new();
        // What is queued together is flushed together.
        while inbox.recv_many(&mut batch, 64).await > 0 {
            for message in batch.drain(..) {
                socket.feed(message).await.unwrap();
            }
            socket.flush().await.unwrap();
        }
    };
    Receiver { way, task: Box::pin(task), memory }
}

fn deliver(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let _guard = runtime.enter();
    let mut group = criterion.benchmark_group("fan-out deliver");
    for receivers in [1, RECEIVERS] {
        let mut ours: Vec<_> = (0..receivers).map(|_| our_receiver()).collect();
        let mut theirs: Vec<_> = (0..receivers).map(|_| their_receiver()).collect();
        // Before its first poll nobody knows where to wake a task.
        assert_eq!(ours.iter_mut().map(Receiver::poll).sum::<usize>(), 0);
        assert_eq!(theirs.iter_mut().map(Receiver::poll).sum::<usize>(), 0);
        for (pending, size, len) in
            [(1, "20 B", 20), (16, "20 B", 20), (1, "1 KiB", KIB), (16, "1 KiB", KIB)]
        {
            let text = json(len, 1);
            let name = format!("{pending} of {size} to {receivers}");
            let framed = receivers * pending * Prepared::text(&text).wire_len();
            group.throughput(Throughput::Elements((receivers * pending) as u64));
            group.bench_function(BenchmarkId::new("ours", &name), |bencher| {
                bencher.iter(|| {
                    for _ in 0..pending {
                        let message = Arc::new(Prepared::text(black_box(&text)));
                        for receiver in &ours {
                            receiver.way.send(message.clone()).unwrap();
                        }
                    }
                    assert_eq!(ours.iter_mut().map(Receiver::poll).sum::<usize>(), framed);
                });
            });
            group.bench_function(BenchmarkId::new("mpsc + tokio-tungstenite", &name), |bencher| {
                bencher.iter(|| {
                    for _ in 0..pending {
                        let message = Message::Text(Utf8Bytes::from(black_box(&text)));
                        for receiver in &theirs {
                            receiver.way.try_send(message.clone()).unwrap();
                        }
                    }
                    assert_eq!(theirs.iter_mut().map(Receiver::poll).sum::<usize>(), framed);
                });
            });
        }
    }
}

fn main() {
    measured::run(&[encode, deliver]);
}
