//! A handler as the gateway composes it, and those who connect to it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use http::Request;
use serde_json::value::RawValue;
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_connection::ConnectionConfig;
use ws_handler::{
    Application, AuthMode, Client, HandlerConfig, Limits, Policy, Responder, WallClock,
    WebSocketHandler,
};
use ws_heartbeat::HeartbeatConfig;
use ws_rate_limiter::{AnyLimit, KeyedLimiter, TieredLimiter, TokenBucket};

use crate::{
    arguments::Arguments,
    network::{Network, Peer},
    process::{Span, Stopwatch},
    story::Failure,
};

const SECRET: &str = "a secret for a simulation, of more than thirty-two bytes";
/// What the gateway has unless it is told otherwise.
const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
const MESSAGES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(6_000).unwrap();
const CONNECTS_PER_HOUR: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
/// How many connect at once: a backlog of the listener.
const WAVE: usize = 1_000;

/// Nobody asks anything of it.
pub(crate) struct Silent;

impl Application for Silent {
    fn handle_request(&self, _: &Arc<Client>, payload: &RawValue, responder: Responder<'_, '_>) {
        responder.respond(payload);
    }
}

/// The server's side and the network, before and while somebody is connected.
pub(crate) struct Crowd {
    pub(crate) handler: WebSocketHandler<Silent>,
    pub(crate) network: Arc<Network>,
    minter: TokenMinter,
}

impl Crowd {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let secret = Secret::from(SECRET);
        let minter = TokenMinter::new(&secret)?;
        let authenticator =
            Authenticator::builder().issuer(Issuer::new("local").secret(secret)).build()?;
        let defaults = HeartbeatConfig::default();
        let heartbeat = HeartbeatConfig::new(
            arguments.ping_interval,
            defaults.pong_timeout(),
            defaults.max_missed_pongs(),
        )?;
        let messages = AnyLimit::from(TokenBucket::per_minute(MESSAGES_PER_MINUTE));
        let per_hour = TokenBucket::per_hour(CONNECTS_PER_HOUR);
        let limits = Limits {
            connects: Some(Arc::new(KeyedLimiter::new(per_hour, KEYS_MAX))),
            messages: Some(Arc::new(TieredLimiter::new("default", messages, KEYS_MAX))),
            ..Limits::default()
        };
        let policy = Policy {
            connection: Arc::new(ConnectionConfig::server().with_heartbeat(Some(heartbeat))),
            auth_mode: AuthMode::Upgrade,
            limits,
            ..Policy::default()
        };
        let config = HandlerConfig { policy, ..HandlerConfig::default() };
        let clock = WallClock::new(tokio::time::Instant::now().into_std(), wall());
        let handler = WebSocketHandler::new(config, authenticator, Arc::new(clock), Silent);
        Ok(Self { handler, network: Arc::default(), minter })
    }

    /// Connects `count`, and answers what that took: only the server's part of it.
    pub(crate) async fn connect(&self, count: usize) -> Result<Span, Failure> {
        let mut spent = Span::default();
        for from in (0..count).step_by(WAVE) {
            let wave = from..count.min(from + WAVE);
            let requests = wave.clone().map(|n| self.request(n)).collect::<Result<Vec<_>, _>>()?;
            let stopwatch = Stopwatch::start();
            for (n, request) in wave.clone().zip(requests) {
                let (handler, network) = (self.handler.clone(), self.network.clone());
                tokio::spawn(async move {
                    // A connection that is refused never opens, and that is what is waited for.
                    if let Ok(admission) = handler.admit(&request, address(n)).await {
                        let peer = Peer::new(network);
                        tokio::spawn(handler.serve(peer, admission, Bytes::new()));
                    }
                });
            }
            let opened = self.network.opened.wait_for(wave.end as u64);
            let patience = std::time::Duration::from_secs(60);
            if tokio::time::timeout(patience, opened).await.is_err() {
                let refused = self.handler.stats().rejections;
                return Err(format!("not all are connected; refused: {refused:?}").into());
            }
            spent += stopwatch.read();
        }
        Ok(spent)
    }

    fn request(&self, n: usize) -> Result<Request<()>, Failure> {
        let token = self.minter.mint(&TokenRequest::new(format!("user-{n}")), wall())?;
        let request = Request::get("/ws")
            .header("host", "gateway.example")
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")
            .header("authorization", format!("Bearer {}", token.expose()));
        Ok(request.body(())?)
    }
}

/// Everybody has an address of their own.
fn address(n: usize) -> SocketAddr {
    let [_, a, b, c] = (n as u32).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, a, b, c)), 40_000)
}

#[expect(clippy::disallowed_methods, reason = "tokens are minted, and their time has to be told")]
fn wall() -> SystemTime {
    SystemTime::now()
}
