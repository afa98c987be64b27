//! A request through the whole gateway and its response back out, authenticated and limited, on a
//! transport in memory; beside what one writes by hand on tokio-tungstenite and serde_json, which
//! does neither.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    future::Future,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use serde_json::{Value, json, value::RawValue};
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{Message, protocol::Role};
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_gateway_benches::{Memory, client_frames, json, now};
use ws_handler::{
    Application, AuthMode, Client, HandlerConfig, Limits, Policy, Responder, WallClock,
    WebSocketHandler,
};
use ws_rate_limiter::{AnyLimit, KeyedLimiter, TieredLimiter, TokenBucket};

mod measured;

use measured::Criterion;

const SECRET: &str = "a secret for benches alone, of more than thirty-two bytes";
const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// So many that no bench reaches the limit; what is measured is that it is asked.
const PLENTY: TokenBucket = TokenBucket::per_second(NonZeroU32::new(1_000_000_000).unwrap());

/// Answers each request with what it asked.
struct Echo;

impl Application for Echo {
    fn handle_request(
        &self,
        _client: &Arc<Client>,
        payload: &RawValue,
        responder: Responder<'_, '_>,
    ) {
        responder.respond(payload);
    }
}

/// A handler as the gateway configures it, and an upgrade request that it grants.
struct Ours {
    handler: WebSocketHandler<Echo>,
    request: Request<()>,
    peer: SocketAddr,
}

impl Ours {
    #[expect(clippy::disallowed_methods, reason = "a token is minted, and its time has to be told")]
    fn new() -> Self {
        let wall = SystemTime::now();
        let secret = Secret::from(SECRET);
        let minter = TokenMinter::new(&secret).unwrap();
        let token = minter.mint(&TokenRequest::new("user-123").tier("pro"), wall).unwrap();
        let authenticator =
            Authenticator::builder().issuer(Issuer::new("local").secret(secret)).build().unwrap();
        let messages = TieredLimiter::new("free", AnyLimit::from(PLENTY), KEYS_MAX)
            .with_tier("pro", AnyLimit::from(PLENTY));
        let limits = Limits {
            connects: Some(Arc::new(KeyedLimiter::new(PLENTY, KEYS_MAX))),
            messages: Some(Arc::new(messages)),
            ..Limits::default()
        };
        let policy = Policy { auth_mode: AuthMode::Upgrade, limits, ..Policy::default() };
        let config = HandlerConfig { policy, ..HandlerConfig::default() };
        let clock = Arc::new(WallClock::new(now(), wall));
        let request = Request::get("/ws")
            .header("host", "gateway.example")
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("authorization", format!("Bearer {}", token.expose()))
            .body(())
            .unwrap();
        let handler = WebSocketHandler::new(config, authenticator, clock, Echo);
        Self { handler, request, peer: SocketAddr::from(([192, 0, 2, 1], 4711)) }
    }

    fn connect(&self) -> Connected {
        let memory = Memory::default();
        let Poll::Ready(admission) =
            poll(Box::pin(self.handler.admit(&self.request, self.peer)).as_mut())
        else {
            panic!("an HMAC needs no keys fetched");
        };
        let driver = self.handler.serve(memory.clone(), admission.unwrap(), Bytes::new());
        Connected { task: Box::pin(driver), memory }
    }
}

/// One connection and its wire.
struct Connected {
    task: Pin<Box<dyn Future<Output = ()>>>,
    memory: Memory,
}

impl Connected {
    /// How many bytes come back for `wire`.
    fn exchange(&mut self, wire: &Bytes) -> usize {
        self.memory.deliver(wire);
        assert!(poll(self.task.as_mut()).is_pending(), "the connection goes on");
        self.memory.take_written()
    }
}

fn poll<F: Future + ?Sized>(task: Pin<&mut F>) -> Poll<F::Output> {
    task.poll(&mut Context::from_waker(Waker::noop()))
}

/// No limit, no identity, no heartbeat; the answer is built from the tree of the question.
fn by_hand(runtime: &Runtime) -> Connected {
    let memory = Memory::default();
    let socket = WebSocketStream::from_raw_socket(memory.clone(), Role::Server, None);
    let mut socket = runtime.block_on(socket);
    let task = async move {
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            let mut request: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(request["type"], "request");
            let response = json!({
                "type": "response",
                "requestId": request["requestId"].take(),
                "payload": request["payload"].take(),
                "timestamp": wall_ms(),
            });
            socket.feed(Message::text(response.to_string())).await.unwrap();
            socket.flush().await.unwrap();
        }
    };
    Connected { task: Box::pin(task), memory }
}

#[expect(clippy::disallowed_methods, reason = "by hand, the clock is read for each answer")]
fn wall_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

fn request_response(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("request");
    let note = json(1000, 1);
    let cases = [
        ("1, small", json!({ "action": "test" }), 1),
        ("16, small", json!({ "action": "test" }), 16),
        ("16 of 1 KiB", json!({ "action": "test", "items": [1, 2, 3], "note": note }), 16),
    ];
    for (name, payload, messages) in cases {
        let text = json!({ "type": "request", "requestId": "123", "payload": payload }).to_string();
        let wire = Bytes::from(client_frames(0x81, text.as_bytes(), messages));
        group.throughput(Throughput::Elements(messages as u64));
        let (ours, theirs) = {
            let theirs = by_hand(&runtime);
            let _guard = runtime.enter();
            (Ours::new().connect(), theirs)
        };
        let mut written = Vec::new();
        for (who, mut connection) in [("ours", ours), ("by hand", theirs)] {
            let _guard = runtime.enter();
            // The first poll brings the greeting along.
            connection.exchange(&wire);
            written.push(connection.exchange(&wire));
            group.bench_function(BenchmarkId::new(who, name), |bencher| {
                bencher.iter(|| connection.exchange(&wire));
            });
        }
        assert_eq!(written[0], written[1], "{name}: the same answers");
    }
}

/// From the parsed upgrade request to the greeting, and the end of it all.
fn connect(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let ours = Ours::new();
    let mut group = criterion.benchmark_group("connect");
    group.bench_function(BenchmarkId::new("ours", "token known, connect and end"), |bencher| {
        bencher.iter(|| {
            let mut connection = ours.connect();
            assert!(connection.exchange(&Bytes::new()) > 0, "response and greeting");
            for client in ours.handler.connections_by_user_id("user-123") {
                client.outbox().kill();
            }
            assert!(poll(connection.task.as_mut()).is_ready());
        });
        assert_eq!(ours.handler.connection_count(), 0);
    });
}

fn main() {
    measured::run(&[request_response, connect]);
}
