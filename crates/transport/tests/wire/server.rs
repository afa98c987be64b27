//! Echo servers on a port of their own: one on the driver, one on the stream.

use std::{net::SocketAddr, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tungstenite::protocol::CloseFrame;
use ws_close_manager::SendableCode;
use ws_compression::{CompressionConfig, CompressionManager, Role};
use ws_connection::{
    Connection, ConnectionConfig, End, Event,
    handshake::{HeadLimits, Upgrade, encode_response},
};
use ws_frame_validator::SizeLimits;
use ws_transport::{Acceptor, Driver, Meter, Replies, Session, read_request};

/// The largest message that the servers take: not a power of two, and above a mebibyte.
pub(crate) const LIMIT: usize = 2 * 1024 * 1024 + 3;

/// The two ways to use this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Driver,
    Stream,
}

pub(crate) const KINDS: [Kind; 2] = [Kind::Driver, Kind::Stream];

/// What the echo servers of the tests are configured with.
pub(crate) fn config(limit: usize) -> ConnectionConfig {
    ConnectionConfig::server()
        .with_sizes(SizeLimits::with_max(limit as u64).expect("not zero"))
        .with_fragments_max(100_000)
}

/// Starts a server that lives as long as the test's runtime.
pub(crate) async fn start(kind: Kind, limit: usize, compression: CompressionConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let compression = CompressionManager::new(compression);
    let acceptor =
        Acceptor::new().with_connection(config(limit)).with_compression(compression.clone());
    let shared = Arc::new(config(limit));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).expect("a TCP socket");
            match kind {
                Kind::Driver => {
                    tokio::spawn(drive(socket, shared.clone(), compression.clone()));
                }
                Kind::Stream => {
                    tokio::spawn(stream(socket, acceptor.clone()));
                }
            }
        }
    });
    address
}

/// The code in a text such as `close 3999`.
fn close_asked_for(text: &str) -> Option<SendableCode> {
    SendableCode::try_from(text.strip_prefix("close ")?.parse::<u16>().ok()?).ok()
}

struct Echo;

impl Session for Echo {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        let closed = match event {
            Event::Text(text) => match close_asked_for(text) {
                Some(code) => {
                    replies.start_close(code, "as you wish");
                    Ok(())
                }
                None => replies.send_text(text),
            },
            Event::Binary(bytes) => replies.send_binary(bytes),
            Event::Ping(_) | Event::Pong { .. } | Event::Close(_) | Event::Failed(_) => Ok(()),
        };
        assert_eq!(closed, Ok(()), "no message is told when it cannot be answered");
    }

    fn handle_end(&mut self, _end: End) {}
}

async fn drive(
    mut socket: TcpStream,
    config: Arc<ConnectionConfig>,
    compression: CompressionManager,
) {
    let head = read_request(&mut socket, HeadLimits::default(), Vec::new()).await;
    let head = head.expect("a request");
    let upgrade = Upgrade::from_request(&head.request).expect("a sound upgrade");
    let accepted = compression.accept_offer(Upgrade::extensions(head.request.headers()));
    let response = upgrade.response(None, accepted.as_ref().map(|it| &*it.response));
    let mut first = Vec::new();
    encode_response(&response.map(|()| ""), &mut first);
    let codec = accepted.map(|it| compression.codec(Role::Server, it.params));
    let now = tokio::time::Instant::now().into_std();
    let connection = Connection::new(config, codec, 7, now);
    Driver::new(socket, connection, Arc::<Meter>::default(), 64 << 20, |_| Echo)
        .with_first_output(first)
        .with_early_input(head.early())
        .await;
}

async fn stream(socket: TcpStream, acceptor: Acceptor) {
    let Ok(mut stream) = acceptor.accept(socket).await else { return };
    while let Some(Ok(message)) = stream.next().await {
        if let Some(code) = message.to_text().ok().and_then(close_asked_for) {
            let close = CloseFrame { code: code.into(), reason: "as you wish".into() };
            stream.close(Some(close)).await.expect("open");
        } else if (message.is_text() || message.is_binary()) && stream.send(message).await.is_err()
        {
            break;
        }
    }
    // The peer may still be sending: what is left of the connection is the stream's to wind up.
    while stream.next().await.is_some() {}
}
