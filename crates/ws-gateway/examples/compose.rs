//! The crates, composed by hand: a WebSocket server of your own that shouts.
//!
//! It shows what the gateway's binary does with them, in the same order, and where your code goes: an
//! `Application` behind the handler. Type
//!
//! ```text
//! cargo run --example compose -- 127.0.0.1:3002
//! ```
//!
//! and you will see an address with a token. Connect to it, send
//! `{"type":"request","requestId":"1","payload":"hello"}`, and `HELLO` comes back. Ctrl-C closes every
//! connection with 1012 "Server restart", says how that went, and ends.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{
    error::Error,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::value::{RawValue, to_raw_value};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_close_manager::{CloseOptions, CloseReport, SendableCode};
use ws_compression::CompressionManager;
use ws_connection::{ConnectionConfig, handshake::HeadLimits};
use ws_frame_validator::FrameSizeValidator;
use ws_handler::{
    Application, Client, HandlerConfig, Limits, Policy, Rejection, Responder, WallClock,
    WebSocketHandler,
};
use ws_heartbeat::HeartbeatConfig;
use ws_protocol::ErrorCode;
use ws_rate_limiter::{KeyedLimiter, TieredLimiter, TokenBucket};
use ws_transport::{ReadHeadError, read_request};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3002".to_owned());
    let secret = Secret::from("thirty-two bytes that nobody else knows");
    let handler = compose(&secret)?;
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}/?token={}", listener.local_addr()?, token(&secret)?.expose());

    let report = serve(&handler, listener, async {
        // Without the signal there is no other end than to be killed, which needs no answer.
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    println!("{report}");
    Ok(())
}

// begin: README
const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
const CONNECTS: TokenBucket = TokenBucket::per_hour(NonZeroU32::new(100).unwrap());
const FREE: TokenBucket = TokenBucket::per_minute(NonZeroU32::new(100).unwrap());
const PRO: TokenBucket = TokenBucket::per_minute(NonZeroU32::new(1_000).unwrap());

/// Create the components, and the handler that composes them around your application.
pub(crate) fn compose(secret: &Secret) -> Result<WebSocketHandler<Shout>, Box<dyn Error>> {
    // Who may come in: tokens signed with the secret; JWKS and Supabase are as short.
    let authenticator =
        Authenticator::builder().issuer(Issuer::new("own").secret(secret.clone())).build()?;

    // How often: connects of an address, messages of a user by the tier that the token names.
    let limits = Limits {
        connects: Some(KeyedLimiter::new(CONNECTS, KEYS_MAX).into()),
        messages: Some(
            TieredLimiter::new("free", FREE.into(), KEYS_MAX).with_tier("pro", PRO.into()).into(),
        ),
        ..Limits::default()
    };

    // How much, and how small: 1 MiB a message; level 6 from 1 KiB on.
    let compression = CompressionManager::create_default();
    let validator = Arc::new(FrameSizeValidator::default());

    // How long a silent peer is believed to live: 30 s + 3 × 5 s.
    let connection = ConnectionConfig::server()
        .with_sizes(validator.limits())
        .with_heartbeat(Some(HeartbeatConfig::default()));

    // What may change while it runs, and what stays.
    let policy = Policy { connection: Arc::new(connection), limits, ..Policy::default() };
    let config = HandlerConfig { policy, compression, validator, ..HandlerConfig::default() };
    Ok(WebSocketHandler::new(config, authenticator, wall_clock(), Shout))
}

/// Serve upgrade requests until `stop`, then close all connections gracefully.
pub(crate) async fn serve(
    handler: &WebSocketHandler<Shout>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<CloseReport, Box<dyn Error>> {
    let mut stop = std::pin::pin!(stop);
    loop {
        let (socket, peer) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = &mut stop => break,
        };
        let handler = handler.clone();
        tokio::spawn(async move { answer(&handler, socket, peer).await });
    }
    let restart = CloseOptions::new(SendableCode::RESTART)
        .reason("Server restart")
        .timeout(Duration::from_secs(5));
    Ok(handler.drain(&restart).await)
}

/// Your code: what requests are answered with.
#[derive(Debug)]
pub(crate) struct Shout;

impl Application for Shout {
    fn handle_request(&self, _: &Arc<Client>, payload: &RawValue, responder: Responder<'_, '_>) {
        match serde_json::from_str::<String>(payload.get()).map(|text| text.to_uppercase()) {
            Ok(text) => match to_raw_value(&text) {
                Ok(answer) => responder.respond(&answer),
                Err(_) => responder.fail(ErrorCode::Internal, None),
            },
            Err(_) => responder.fail(ErrorCode::InvalidField, Some("Expected a string".into())),
        }
    }
}
// end: README

/// One connection, from its request to its end. The request has ten seconds and 16 KiB to arrive in.
async fn answer(
    handler: &WebSocketHandler<Shout>,
    mut socket: TcpStream,
    peer: std::net::SocketAddr,
) {
    let head = read_request(&mut socket, HeadLimits::default(), Vec::new());
    let rejection = match timeout(Duration::from_secs(10), head).await {
        Ok(Ok(head)) => {
            return handler.handle_upgrade(socket, &head.request, peer, head.early()).await;
        }
        Ok(Err(ReadHeadError::Head(error))) => Rejection::from(error),
        Ok(Err(ReadHeadError::EndOfStream | ReadHeadError::Io(_))) => return,
        Err(_) => Rejection::TimedOut,
    };
    handler.note_rejection(&rejection, peer);
    handler.reject(socket, &rejection).await;
}

fn wall_clock() -> Arc<WallClock> {
    Arc::new(WallClock::new(Instant::now().into_std(), system_time()))
}

/// A token for whoever tries this out; in earnest another program makes them.
pub(crate) fn token(secret: &Secret) -> Result<Secret, Box<dyn Error>> {
    let day = Duration::from_secs(24 * 3600);
    let request = TokenRequest::new("user-123").tier("pro").ttl(day);
    Ok(TokenMinter::new(secret)?.mint(&request, system_time())?)
}

#[expect(clippy::disallowed_methods, reason = "the program's edge: all else derives from this")]
fn system_time() -> SystemTime {
    SystemTime::now()
}
