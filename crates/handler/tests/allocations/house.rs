//! A handler as a gateway has it (authenticated, limited, with heartbeat and statistics), and the
//! connections that it serves, each polled by hand.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::value::RawValue;
use tungstenite::protocol::frame::coding::OpCode;
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_compression::{Outcome, PerMessageDeflate, Role};
use ws_connection::{apply_mask, encode_header, handshake::HeadLimits};
use ws_handler::{
    Application, AuthMode, Client, GatewaySession, HandlerConfig, Limits, Policy, Responder,
    WallClock, WebSocketHandler,
};
use ws_rate_limiter::{AnyLimit, KeyedLimiter, TieredLimiter, TokenBucket};
use ws_transport::{Driver, read_request};

use crate::{
    counting::allocations,
    wire::{Bell, Wire},
};

const SECRET: &str = "the secret of these tests, of more than thirty-two bytes";
/// So many that no test reaches the limit: what is counted is that it is asked.
const PLENTY: TokenBucket =
    TokenBucket::per_second(NonZeroU32::new(1_000_000_000).expect("more than none"));
const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("more than none");

/// Answers each request with what it asked, at once or from elsewhere.
#[derive(Debug)]
pub(crate) struct Echo;

impl Application for Echo {
    fn handle_request(
        &self,
        _client: &Arc<Client>,
        payload: &RawValue,
        responder: Responder<'_, '_>,
    ) {
        if payload.get() == "\"later\"" {
            responder.later().respond(payload);
        } else {
            responder.respond(payload);
        }
    }
}

/// What a server would spawn.
pub(crate) type Task = Pin<Box<Driver<Wire, GatewaySession<Echo>>>>;

pub(crate) struct House {
    pub(crate) handler: WebSocketHandler<Echo>,
    minter: TokenMinter,
}

/// What one turn of a connection's task did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) allocations: usize,
    /// Calls that read from the socket.
    pub(crate) reads: usize,
    /// Calls that wrote to it.
    pub(crate) writes: usize,
    /// The pieces that these wrote.
    pub(crate) slices: usize,
    /// How often the task asked for another turn, or was asked to take one.
    pub(crate) wakes: usize,
}

impl Turn {
    /// The larger figure of each kind.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            allocations: self.allocations.max(other.allocations),
            reads: self.reads.max(other.reads),
            writes: self.writes.max(other.writes),
            slices: self.slices.max(other.slices),
            wakes: self.wakes.max(other.wakes),
        }
    }
}

impl House {
    pub(crate) fn open() -> Self {
        let secret = Secret::from(SECRET);
        let minter = TokenMinter::new(&secret).expect("long enough");
        let issuer = Issuer::new("house").secret(secret);
        let authenticator = Authenticator::builder().issuer(issuer).build().expect("sound");
        let messages = TieredLimiter::new("free", AnyLimit::from(PLENTY), KEYS_MAX)
            .with_tier("pro", AnyLimit::from(PLENTY));
        let limits = Limits {
            connects: Some(Arc::new(KeyedLimiter::new(PLENTY, KEYS_MAX))),
            messages: Some(Arc::new(messages)),
            connections_per_user_max: NonZeroUsize::new(1_000_000),
            ..Limits::default()
        };
        let policy = Policy { auth_mode: AuthMode::Upgrade, limits, ..Policy::default() };
        let config = HandlerConfig { policy, ..HandlerConfig::default() };
        let now = tokio::time::Instant::now().into_std();
        let clock = Arc::new(WallClock::new(now, Self::wall()));
        Self { handler: WebSocketHandler::new(config, authenticator, clock, Echo), minter }
    }

    fn wall() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    /// The upgrade request of a user with a token of its own.
    pub(crate) fn upgrade(&self, user: &str, with_deflate: bool) -> Vec<u8> {
        let token = self.minter.mint(&TokenRequest::new(user).tier("pro"), Self::wall());
        let token = token.expect("signs");
        let offer = match with_deflate {
            true => "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
            false => "",
        };
        format!(
            "GET /ws HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {}\r\n{offer}\r\n",
            token.expose()
        )
        .into_bytes()
    }

    /// Reads the request from the wire, judges it and makes its connection, as a server does.
    pub(crate) fn accept(&self, wire: &Wire) -> Task {
        let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
        let judging = pin!(async {
            let mut io = wire.clone();
            let head = read_request(&mut io, HeadLimits::default(), Vec::new()).await;
            let head = head.expect("a request");
            (self.handler.admit(&head.request, peer).await.expect("granted"), head.early())
        });
        let Poll::Ready((admission, early)) = judging.poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("the request is there, and an HMAC needs no keys fetched");
        };
        Box::pin(self.handler.serve(wire.clone(), admission, early))
    }

    /// A connection whose greeting has been written.
    pub(crate) fn connect(&self, user: &str, with_deflate: bool) -> Connected {
        let (wire, bell) = (Wire::new(), Arc::new(Bell::default()));
        wire.deliver(&self.upgrade(user, with_deflate));
        let mut connected = Connected::new(self.accept(&wire), wire, bell);
        connected.turn();
        let greeting = connected.wire.take_written();
        let greeting = String::from_utf8_lossy(&greeting);
        assert!(greeting.contains("\"type\":\"connected\""), "{greeting}");
        let is_negotiated = greeting.contains("permessage-deflate");
        assert_eq!(is_negotiated, with_deflate, "{greeting}");
        connected
    }

    /// One message as a client sends it, deflated if that was negotiated and pays.
    pub(crate) fn frame(&self, text: &str, with_deflate: bool) -> Vec<u8> {
        let mut payload = Vec::new();
        if with_deflate
            && self.codec().compress(text.as_bytes(), &mut payload) == Outcome::Compressed
        {
            masked(0xc1, &payload)
        } else {
            masked(0x81, text.as_bytes())
        }
    }

    fn codec(&self) -> PerMessageDeflate {
        let compression = &self.handler.config().compression;
        let offer = compression.accept_offer(["permessage-deflate; client_max_window_bits"]);
        compression.codec(Role::Client, offer.expect("a plain offer").params)
    }
}

/// A frame of a client whose first byte is `first`.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let key = [1, 2, 3, 4];
    encode_header(&mut wire, true, false, OpCode::from(first & 0x0f), payload.len(), Some(key));
    wire[0] = first;
    let body = wire.len();
    wire.extend_from_slice(payload);
    apply_mask(&mut wire[body..], key, 0);
    wire
}

/// One connection of the house, and its wire.
pub(crate) struct Connected {
    task: Task,
    pub(crate) wire: Wire,
    pub(crate) bell: Arc<Bell>,
    waker: Waker,
}

impl Connected {
    pub(crate) fn new(task: Task, wire: Wire, bell: Arc<Bell>) -> Self {
        Self { task, wire, waker: Waker::from(bell.clone()), bell }
    }

    /// Polls the task once.
    pub(crate) fn turn(&mut self) -> Turn {
        let (calls, (reads, writes, slices)) = (allocations(), self.wire.calls());
        let poll = self.task.as_mut().poll(&mut Context::from_waker(&self.waker));
        assert!(poll.is_pending(), "the connection goes on");
        let after = self.wire.calls();
        Turn {
            allocations: allocations() - calls,
            reads: after.0 - reads,
            writes: after.1 - writes,
            slices: after.2 - slices,
            wakes: self.bell.take_rings(),
        }
    }

    /// What it takes to work off `bytes`, which come at once, and how much is written for them.
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> (Turn, usize) {
        self.wire.deliver(bytes);
        let turn = self.turn();
        (turn, self.wire.forget_written())
    }
}

/// Lets the runtime see to its timers, so that those that are due ring their bells.
pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
