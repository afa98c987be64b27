//! A client of ours, on TCP.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tungstenite::Message;
use ws_transport::{Connector, WebSocketStream};

/// Nothing that is waited for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    pub(crate) stream: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, target: &str) -> Self {
        Self::connect_with(&Connector::new(), address, target).await
    }

    pub(crate) async fn connect_with(
        connector: &Connector,
        address: SocketAddr,
        target: &str,
    ) -> Self {
        let uri = format!("ws://{address}{target}").parse().expect("an address");
        let stream = connector.connect(uri).await;
        Self { stream: stream.unwrap_or_else(|error| panic!("{target}: {error}")) }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_message(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.stream.send(message).await.expect("the gateway reads");
    }

    /// The next message but for pings and pongs; `None` at the end.
    pub(crate) async fn next_message(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("something comes") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next JSON message.
    pub(crate) async fn next(&mut self) -> Value {
        match self.next_message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no JSON message but {other:?}"),
        }
    }

    /// When it is to come back, as the `goodbye` says that must come next.
    pub(crate) async fn goodbye(&mut self) -> Duration {
        let goodbye = self.next().await;
        assert_eq!(goodbye["type"], "goodbye", "{goodbye}");
        Duration::from_millis(goodbye["reconnectAfterMs"].as_u64().expect("a number"))
    }

    /// Code and reason of the close frame that must come next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.next_message().await {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("no close frame but {other:?}"),
        }
    }

    /// Asks and reads the answer.
    pub(crate) async fn ask(&mut self, payload: Value) -> Value {
        self.send(json!({ "type": "request", "requestId": "r", "payload": payload })).await;
        self.next().await
    }

    pub(crate) async fn leave(mut self) {
        self.stream.close(None).await.expect("the gateway reads");
        while self.next_message().await.is_some() {}
    }
}
