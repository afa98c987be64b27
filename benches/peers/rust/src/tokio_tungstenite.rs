//! tokio-tungstenite: its own example of an echo, and a topic with tokio's broadcast.

use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use peers::{Mode, Options, Result};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{self, error::RecvError},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, accept_hdr_async_with_config,
    tungstenite::{
        Message, Utf8Bytes,
        handshake::server::{Request, Response},
        protocol::WebSocketConfig,
    },
};

/// More than any burst: nobody lags, and nothing is lost.
const PENDING_MAX: usize = 16 * 1024;

fn main() -> Result<()> {
    peers::run(serve)
}

async fn serve(options: Options, listener: TcpListener) -> Result<()> {
    let config = WebSocketConfig::default().read_buffer_size(options.read_buffer);
    let (topic, _) = broadcast::channel(PENDING_MAX);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        match options.mode {
            Mode::Echo => tokio::spawn(echo(socket, config)),
            Mode::Topic => tokio::spawn(member(socket, config, topic.clone())),
        };
    }
}

/// `forward` flushes when nothing more is there to be read, so answers to what came at once leave at
/// once.
async fn echo(socket: TcpStream, config: WebSocketConfig) -> Result<()> {
    let socket = accept_async_with_config(socket, Some(config)).await?;
    let (sink, stream) = socket.split();
    let data = |message: &Message| future::ready(message.is_text() || message.is_binary());
    stream.try_filter(data).forward(sink).await?;
    Ok(())
}

async fn member(
    socket: TcpStream,
    config: WebSocketConfig,
    topic: broadcast::Sender<Utf8Bytes>,
) -> Result<()> {
    let mut subscribes = false;
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let callback = |request: &Request, response: Response| {
        subscribes = request.uri().path() == "/sub";
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(socket, callback, Some(config)).await?;
    if subscribes { receive(socket, topic.subscribe()).await } else { publish(socket, topic).await }
}

async fn publish(
    mut socket: WebSocketStream<TcpStream>,
    topic: broadcast::Sender<Utf8Bytes>,
) -> Result<()> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            // An error says that there are no receivers.
            let _ = topic.send(text);
        }
    }
    Ok(())
}

async fn receive(
    mut socket: WebSocketStream<TcpStream>,
    mut topic: broadcast::Receiver<Utf8Bytes>,
) -> Result<()> {
    loop {
        tokio::select! {
            published = topic.recv() => {
                let mut next = published;
                // One flush for all that is pending.
                loop {
                    match next {
                        Ok(text) => socket.feed(Message::Text(text)).await?,
                        Err(RecvError::Closed) => return Ok(()),
                        Err(RecvError::Lagged(count)) => return Err(format!("{count} lost").into()),
                    }
                    if topic.is_empty() {
                        break;
                    }
                    next = topic.recv().await;
                }
                socket.flush().await?;
            }
            message = socket.next() => {
                if message.transpose()?.is_none() {
                    return Ok(());
                }
            }
        }
    }
}
