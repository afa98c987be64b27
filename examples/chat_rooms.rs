//! A chat with rooms, and a page for it: open two windows and talk to yourself.
//!
//! Shows: the client in a page: rooms, typing, direct messages, who is there, what waits while the connection is
//! away; a rule with a limit for each user and room, and with a history, so that who comes back has missed nothing;
//! tokens minted for whoever comes, WebSockets beside other routes of axum.
//!
//! Type:   cargo run --release --example chat_rooms -- 127.0.0.1:9302
//! Then:   open the address that it prints in two windows of a browser, and type two names.
//! See:    each window told when the other comes, writes, and goes; `@bob hello` reaches bob alone. Close
//!         a window: 15 s later, when it is clear that nobody comes back, the other is told. Stop the example, say
//!         something, start it again: it is said, though histories of this example end with it.
//!
//! Whoever types a name gets a token for it here. In earnest that is what your login does.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    http::{self, StatusCode, header},
    response::{Html, Response},
    routing::{any, get, post},
};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_channels::{ChannelRules, HistorySpec, RuleSpec};
use ws_close_manager::{CloseOptions, SendableCode};
use ws_handler::{
    Application, Client, HandlerConfig, Policy, Responder, WallClock, WebSocketHandler,
};
use ws_protocol::ErrorCode;

/// Throw-away: whoever reads this file can sign tokens with it.
const SECRET: &str = "a secret for an example, which must be long";
const PAGE: &str = include_str!("chat_rooms.html");
/// A gateway has it at this path by itself.
const CLIENT: &str = include_str!("../crates/client/js/client.js");

/// All that a chat needs is in the vocabulary, so that there is nothing left to do.
#[derive(Debug)]
pub(crate) struct Chat;

impl Application for Chat {
    fn handle_request(&self, _: &Arc<Client>, _: &RawValue, responder: Responder<'_, '_>) {
        responder.fail(ErrorCode::Unsupported, None);
    }
}

/// What all routes share.
pub(crate) struct Shared {
    pub(crate) handler: WebSocketHandler<Chat>,
    minter: TokenMinter,
}

/// The handler, with its rule.
pub(crate) fn compose() -> Result<Arc<Shared>, Box<dyn Error>> {
    let rules = ChannelRules::compile(&[RuleSpec {
        // A room is the channel `room:<its id>`.
        pattern: "room:*".into(),
        subscribe: true,
        publish: true,
        presence: true,
        rate_limit_per_second: Some(5),
        // Who loses the connection is given what was said meanwhile.
        history: Some(HistorySpec { size: 100, ttl: Duration::from_secs(3600) }),
        ..RuleSpec::default()
    }]);
    let rules = rules.map_err(|faults| format!("the rules: {faults:?}"))?;
    let policy = Policy { rules: Arc::new(rules), ..Policy::default() };
    let config = HandlerConfig { policy, ..HandlerConfig::default() };
    let issuer = Issuer::new("example").secret(SECRET);
    let authenticator = Authenticator::builder().issuer(issuer).build()?;
    let clock = WallClock::new(tokio::time::Instant::now().into_std(), system_time());
    let handler = WebSocketHandler::new(config, authenticator, Arc::new(clock), Chat);
    Ok(Arc::new(Shared { handler, minter: TokenMinter::new(&Secret::from(SECRET))? }))
}

/// The page, tokens for it, and the WebSockets.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) -> std::io::Result<()> {
    let script = [(header::CONTENT_TYPE, "text/javascript")];
    let routes = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/client.js", get(async move || (script, CLIENT)))
        .route("/token/{name}", post(token))
        .route("/ws", any(websocket))
        .with_state(shared);
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).await
}

async fn token(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<String, StatusCode> {
    // Visible in other people's windows: short, and nothing that could be taken for something else.
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if name.is_empty() || name.len() > 32 || !is_plain {
        return Err(StatusCode::BAD_REQUEST);
    }
    let request = TokenRequest::new(name).ttl(Duration::from_secs(3600));
    let token = shared.minter.mint(&request, system_time());
    token.map(|token| token.expose().to_owned()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// The handler judges the request, axum writes the answer, and the handler takes the socket.
async fn websocket(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    match shared.handler.admit(&head, peer).await {
        Ok(admission) => {
            let response = admission.response().clone().map(|()| Body::empty());
            let upgrading = hyper::upgrade::on(&mut request);
            let handler = shared.handler.clone();
            // The socket is free once axum has written the response.
            tokio::spawn(async move {
                if let Ok(socket) = upgrading.await {
                    handler.serve_upgraded(TokioIo::new(socket), admission).await;
                }
            });
            response
        }
        Err(rejection) => rejection.response().map(Body::from),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9302".to_owned());
    let shared = compose()?;
    let listener = TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    tokio::select! {
        served = serve(shared.clone(), listener) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    let restart = CloseOptions::new(SendableCode::RESTART).reason("Server restart");
    println!("{}", shared.handler.drain(&restart).await);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the edge of the program, where time comes from")]
fn system_time() -> SystemTime {
    SystemTime::now()
}
