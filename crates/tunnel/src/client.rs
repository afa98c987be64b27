//! The client's end of a tunnel: bytes of a reader and a writer, over any WebSocket of tungstenite's shape.

use std::io;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tungstenite::{Bytes, Message, protocol::CloseFrame};

/// Bytes of one message at most.
const MESSAGE_BYTES: usize = 32 * 1024;

/// How much went through a tunnel that came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bridged {
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that came.
    pub received: u64,
}

/// A tunnel did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// What is to be sent could not be read.
    #[error("cannot read what is to be sent: {0}")]
    Read(io::Error),
    /// What came could not be written.
    #[error("cannot write what came: {0}")]
    Write(io::Error),
    /// The WebSocket failed.
    #[error("the connection failed: {0}")]
    Socket(Box<tungstenite::Error>),
    /// The server closed it, and says why.
    #[error("the tunnel was closed with {code}: {reason}")]
    Closed {
        /// The close code; 1005 where none was said.
        code: u16,
        /// The sentence, which may be empty.
        reason: String,
    },
    /// The connection ended without a word.
    #[error("the connection ended without a close frame")]
    EndedEarly,
}

/// Carries what `reader` has to the server and what the server says to `writer`, until both have finished:
/// the reader's end is told by an empty message, and an empty message ends the writer. The server must have
/// agreed to [`SUBPROTOCOL`](crate::SUBPROTOCOL).
///
/// # Errors
///
/// Either side failed, or the server closed the connection with another code than 1000.
pub async fn bridge<S, R, W>(socket: S, reader: R, writer: W) -> Result<Bridged, BridgeError>
where
    S: Stream<Item = Result<Message, tungstenite::Error>>
        + Sink<Message, Error = tungstenite::Error>
        + Unpin,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut sink, mut stream) = socket.split();
    let mut bridged = Bridged::default();
    let (sent, received) = (&mut bridged.sent, &mut bridged.received);
    {
        let mut sending = std::pin::pin!(send_all(&mut sink, reader, sent));
        let mut receiving = std::pin::pin!(receive_all(&mut stream, writer, received));
        tokio::select! {
            biased;
            received = &mut receiving => received?,
            all_sent = &mut sending => {
                match all_sent {
                    // Why the server takes no more is in what it says.
                    Ok(()) | Err(BridgeError::Socket(_)) => {}
                    Err(error) => return Err(error),
                }
                receiving.await?;
            }
        }
    }
    Ok(bridged)
}

async fn send_all<S, R>(sink: &mut S, mut reader: R, sent: &mut u64) -> Result<(), BridgeError>
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
    R: AsyncRead + Unpin,
{
    let mut buffer = vec![0; MESSAGE_BYTES];
    loop {
        let len = reader.read(&mut buffer).await.map_err(BridgeError::Read)?;
        let message = Message::Binary(Bytes::copy_from_slice(&buffer[..len]));
        sink.send(message).await.map_err(socket_error)?;
        if len == 0 {
            return Ok(());
        }
        *sent += len as u64;
    }
}

async fn receive_all<S, W>(
    stream: &mut S,
    mut writer: W,
    received: &mut u64,
) -> Result<(), BridgeError>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut is_finished = false;
    while let Some(message) = stream.next().await {
        match message.map_err(socket_error)? {
            Message::Binary(bytes) if bytes.is_empty() => {
                is_finished = true;
                writer.shutdown().await.map_err(BridgeError::Write)?;
            }
            Message::Binary(bytes) => {
                writer.write_all(&bytes).await.map_err(BridgeError::Write)?;
                writer.flush().await.map_err(BridgeError::Write)?;
                *received += bytes.len() as u64;
            }
            Message::Close(frame) => {
                // The stream answers it while it is asked for more.
                while let Some(Ok(_)) = stream.next().await {}
                return closed(frame);
            }
            // A tunnel says nothing in texts.
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    if is_finished { Ok(()) } else { Err(BridgeError::EndedEarly) }
}

fn closed(frame: Option<CloseFrame>) -> Result<(), BridgeError> {
    let (code, reason) =
        frame.map_or((1005, String::new()), |it| (it.code.into(), it.reason.to_string()));
    if code == 1000 { Ok(()) } else { Err(BridgeError::Closed { code, reason }) }
}

fn socket_error(error: tungstenite::Error) -> BridgeError {
    BridgeError::Socket(Box::new(error))
}
