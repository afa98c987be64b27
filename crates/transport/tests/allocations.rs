//! What is allocated, counted: nothing for a message once a connection is warm, no buffer while it is
//! idle, and little however much a peer means harm.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one counts and passes on")]
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::{Message, protocol::frame::coding::OpCode};
use ws_compression::{CompressionConfig, CompressionManager, Outcome, PerMessageDeflate, Role};
use ws_connection::{
    Connection, ConnectionConfig, End, Event, Origin, Prepared, apply_mask, encode_header,
};
use ws_transport::{Delivery, Driver, Meter, Outbox, Overflow, Replies, Session, WebSocketStream};

/// Counts for each thread by itself, so that tests that run beside each other do not mix.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    LIVE.set(LIVE.get() + change);
    PEAK.set(PEAK.get().max(LIVE.get()));
    CALLS.set(CALLS.get() + usize::from(change > 0));
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counters are plain
// thread-local cells that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A socket without memory of its own: it yields `input` in reads of `read_max` bytes, once for each
/// time that it is armed, and takes `write_max` bytes of each write, and then none until it is asked
/// again.
#[derive(Clone)]
struct Socket(Rc<RefCell<Wire>>);

struct Wire {
    input: Vec<u8>,
    at: usize,
    read_max: usize,
    write_max: usize,
    blocks: bool,
    written: usize,
    /// Calls that a socket would have been asked for. Like tokio's, this one knows that it is empty
    /// when a read has not filled its buffer, and is not asked again before more comes.
    reads: usize,
    writes: usize,
}

fn socket(input: Vec<u8>) -> Socket {
    let (at, read_max, write_max) = (input.len(), usize::MAX, usize::MAX);
    Socket(Rc::new(RefCell::new(Wire {
        input,
        at,
        read_max,
        write_max,
        blocks: false,
        written: 0,
        reads: 0,
        writes: 0,
    })))
}

impl Socket {
    /// The input comes once more.
    fn arm(&self) {
        self.0.borrow_mut().at = 0;
    }

    fn written(&self) -> usize {
        self.0.borrow().written
    }

    /// How often it was read and written.
    fn calls(&self) -> (usize, usize) {
        let wire = self.0.borrow();
        (wire.reads, wire.writes)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        let len = buffer.remaining().min(wire.read_max).min(wire.input.len() - wire.at);
        if len == 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&wire.input[wire.at..wire.at + len]);
        wire.at += len;
        wire.reads += 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        wire.blocks = !wire.blocks && wire.write_max != usize::MAX;
        if !wire.blocks && wire.write_max != usize::MAX {
            return Poll::Pending;
        }
        let len = bytes.len().min(wire.write_max);
        wire.written += len;
        wire.writes += 1;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let key = [1, 2, 3, 4];
    encode_header(&mut wire, true, false, OpCode::from(first & 0x0f), payload.len(), Some(key));
    wire[0] = first;
    let body = wire.len();
    wire.extend_from_slice(payload);
    apply_mask(&mut wire[body..], key, 0);
    wire
}

fn json(len: usize) -> Vec<u8> {
    br#"{"type":"tick","symbol":"ABC","price":42.5},"#.iter().copied().cycle().take(len).collect()
}

fn manager(takeover: bool) -> CompressionManager {
    let config = CompressionConfig::default()
        .with_threshold_bytes(64)
        .with_server_context_takeover(takeover)
        .with_client_context_takeover(takeover);
    CompressionManager::new(config)
}

/// A server's codec, and what a client with the same parameters makes of a message: it refers to
/// nothing before it, so that it can be sent again and again.
fn negotiated(takeover: bool, message: &[u8]) -> (PerMessageDeflate, Vec<u8>) {
    let manager = manager(takeover);
    let params = manager.accept_offer(["permessage-deflate"]).expect("plain offer").params;
    let mut payload = Vec::new();
    let outcome = manager.codec(Role::Client, params).compress(message, &mut payload);
    assert_eq!(outcome, Outcome::Compressed);
    (manager.codec(Role::Server, params), payload)
}

struct Echo;

impl Session for Echo {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        let sent = match event {
            Event::Text(text) => replies.send_text(text),
            Event::Binary(bytes) => replies.send_binary(bytes),
            _ => Ok(()),
        };
        assert_eq!(sent, Ok(()));
    }

    fn handle_end(&mut self, end: End) {
        panic!("{end:?}");
    }
}

fn driver(
    socket: Socket,
    deflate: Option<PerMessageDeflate>,
    config: &Arc<ConnectionConfig>,
    meter: &Arc<Meter>,
) -> (Driver<Socket, Echo>, Outbox) {
    let now = tokio::time::Instant::now().into_std();
    let connection = Connection::new(config.clone(), deflate, 7, now);
    let mut outbox = None;
    let driver = Driver::new(socket, connection, meter.clone(), 1 << 20, |it| {
        outbox = Some(it);
        Echo
    });
    (driver, outbox.expect("the session is made at once"))
}

/// Polls once, with the waker of the test's task.
async fn turn<F: Future<Output = ()> + ?Sized>(mut driver: Pin<&mut F>) {
    poll_fn(|cx| {
        assert!(driver.as_mut().poll(cx).is_pending(), "over");
        Poll::Ready(())
    })
    .await;
}

/// Calls of the allocator in 200 rounds of `input`, once warm.
async fn calls_of(input: Vec<u8>, deflate: Option<PerMessageDeflate>, read_max: usize) -> usize {
    let socket = socket(input);
    socket.0.borrow_mut().read_max = read_max;
    let (config, meter) = (Arc::new(ConnectionConfig::server()), Arc::new(Meter::default()));
    let (driver, _outbox) = driver(socket.clone(), deflate, &config, &meter);
    let mut driver = pin!(driver);
    for round in 0.. {
        let calls = CALLS.get();
        for _ in 0..200 {
            socket.arm();
            let (before, mut turns) = (socket.written(), 0);
            while socket.0.borrow().at < socket.0.borrow().input.len() {
                turn(driver.as_mut()).await;
                turns += 1;
                assert!(turns < 1000, "the input is not read");
            }
            assert!(socket.written() > before, "echoed");
        }
        if round == 2 {
            return CALLS.get() - calls;
        }
    }
    unreachable!("returned in round 2")
}

#[tokio::test]
async fn the_counter_counts() {
    let before = CALLS.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(CALLS.get() - before, 1);
}

#[tokio::test]
async fn an_echo_allocates_nothing_once_warm() {
    let fragments = [frame(0x01, &json(500)), frame(0x00, &json(500)), frame(0x80, b"]")].concat();
    for (name, input, read_max) in [
        ("16 of 20 bytes in a read", frame(0x81, &json(20)).repeat(16), usize::MAX),
        ("1 KiB", frame(0x82, &json(1024)), usize::MAX),
        ("with a ping", [frame(0x89, b"ping"), frame(0x81, &json(20))].concat(), usize::MAX),
        ("in fragments", fragments, usize::MAX),
        ("text cut by reads", frame(0x81, &json(10_000)), 1000),
        ("200 KiB over several reads", frame(0x82, &json(200_000)), usize::MAX),
    ] {
        assert_eq!(calls_of(input, None, read_max).await, 0, "{name}");
    }
}

#[tokio::test]
async fn an_echo_is_one_read_and_one_write_however_many_messages_came() {
    let (config, meter) = (Arc::new(ConnectionConfig::server()), Arc::new(Meter::default()));
    for (len, messages) in [(20, 1), (20, 16), (1024, 1), (1024, 16), (40_000, 1)] {
        let socket = socket(frame(0x81, &json(len)).repeat(messages));
        let (driver, _outbox) = driver(socket.clone(), None, &config, &meter);
        let mut driver = pin!(driver);
        for _ in 0..20 {
            let (reads, writes) = socket.calls();
            socket.arm();
            turn(driver.as_mut()).await;
            assert_eq!(socket.calls(), (reads + 1, writes + 1), "{messages} of {len} bytes");
        }
    }
}

#[tokio::test]
async fn a_compressed_echo_allocates_nothing_once_warm() {
    for takeover in [false, true] {
        for (len, read_max) in [(300, usize::MAX), (5000, usize::MAX), (5000, 50), (100_000, 300)] {
            let (deflate, payload) = negotiated(takeover, &json(len));
            let calls = calls_of(frame(0xc1, &payload), Some(deflate), read_max).await;
            assert_eq!(calls, 0, "{len} bytes, takeover {takeover}");
        }
    }
}

#[tokio::test]
async fn a_message_for_many_allocates_nothing_at_each_receiver() {
    for (deflate, len) in [
        (None, 200),
        (Some(negotiated(false, &json(300)).0), 200),
        (Some(negotiated(false, &json(300)).0), 4000),
    ] {
        let socket = socket(Vec::new());
        let (config, meter) = (Arc::new(ConnectionConfig::server()), Arc::new(Meter::default()));
        let (driver, outbox) = driver(socket.clone(), deflate, &config, &meter);
        let mut driver = pin!(driver);
        let text = String::from_utf8(json(len)).expect("ASCII");
        let message = Arc::new(Prepared::text(&text));
        let mut calls = 0;
        for round in 0..300 {
            let before = CALLS.get();
            outbox.send(message.clone()).expect("room");
            turn(driver.as_mut()).await;
            calls += if round < 100 { 0 } else { CALLS.get() - before };
        }
        assert!(socket.written() > 0);
        assert_eq!(calls, 0, "{len} bytes");
    }
}

#[tokio::test]
async fn what_may_be_dropped_costs_one_who_keeps_up_no_allocation() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Conflate] {
        let socket = socket(Vec::new());
        let (config, meter) = (Arc::new(ConnectionConfig::server()), Arc::new(Meter::default()));
        let (driver, outbox) = driver(socket.clone(), None, &config, &meter);
        let mut driver = pin!(driver);
        let origin = Origin { channel: "feed".into(), key: 1, range: None, count: 1 };
        let message = Arc::new(Prepared::text("news").with_origin(origin));
        let mut before = 0;
        for round in 0..110 {
            before = if round == 10 { CALLS.get() } else { before };
            assert_eq!(outbox.send_or(message.clone(), overflow).expect("room"), Delivery::Queued);
            turn(driver.as_mut()).await;
        }
        assert_eq!(CALLS.get() - before, 0, "{overflow:?}");
        assert_eq!(socket.written(), 110 * message.wire_len());
    }
}

/// Heap of one connection among many, after each has talked and gone idle.
async fn idle_bytes(deflate: impl Fn() -> Option<PerMessageDeflate>, payload: &[u8]) -> isize {
    const CONNECTIONS: isize = 500;
    let (config, meter) = (Arc::new(ConnectionConfig::server()), Arc::new(Meter::default()));
    let before = LIVE.get();
    let mut warm = 0;
    let mut idle: Vec<Pin<Box<Driver<Socket, Echo>>>> = Vec::with_capacity(CONNECTIONS as usize);
    let wire = [payload, &frame(0x01, b"in "), &frame(0x80, b"pieces"), &frame(0x89, b"")].concat();
    let socket = socket(wire);
    socket.0.borrow_mut().read_max = 100;
    let scaffold = LIVE.get() - before;
    for n in 0..CONNECTIONS {
        let (driver, outbox) = driver(socket.clone(), deflate(), &config, &meter);
        let mut driver = Box::pin(driver);
        outbox.send(Arc::new(Prepared::text("welcome"))).expect("room");
        socket.arm();
        while socket.0.borrow().at < socket.0.borrow().input.len() {
            turn(driver.as_mut()).await;
        }
        turn(driver.as_mut()).await;
        idle.push(driver);
        if n == 0 {
            // The thread's scratch memory and the codec's pool belong to nobody.
            warm = LIVE.get() - before - scaffold;
        }
    }
    (LIVE.get() - before - scaffold - warm) / (CONNECTIONS - 1)
}

#[tokio::test]
async fn an_idle_connection_owns_no_buffer() {
    let plain = idle_bytes(|| None, &frame(0x81, &json(5000))).await;
    let manager = manager(false);
    let params = manager.accept_offer(["permessage-deflate"]).expect("plain offer").params;
    let mut payload = Vec::new();
    let _ = manager.codec(Role::Client, params).compress(&json(5000), &mut payload);
    let wire = frame(0xc1, &payload);
    let compressed = idle_bytes(|| Some(manager.codec(Role::Server, params)), &wire).await;
    assert_eq!(compressed, plain, "without takeover a codec is part of the connection");
    assert!(plain <= 768, "{plain} bytes of heap for each idle connection");
}

/// Polls a stream that has nothing to say.
async fn waits(stream: &mut WebSocketStream<Socket>) {
    let waits = poll_fn(|cx| Poll::Ready(stream.poll_next_unpin(cx).is_pending())).await;
    assert!(waits);
}

#[tokio::test]
async fn an_idle_stream_owns_no_buffer() {
    let socket = socket(frame(0x81, &json(5000)));
    let config = Arc::new(ConnectionConfig::server());
    let mut streams = Vec::with_capacity(200);
    let mut warm = 0;
    for n in 0..200 {
        let io = socket.clone();
        let mut stream = WebSocketStream::after_handshake(io, config.clone(), None, Vec::new());
        socket.arm();
        let message = stream.next().await.expect("more").expect("sound");
        stream.send(message).await.expect("open");
        // Armed like one that waits for more.
        waits(&mut stream).await;
        streams.push(stream);
        warm = if n == 0 { LIVE.get() } else { warm };
    }
    let each = (LIVE.get() - warm) / 199;
    assert!(each <= 256, "{each} bytes of heap for each idle stream: its timer, and no buffer");
}

#[tokio::test]
async fn one_read_of_bombs_is_not_inflated_at_once() {
    // Two hundred messages of half a mebibyte, in one read.
    let (deflate, bomb) = negotiated(false, &vec![b' '; 512 * 1024]);
    let input = frame(0xc1, &bomb).repeat(200);
    assert!(input.len() < 200_000);
    let socket = socket(input);
    socket.arm();
    let config = Arc::new(ConnectionConfig::server());
    let before = LIVE.get();
    PEAK.set(before);
    let mut stream =
        WebSocketStream::after_handshake(socket.clone(), config, Some(deflate), Vec::new());
    for _ in 0..200 {
        let message = stream.next().await.expect("more").expect("sound");
        assert_eq!(message.len(), 512 * 1024);
    }
    let peak = PEAK.get() - before;
    assert!(peak < 4 << 20, "{peak} bytes at most");
}

#[tokio::test]
async fn a_buffer_that_is_never_quite_empty_does_not_grow() {
    let socket = socket(Vec::new());
    socket.0.borrow_mut().write_max = 20_000;
    let config = Arc::new(ConnectionConfig::server());
    let mut stream = WebSocketStream::after_handshake(socket.clone(), config, None, Vec::new());
    let message = Message::binary(vec![7; 20_000]);
    stream.feed(message.clone()).await.expect("open");
    stream.feed(message.clone()).await.expect("open");
    let before = LIVE.get();
    PEAK.set(before);
    for _ in 0..5000 {
        stream.feed(message.clone()).await.expect("open");
        // Reading writes a part of what waits.
        waits(&mut stream).await;
    }
    assert!(socket.written() > 50_000_000, "{} bytes left", socket.written());
    let peak = PEAK.get() - before;
    assert!(peak < 1 << 20, "{peak} bytes at most");
}
