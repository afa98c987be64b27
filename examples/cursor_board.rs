//! A board on which everybody sees everybody's mouse: positions that are worth something only while they are new.
//!
//! Shows: the client in a page; a channel whose rule is `conflate`, so that who is slow gets the newest position of each
//! mouse and skips the others; a page that sends no faster than it is acknowledged; who has gone (`presence`); visitors
//! without a token.
//!
//! Type:   cargo run --release --example cursor_board -- 127.0.0.1:9304
//! Then:   open the address that it prints in two windows side by side, and move the mouse over the boards.
//! See:    each window's cursor in the other, with a name and a colour. Stop the example, move on, start it again:
//!         the boards are together again within seconds.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{error::Error, net::SocketAddr, sync::Arc, time::SystemTime};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{self, header},
    response::{Html, Response},
    routing::{any, get},
};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use ws_channels::{ChannelRules, RuleSpec, SlowConsumer};
use ws_handler::{
    Application, AuthMode, Client, HandlerConfig, Policy, Responder, WallClock, WebSocketHandler,
};
use ws_protocol::ErrorCode;

const PAGE: &str = include_str!("cursor_board.html");
/// A gateway has it at this path by itself.
const CLIENT: &str = include_str!("../crates/client/js/client.js");

/// There is nothing to ask.
#[derive(Debug)]
pub(crate) struct Board;

impl Application for Board {
    fn handle_request(&self, _: &Arc<Client>, _: &RawValue, responder: Responder<'_, '_>) {
        responder.fail(ErrorCode::Unsupported, None);
    }
}

/// The handler, with its rule.
pub(crate) fn compose() -> Result<WebSocketHandler<Board>, Box<dyn Error>> {
    let rules = ChannelRules::compile(&[RuleSpec {
        pattern: "board".into(),
        subscribe: true,
        publish: true,
        presence: true,
        // Each mouse is an event of its own name: of each the newest position waits, and no other.
        slow_consumer: SlowConsumer::Conflate,
        ..RuleSpec::default()
    }]);
    let rules = rules.map_err(|faults| format!("the rules: {faults:?}"))?;
    let policy = Policy { auth_mode: AuthMode::None, rules: Arc::new(rules), ..Policy::default() };
    let config = HandlerConfig { policy, ..HandlerConfig::default() };
    let clock = WallClock::new(tokio::time::Instant::now().into_std(), system_time());
    Ok(WebSocketHandler::new(config, (), Arc::new(clock), Board))
}

/// The page, the client, and the WebSockets.
pub(crate) async fn serve(
    handler: WebSocketHandler<Board>,
    listener: TcpListener,
) -> std::io::Result<()> {
    let script = [(header::CONTENT_TYPE, "text/javascript")];
    let routes = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/client.js", get(async move || (script, CLIENT)))
        .route("/ws", any(websocket))
        .with_state(handler);
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// The handler judges the request, axum writes the answer, and the handler takes the socket.
async fn websocket(
    State(handler): State<WebSocketHandler<Board>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    match handler.admit(&head, peer).await {
        Ok(admission) => {
            let response = admission.response().clone().map(|()| Body::empty());
            let upgrading = hyper::upgrade::on(&mut request);
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
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9304".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    serve(compose()?, listener).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the edge of the program, where time comes from")]
fn system_time() -> SystemTime {
    SystemTime::now()
}
