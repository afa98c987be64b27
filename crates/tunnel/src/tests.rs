//! Tunnels between a client in memory and targets on loopback.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tungstenite::{Bytes, Message, protocol::CloseFrame};
use ws_connection::{Connection, ConnectionConfig};
use ws_transport::{Connector, Driver, Meter, WebSocketStream};

use crate::{Refused, TunnelConfig, Tunnels};

mod back_pressure;
mod ends;
mod limits;

const PATIENCE: Duration = Duration::from_secs(30);

type Client = WebSocketStream<DuplexStream>;

/// A target, and tunnels to it alone.
struct Place {
    listener: TcpListener,
    address: SocketAddr,
    tunnels: Tunnels,
}

impl Place {
    async fn new() -> Self {
        Self::with(TunnelConfig::default()).await
    }

    async fn with(config: TunnelConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let targets = [address.to_string().parse().unwrap()].into_iter().collect();
        Self { listener, address, tunnels: Tunnels::new(targets, config) }
    }

    /// A client, and the target's end of its tunnel.
    async fn open(&self, has_half_close: bool) -> (Client, TcpStream) {
        let client = self.dial(&self.address.to_string(), "ada", has_half_close).unwrap();
        let (socket, _) = timeout(PATIENCE, self.listener.accept()).await.unwrap().unwrap();
        (client, socket)
    }

    fn dial(&self, address: &str, user: &str, has_half_close: bool) -> Result<Client, Refused> {
        let (ours, theirs) = duplex(4096);
        let now = tokio::time::Instant::now().into_std();
        let connection = Connection::new(Arc::new(ConnectionConfig::server()), None, 1, now);
        let reserved = self.tunnels.reserve(address, user)?;
        let driver = Driver::new(ours, connection, Arc::new(Meter::default()), 1 << 20, |outbox| {
            reserved.open(has_half_close, outbox)
        });
        tokio::spawn(driver);
        let config = Arc::new(Connector::client_config());
        Ok(WebSocketStream::after_handshake(theirs, config, None, Bytes::new()))
    }

    /// Waits until no tunnel is left, and answers how the last one ended.
    async fn ended(&self, label: &str) {
        let ended = async {
            loop {
                let stats = self.tunnels.stats();
                let is_so = stats.ends.iter().any(|(name, count)| *name == label && *count > 0);
                if is_so && stats.open == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = timeout(PATIENCE, ended).await;
        in_time.unwrap_or_else(|_| panic!("not {label}: {:?}", self.tunnels.stats()));
    }
}

async fn say(client: &mut Client, bytes: &[u8]) {
    client.send(Message::Binary(Bytes::copy_from_slice(bytes))).await.unwrap();
}

/// The next message that says something; `None` at the end.
async fn hear(client: &mut Client) -> Option<Message> {
    loop {
        match timeout(PATIENCE, client.next()).await.unwrap() {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(message)) => return Some(message),
            Some(Err(_)) | None => return None,
        }
    }
}

/// Bytes until an empty message, or the close frame that comes instead.
async fn hear_all(client: &mut Client) -> (Vec<u8>, Option<CloseFrame>) {
    let mut heard = Vec::new();
    loop {
        match hear(client).await {
            Some(Message::Binary(bytes)) if bytes.is_empty() => return (heard, None),
            Some(Message::Binary(bytes)) => heard.extend_from_slice(&bytes),
            Some(Message::Close(frame)) => return (heard, frame),
            other => panic!("neither bytes nor an end: {other:?}"),
        }
    }
}

async fn closed(client: &mut Client) -> (u16, String) {
    match hear(client).await {
        Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("no close frame but {other:?}"),
    }
}

#[tokio::test]
async fn bytes_go_both_ways_however_they_are_cut() {
    let place = Place::new().await;
    let (mut client, mut target) = place.open(true).await;
    for piece in [&b"S"[..], b"SH-2.0", b"-client\r\n"] {
        say(&mut client, piece).await;
    }
    let mut heard = [0; 16];
    timeout(PATIENCE, target.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"SSH-2.0-client\r\n");
    target.write_all(b"SSH-2.0-target\r\n").await.unwrap();
    let Some(Message::Binary(bytes)) = hear(&mut client).await else { panic!("no bytes") };
    assert_eq!(bytes, &b"SSH-2.0-target\r\n"[..]);
    let stats = place.tunnels.stats();
    assert_eq!((stats.open, stats.opened), (1, 1));
    assert_eq!((stats.bytes_to_targets, stats.bytes_to_clients), (16, 16));
}

#[tokio::test]
async fn what_is_said_before_the_target_answers_waits_for_it() {
    let place = Place::new().await;
    let mut client = place.dial(&place.address.to_string(), "ada", true).unwrap();
    say(&mut client, b"early").await;
    say(&mut client, b"").await;
    let (mut target, _) = place.listener.accept().await.unwrap();
    let mut heard = Vec::new();
    timeout(PATIENCE, target.read_to_end(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, b"early");
}

fn at_most(max: usize) -> NonZeroUsize {
    NonZeroUsize::new(max).unwrap()
}
