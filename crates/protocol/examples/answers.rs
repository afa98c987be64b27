//! A server on plain tokio-tungstenite that understands the vocabulary and answers what it can by itself.
//!
//! Shows: parsing text frames in place, answering with the ids of the question, errors that say what was
//! expected, one output buffer for each connection.
//!
//! Type:   cargo run -p ws-protocol --example answers
//! Then:   connect any WebSocket client to ws://127.0.0.1:9107 and send, a line each,
//!         {"type":"request","requestId":"1","payload":{"action":"test"}}
//!         {"type":"ping","id":2}
//!         {"type":"subscribe"}
//! See:    connected; a response with the payload of the request; a pong with id 2; an error that says that
//!         `subscribe` expects a channel.

use std::time::SystemTime;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use ws_protocol::{ClientMessage, ErrorCode, ServerMessage};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    serve(TcpListener::bind("127.0.0.1:9107").await?).await
}

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &peer.to_string()).await {
                report(&format!("{peer}: {error}"));
            }
        });
    }
}

async fn converse(stream: TcpStream, client_id: &str) -> Result<(), Error> {
    let mut socket = accept_async(stream).await?;
    let mut out = Vec::new();
    let connected = ServerMessage::Connected { client_id, user_id: None, heartbeat_ms: 0 };
    connected.encode(None, now_ms(), &mut out);
    socket.send(text(&mut out)?).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(frame) = message? else { continue };
        answer(&frame, &mut out);
        if !out.is_empty() {
            socket.send(text(&mut out)?).await?;
        }
    }
    Ok(())
}

/// Appends the answer to one text frame, if it wants one.
fn answer(frame: &str, out: &mut Vec<u8>) {
    let incoming = match ClientMessage::parse(frame) {
        Ok(incoming) => incoming,
        Err(error) => return error.encode(now_ms(), out),
    };
    let message = match incoming.message {
        // An application would look into the payload; this one is an echo.
        ClientMessage::Request { request_id, payload } => {
            ServerMessage::Response { request_id, payload }
        }
        ClientMessage::Ping => ServerMessage::Pong,
        ClientMessage::Pong | ClientMessage::Heartbeat | ClientMessage::Ack { .. } => return,
        _ => ServerMessage::error(ErrorCode::Unsupported),
    };
    message.encode(incoming.id, now_ms(), out);
}

/// Takes the text out of the buffer.
fn text(out: &mut Vec<u8>) -> Result<Message, Error> {
    let text =
        Utf8Bytes::try_from(std::mem::take(out)).map_err(|error| Error::Utf8(error.to_string()))?;
    Ok(Message::Text(text))
}

#[expect(clippy::disallowed_methods, reason = "the edge of the program is where the clock is read")]
fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
fn report(line: &str) {
    println!("{line}");
}
