//! A WebSocket route on axum, compressed where the browser offers it.
//!
//! ```text
//! cargo run -p ws-transport --features hyper --example axum
//! ```
//!
//! It prints an address. Open it in a browser: the page connects to `/ws`, sends a line each second and
//! shows what comes back and what the connection negotiated. `curl` the address of `/ws` and you are
//! told what is missing for an upgrade.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Response,
    response::Html,
    routing::{any, get},
};
use futures_util::{SinkExt, StreamExt};
use tungstenite::Message;
use ws_compression::{CompressionConfig, CompressionManager};
use ws_connection::ConnectionConfig;
use ws_transport::upgrade;

/// What all connections share.
#[derive(Clone)]
struct Shared {
    connection: Arc<ConnectionConfig>,
    compression: CompressionManager,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let shared = Shared {
        connection: Arc::new(ConnectionConfig::server()),
        compression: CompressionManager::new(CompressionConfig::default().with_threshold_bytes(64)),
    };
    let app = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/ws", any(websocket))
        .with_state(shared);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await
}

async fn websocket(State(shared): State<Shared>, mut request: Request) -> Response<Body> {
    match upgrade(&mut request, shared.connection, &shared.compression) {
        Ok((response, upgrading)) => {
            // The socket is free once axum has written the response.
            tokio::spawn(async move {
                let Ok(mut stream) = upgrading.await else { return };
                while let Some(Ok(message)) = stream.next().await {
                    if let Message::Text(line) = message {
                        let answer = format!("{line} … {line} … {line}");
                        if stream.send(Message::text(answer)).await.is_err() {
                            break;
                        }
                    }
                }
                println!("{}", shared.compression.summary());
            });
            response.map(|()| Body::empty())
        }
        Err(refusal) => {
            let mut response = Response::new(Body::from(format!("{refusal}\n")));
            *response.status_mut() = refusal.status();
            response.headers_mut().extend(refusal.headers());
            response
        }
    }
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><pre id="log"></pre><script>
const log = (line) => document.getElementById("log").append(line + "\n");
const socket = new WebSocket(`ws://${location.host}/ws`);
socket.onopen = () => {
  log(`connected: ${socket.extensions || "no compression"}`);
  setInterval(() => socket.send(`it is ${new Date().toLocaleTimeString()}`), 1000);
};
socket.onmessage = (event) => log(event.data);
socket.onclose = (event) => log(`closed: ${event.code} ${event.reason}`);
</script>"#;
