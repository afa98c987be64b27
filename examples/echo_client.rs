//! A client on `ws-transport` that echoes whatever the server sends until it is closed.
//!
//! ```text
//! cargo run --release --example echo_client -- ws://127.0.0.1:9001/
//! ```
//!
//! It exits with 0 when the closing handshake was clean, and says what happened otherwise.
#![expect(clippy::print_stderr, reason = "an example talks to its terminal")]

use std::process::ExitCode;

use futures_util::{SinkExt, StreamExt};
use tungstenite::Message;
use ws_compression::{CompressionConfig, CompressionManager};
use ws_frame_validator::SizeLimits;
use ws_transport::Connector;

#[tokio::main]
async fn main() -> ExitCode {
    match echo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn echo() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001/".to_owned());
    let compression = CompressionConfig::default()
        .with_threshold_bytes(0)
        .with_server_context_takeover(true)
        .with_client_context_takeover(true);
    let connection = Connector::client_config()
        .with_sizes(SizeLimits::with_max(64 * 1024 * 1024)?)
        .with_heartbeat(None);
    let mut stream = Connector::new()
        .with_connection(connection)
        .with_compression(CompressionManager::new(compression))
        .connect(address.parse()?)
        .await?;
    while let Some(message) = stream.next().await {
        let message = message?;
        if let Message::Text(_) | Message::Binary(_) = message {
            stream.send(message).await?;
        }
    }
    match stream.connection().ended() {
        Some(end) if end.acknowledged => Ok(()),
        Some(end) => Err(format!("not a clean close: {}", end.cause.label()).into()),
        None => Err("the stream ended without a reason".into()),
    }
}
