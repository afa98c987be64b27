//! The gateway's handler, authenticated and limited, on a transport in memory.

use std::{
    future::Future,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::material::{Memory, now};
use bytes::Bytes;
use serde_json::value::RawValue;
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_channels::{ChannelRules, RuleSpec, SubscriptionLimits};
use ws_connection::handshake::HeadLimits;
use ws_handler::{
    Application, AuthMode, Client, HandlerConfig, Limits, Policy, Responder, WallClock,
    WebSocketHandler,
};
use ws_rate_limiter::{AnyLimit, KeyedLimiter, TieredLimiter, TokenBucket};
use ws_transport::read_request;

pub(crate) const SECRET: &str = "a secret for benches alone, of more than thirty-two bytes";
/// So many that nothing reaches the limit; what is counted is that it is asked.
const PLENTY: TokenBucket = TokenBucket::per_second(NonZeroU32::new(1_000_000_000).unwrap());
const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What the wall shows: always the same, so that tokens are as well.
pub(crate) fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

pub(crate) struct Minter(TokenMinter);

impl Minter {
    pub(crate) fn new() -> Self {
        Self(TokenMinter::new(&Secret::from(SECRET)).unwrap())
    }

    pub(crate) fn token(&self, user: &str) -> String {
        let request = TokenRequest::new(user).tier("pro");
        self.0.mint(&request, wall()).unwrap().expose().to_owned()
    }

    /// The bytes of an upgrade request as a browser sends it.
    pub(crate) fn upgrade(&self, user: &str) -> Bytes {
        let token = self.token(user);
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Origin: https://app.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        Bytes::from(request)
    }
}

/// Answers each request with what it asked.
pub(crate) struct Echo;

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

pub(crate) fn handler() -> WebSocketHandler<Echo> {
    let issuer = Issuer::new("local").secret(SECRET);
    let authenticator = Authenticator::builder().issuer(issuer).build().unwrap();
    let messages = TieredLimiter::new("free", AnyLimit::from(PLENTY), KEYS_MAX)
        .with_tier("pro", AnyLimit::from(PLENTY));
    let limits = Limits {
        connects: Some(Arc::new(KeyedLimiter::new(PLENTY, KEYS_MAX))),
        messages: Some(Arc::new(messages)),
        connections_per_user_max: NonZeroUsize::new(1_000_000),
        ..Limits::default()
    };
    let policy = Policy { auth_mode: AuthMode::Upgrade, limits, ..channels() };
    let config = HandlerConfig { policy, ..HandlerConfig::default() };
    WebSocketHandler::new(config, authenticator, Arc::new(WallClock::new(now(), wall())), Echo)
}

/// A rule that has to be asked, and a limit that is never met; room for a million beside those that are
/// measured.
fn channels() -> Policy {
    let any = RuleSpec {
        pattern: "*".to_owned(),
        subscribe: true,
        publish: true,
        rate_limit_per_second: Some(1_000_000_000),
        ..RuleSpec::default()
    };
    let subscriptions = SubscriptionLimits {
        channels_max: NonZeroUsize::new(2_000_000).unwrap(),
        subscribers_per_channel_max: NonZeroU32::new(2_000_000).unwrap(),
        ..SubscriptionLimits::default()
    };
    let rules = Arc::new(ChannelRules::compile(&[any]).unwrap());
    Policy { rules, subscriptions, ..Policy::default() }
}

/// From the bytes of the request to the greeting.
pub(crate) fn connect(handler: &WebSocketHandler<Echo>, request: &Bytes) -> Connected {
    let memory = Memory::default();
    memory.deliver(request);
    let mut io = memory.clone();
    let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
    let judging = pin!(async {
        let head = read_request(&mut io, HeadLimits::default(), Vec::new()).await.unwrap();
        (handler.admit(&head.request, peer).await.unwrap(), head.early())
    });
    let Poll::Ready((admission, early)) = judging.poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the request is there, and an HMAC needs no keys fetched");
    };
    let task = Box::pin(handler.serve(memory.clone(), admission, early));
    let mut connected = Connected { task, memory };
    assert!(connected.turn() > 0, "response and greeting");
    connected
}

/// A connection's task, polled by hand, and its wire.
pub(crate) struct Connected {
    pub(crate) task: Pin<Box<dyn Future<Output = ()>>>,
    pub(crate) memory: Memory,
}

impl Connected {
    /// How many bytes come back for `wire`.
    pub(crate) fn exchange(&mut self, wire: &Bytes) -> usize {
        self.memory.deliver(wire);
        let mut written = self.turn();
        while !self.memory.is_drained() {
            written += self.turn();
        }
        written
    }

    /// How many bytes one poll writes.
    pub(crate) fn turn(&mut self) -> usize {
        let poll = self.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending(), "the connection goes on");
        self.memory.take_written()
    }
}
