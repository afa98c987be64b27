//! A handler as a server would have it, and clients that come to it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{Message, client::IntoClientRequest};
use ws_auth::{Authenticator, Issuer, Secret, TokenMinter, TokenRequest};
use ws_connection::handshake::HeadLimits;
use ws_handler::{Authenticate, HandlerConfig, WallClock, WebSocketHandler};
use ws_transport::read_request;

use crate::{desk::Desk, raw::Raw};

const SECRET: &str = "the secret of these tests, of more than thirty-two bytes";
/// What the wall shows when a house opens.
pub(crate) const OPENING: u64 = 1_700_000_000;
/// Nothing that is waited for takes longer, on either clock.
const PATIENCE: Duration = Duration::from_secs(3600);

pub(crate) const PATH: &str = "/ws";

pub(crate) struct House {
    pub(crate) handler: WebSocketHandler<Desk>,
    opened: Instant,
}

/// The answer to an upgrade that was not granted.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl House {
    pub(crate) fn open(change: impl FnOnce(&mut HandlerConfig)) -> Self {
        Self::with_authenticator(Self::own_authenticator(), change)
    }

    pub(crate) fn with_authenticator(
        authenticator: impl Authenticate,
        change: impl FnOnce(&mut HandlerConfig),
    ) -> Self {
        Self::built(change, |config, clock| {
            WebSocketHandler::new(config, authenticator, clock, Desk::default())
        })
    }

    /// A house whose handler is made by `build`.
    pub(crate) fn built(
        change: impl FnOnce(&mut HandlerConfig),
        build: impl FnOnce(HandlerConfig, Arc<WallClock>) -> WebSocketHandler<Desk>,
    ) -> Self {
        let mut config = HandlerConfig::default();
        change(&mut config);
        let opened = Instant::now();
        let wall = UNIX_EPOCH + Duration::from_secs(OPENING);
        let clock = Arc::new(WallClock::new(opened.into_std(), wall));
        Self { handler: build(config, clock), opened }
    }

    /// Knows the tokens of [`House::token`].
    pub(crate) fn own_authenticator() -> Authenticator {
        let issuer = Issuer::new("house").secret(SECRET);
        Authenticator::builder().issuer(issuer).build().expect("sound")
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(OPENING) + self.opened.elapsed()
    }

    /// A token that is good for an hour.
    pub(crate) fn token(&self, user: &str) -> String {
        self.mint(&TokenRequest::new(user))
    }

    pub(crate) fn token_for(&self, user: &str, ttl_secs: u64) -> String {
        self.mint(&TokenRequest::new(user).ttl(Duration::from_secs(ttl_secs)))
    }

    pub(crate) fn mint(&self, request: &TokenRequest) -> String {
        let minter = TokenMinter::new(&Secret::from(SECRET)).expect("long enough");
        minter.mint(request, self.wall()).expect("signs").expose().to_owned()
    }

    /// A token of somebody who does not know the secret.
    pub(crate) fn forged(&self, user: &str) -> String {
        let minter =
            TokenMinter::new(&Secret::from("quite another secret, and long enough as well"));
        let token = minter.expect("long enough").mint(&TokenRequest::new(user), self.wall());
        token.expect("signs").expose().to_owned()
    }

    /// One end of a transport whose other end the handler serves to the end.
    pub(crate) fn dial(&self, peer: &str) -> (DuplexStream, JoinHandle<()>) {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let handler = self.handler.clone();
        let peer: SocketAddr = format!("{peer}:40000").parse().expect("an address");
        let task = tokio::spawn(async move {
            let head = read_request(&mut theirs, HeadLimits::default(), Vec::new()).await;
            let Ok(head) = head else { return };
            let early = head.early();
            handler.handle_upgrade(theirs, &head.request, peer, early).await;
        });
        (ours, task)
    }

    /// Connects with further headers; the upgrade must be granted.
    pub(crate) async fn connect(&self, target: &str, headers: &[(&str, &str)]) -> Peer {
        self.connect_from("192.0.2.1", target, headers).await
    }

    pub(crate) async fn connect_from(
        &self,
        peer: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Peer {
        let (io, task) = self.dial(peer);
        let mut request =
            format!("ws://gateway.test{target}").into_client_request().expect("an address");
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        let (stream, response) = tokio_tungstenite::client_async(request, io)
            .await
            .unwrap_or_else(|error| panic!("{target} {headers:?} was not upgraded: {error}"));
        Peer { stream, response: response.map(|_| ()), task }
    }

    /// Connects as a user whose token is good for an hour, and reads the greeting.
    pub(crate) async fn visit(&self, user: &str) -> Peer {
        let mut peer = self.connect(&format!("{PATH}?token={}", self.token(user)), &[]).await;
        assert_eq!(peer.next().await["userId"], user);
        peer
    }

    /// Connects without a token, and reads the greeting.
    pub(crate) async fn stand_in_line(&self) -> Peer {
        let mut peer = self.connect(PATH, &[]).await;
        assert_eq!(peer.next().await["type"], "connected");
        peer
    }

    /// Asks for an upgrade that must be refused.
    pub(crate) async fn refuse(&self, target: &str, headers: &[(&str, &str)]) -> Refusal {
        self.refuse_from("192.0.2.1", target, headers).await
    }

    pub(crate) async fn refuse_from(
        &self,
        peer: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Refusal {
        let (mut io, _task) = self.dial(peer);
        io.write_all(upgrade(target, headers).as_bytes()).await.expect("the server reads");
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.expect("an answer in UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = serde_json::from_str(body)
            .unwrap_or_else(|error| panic!("no JSON body ({error}): {answer}"));
        Refusal { status: status.expect("a status"), head: head.to_ascii_lowercase(), body }
    }

    /// A client that answers nothing by itself, authenticated, its greeting read.
    pub(crate) async fn visit_raw(&self, user: &str) -> Raw {
        self.visit_raw_from("192.0.2.1", user).await.0
    }

    pub(crate) async fn visit_raw_from(&self, peer: &str, user: &str) -> (Raw, JoinHandle<()>) {
        let (mut io, task) = self.dial(peer);
        let target = format!("{PATH}?token={}", self.token(user));
        io.write_all(upgrade(&target, &[]).as_bytes()).await.expect("the server reads");
        let mut read = Vec::new();
        let end = loop {
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(io.read_buf(&mut read).await.expect("readable"), 0, "the server hung up");
        };
        assert!(read.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&read));
        let mut raw = Raw::new(io, read.split_off(end));
        let greeting = raw.next().await.expect("a greeting");
        assert!(greeting.payload.starts_with(b"{\"type\":\"connected\""), "{greeting:?}");
        (raw, task)
    }

    /// Waits, without letting time pass, until no connection is left.
    pub(crate) async fn emptied(&self) {
        settle().await;
        assert_eq!(self.handler.connection_count(), 0, "a connection stayed behind");
        let stats = self.handler.stats();
        assert_eq!((stats.online_users, stats.pending_authentications), (0, 0));
    }

    /// How often something happened, by its label.
    pub(crate) fn ended_by(&self, cause: &str) -> u64 {
        counted(&self.handler.stats().ends, cause)
    }
}

pub(crate) fn counted(counts: &[(&'static str, u64)], label: &str) -> u64 {
    let found = counts.iter().find(|(known, _)| *known == label);
    found.unwrap_or_else(|| panic!("nothing is counted as {label}")).1
}

/// An upgrade request.
pub(crate) fn upgrade(target: &str, headers: &[(&str, &str)]) -> String {
    let further: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "GET {target} HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{further}\r\n"
    )
}

/// Lets every task that is woken run, without letting time pass.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A client of tungstenite's: it answers pings while it is read.
pub(crate) struct Peer {
    pub(crate) stream: WebSocketStream<DuplexStream>,
    pub(crate) response: http::Response<()>,
    pub(crate) task: JoinHandle<()>,
}

impl Peer {
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("the server reads");
    }

    /// The next JSON message.
    pub(crate) async fn next(&mut self) -> Value {
        match self.next_message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no JSON message but {other:?}"),
        }
    }

    /// Code and reason of the close frame that must come next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.next_message().await {
            Some(Message::Close(Some(frame))) => {
                let closed = (frame.code.into(), frame.reason.to_string());
                assert!(self.next_message().await.is_none(), "something behind a close frame");
                closed
            }
            other => panic!("no close frame but {other:?}"),
        }
    }

    /// The next message that is no control frame of the heartbeat; `None` at the end.
    pub(crate) async fn next_message(&mut self) -> Option<Message> {
        loop {
            let next = timeout(PATIENCE, self.stream.next()).await.expect("something comes");
            match next {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Lets time pass, in which no message may come; pings are answered.
    pub(crate) async fn quiet_for(&mut self, time: Duration) {
        let message = timeout(time, self.next_message()).await;
        assert!(message.is_err(), "not quiet: {message:?}");
    }

    /// Asks the application and reads its answer.
    pub(crate) async fn ask(&mut self, payload: &str) -> Value {
        let request =
            serde_json::json!({ "type": "request", "requestId": "r", "payload": payload });
        self.send(request).await;
        self.next().await
    }

    /// Ends the transport without a close frame, and waits until the server knows.
    pub(crate) async fn vanish(self) {
        drop(self.stream);
        self.task.await.expect("the connection's task ends");
    }

    /// The whole closing handshake.
    pub(crate) async fn leave(mut self) {
        self.stream.close(None).await.expect("the server reads");
        assert!(matches!(self.next_message().await, Some(Message::Close(_)) | None));
        drop(self.stream);
        self.task.await.expect("the connection's task ends");
    }
}
