//! One who looks.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
    time::timeout,
};
use tungstenite::{Error, Message, Utf8Bytes};
use ws_close_manager::SendableCode;
use ws_connection::ConnectionConfig;
use ws_frame_validator::SizeLimits;
use ws_handler::Application;
use ws_heartbeat::HeartbeatConfig;
use ws_transport::WebSocketStream;

use super::{Inner, News, door::Visitor, fault::Fault, watching::Watching};

/// How much a viewer may send at once. What is longer than a question may be is answered; what is longer
/// than this ends the connection.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024;
/// How long a viewer may be silent before it is asked whether it is there, how long the answer may take, and how
/// often it may fail to come: whoever has vanished is gone half a minute later.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PONG_TIMEOUT: Duration = Duration::from_secs(5);
const MISSED_PONGS_MAX: u32 = 3;
/// How long a viewer may take to take what it is sent.
const SEND_PATIENCE: Duration = Duration::from_secs(5);
/// How long the end may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Limits and deadlines of a viewer's connection.
pub(super) fn connection() -> ConnectionConfig {
    let heartbeat = HeartbeatConfig::new(PING_INTERVAL, PONG_TIMEOUT, MISSED_PONGS_MAX);
    let config = ConnectionConfig::server()
        .with_heartbeat(heartbeat.ok())
        .with_idle_timeout(None)
        .with_close_timeout(CLOSE_PATIENCE);
    match SizeLimits::new(MESSAGE_BYTES_MAX, 0) {
        Ok(sizes) => config.with_sizes(sizes),
        Err(_) => config,
    }
}

/// The viewer is not there any more, or does not read.
struct Gone;

/// Tells a viewer what there is, and answers it, until it goes. The place is given back with that.
pub(super) async fn serve<A, IO>(
    console: Arc<Inner<A>>,
    mut stream: WebSocketStream<IO>,
    visitor: Visitor,
    place: OwnedSemaphorePermit,
) where
    A: Application,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let number = visitor.number;
    tracing::info!(viewer = number, address = %visitor.address, "console opened");
    if attend(&console, &mut stream, &visitor).await.is_ok() {
        // The last frames of either side.
        let rest = async { while stream.next().await.is_some() {} };
        let _ = timeout(CLOSE_PATIENCE, rest).await;
    }
    drop(place);
    tracing::info!(viewer = number, address = %visitor.address, "console closed");
}

/// Ends well when the stream has something left to say.
async fn attend<A, IO>(
    console: &Arc<Inner<A>>,
    stream: &mut WebSocketStream<IO>,
    visitor: &Visitor,
) -> Result<(), Gone>
where
    A: Application,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (mut news, mut watching) = (console.watch(), Watching::default());
    send(stream, &console.hello()).await?;
    loop {
        tokio::select! {
            heard = stream.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let answer = console.answer(&text, visitor, &mut watching).await;
                    send(stream, &answer).await?;
                }
                Some(Ok(Message::Binary(_))) => send(stream, &Fault::NOT_TEXT.into_message()).await?,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                // A broken rule has been answered with a close frame.
                Some(Ok(Message::Close(_)) | Err(Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_))) => return Ok(()),
                Some(Err(_)) | None => return Err(Gone),
            },
            seen = watching.next() => send(stream, &seen).await?,
            changed = news.changed() => {
                changed.map_err(|_| Gone)?;
                let latest = news.borrow_and_update().clone();
                match latest {
                    News::None => {}
                    News::Sample(sample) => send_text(stream, sample).await?,
                    News::Farewell => {
                        let frame = SendableCode::RESTART.frame("Server restart");
                        let closing = timeout(CLOSE_PATIENCE, stream.close(Some(frame)));
                        return closing.await.map_err(|_| Gone)?.map_err(|_| Gone);
                    }
                }
            }
        }
    }
}

async fn send<IO>(stream: &mut WebSocketStream<IO>, message: &Value) -> Result<(), Gone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    send_text(stream, message.to_string().into()).await
}

/// Whoever does not take what it is sent is let go: it is told in nobody's stead, and comes back if it
/// wants to.
async fn send_text<IO>(stream: &mut WebSocketStream<IO>, text: Utf8Bytes) -> Result<(), Gone>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let sending = timeout(SEND_PATIENCE, stream.send(Message::Text(text)));
    sending.await.map_err(|_| Gone)?.map_err(|_| Gone)
}
