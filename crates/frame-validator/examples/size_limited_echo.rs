//! An echo server on plain tokio-tungstenite that refuses what is too large and keeps the books.
//!
//! Shows: the limits given to tungstenite (which refuses on the declared length), warnings, a violation
//! recorded by user and connection, close code 1009, the summary.
//!
//! Type:   cargo run -p ws-frame-validator --example size_limited_echo
//! Then:   connect any WebSocket client to ws://127.0.0.1:9102 and send 200 KB, then 300 KB.
//! See:    the first is echoed with a warning; the second closes the connection with
//!         `1009 Message too large`; the server prints one line of statistics after each connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};
use ws_frame_validator::{FrameSizeValidator, SizeTally, SizeVerdict, TooLarge};

/// How long a peer that was refused may take to see it.
const DRAIN_MAX: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:9102").await?;
    serve(listener, Arc::new(FrameSizeValidator::strict())).await
}

/// Accepts connections for ever.
pub(crate) async fn serve(
    listener: TcpListener,
    validator: Arc<FrameSizeValidator>,
) -> std::io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        let validator = Arc::clone(&validator);
        tokio::spawn(async move {
            let connection_id = peer.to_string();
            if let Err(error) = echo(stream, &connection_id, &validator).await {
                report(&format!("{connection_id}: {error}"));
            }
            report(&validator.summary().to_string());
        });
    }
}

async fn echo(
    stream: TcpStream,
    connection_id: &str,
    validator: &FrameSizeValidator,
) -> Result<(), Error> {
    let limits = validator.limits();
    // tungstenite judges each header by these two before it buffers the payload.
    let max = usize::try_from(limits.max()).unwrap_or(usize::MAX);
    let config = WebSocketConfig::default().max_frame_size(Some(max)).max_message_size(Some(max));
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    let mut tally = SizeTally::default();
    let outcome = loop {
        match socket.next().await {
            Some(Ok(message)) if message.is_text() || message.is_binary() => {
                let size = message.len() as u64;
                // Cannot fail here: tungstenite has applied the same maximum. It yields the warning.
                let verdict = limits.check(size, 0).unwrap_or(SizeVerdict::Large);
                tally.record(size, verdict);
                if verdict == SizeVerdict::Large {
                    report(&format!("{connection_id}: large message of {size} bytes"));
                }
                if tally.is_due() {
                    validator.absorb(&mut tally);
                }
                socket.send(message).await?;
            }
            Some(Ok(_)) => {}
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size }))) => {
                let too_large = TooLarge { size: size as u64, max: max_size as u64 };
                validator.record_violation(too_large, None, connection_id);
                report(&format!("{connection_id}: {too_large}"));
                break refuse(socket).await;
            }
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    validator.absorb(&mut tally);
    outcome
}

async fn refuse(mut socket: WebSocketStream<TcpStream>) -> Result<(), Error> {
    let frame =
        CloseFrame { code: TooLarge::CLOSE_CODE.into(), reason: TooLarge::CLOSE_REASON.into() };
    socket.send(Message::Close(Some(frame))).await?;
    // The rest of the payload is still on its way: closing now would reset the connection and could
    // take the close frame with it. So only our half is closed, and the other is read to its end.
    let mut tcp = socket.into_inner();
    tcp.shutdown().await?;
    let mut nowhere = tokio::io::sink();
    let drain = tokio::io::copy(&mut tcp, &mut nowhere);
    if let Ok(drained) = tokio::time::timeout(DRAIN_MAX, drain).await {
        drained?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
fn report(line: &str) {
    println!("{line}");
}
