//! A server that a test plays by hand.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::DuplexStream,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};
use tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use ws_client::{BackoffConfig, Client, ClientBuilder, Jitter};
use ws_connection::ConnectionConfig;
use ws_transport::{Acceptor, WebSocketStream};

/// Longer than anything that is waited for; on virtual time it costs nothing.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// Who takes the connects of one client.
pub(crate) struct House {
    doors: UnboundedReceiver<DuplexStream>,
}

/// One connection, from the server's side.
pub(crate) struct Visit {
    socket: WebSocketStream<DuplexStream>,
    pub(crate) authorization: Option<String>,
    pub(crate) protocols: Option<String>,
}

/// How clients come to a house.
type Door = std::pin::Pin<Box<dyn Future<Output = std::io::Result<DuplexStream>> + Send>>;

/// A house, and the way to it.
pub(crate) fn house_with_connect() -> (House, impl Fn(http::Uri) -> Door + Send + Sync + 'static) {
    let (sender, doors) = unbounded_channel();
    let connect = move |_| -> Door {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let is_there = sender.send(far).is_ok();
        Box::pin(async move {
            if is_there { Ok(near) } else { Err(std::io::ErrorKind::ConnectionRefused.into()) }
        })
    };
    (House { doors }, connect)
}

/// A client without jitter, a second after the first loss, and the server that it connects to.
pub(crate) fn house() -> (House, ClientBuilder) {
    let (house, connect) = house_with_connect();
    let builder = Client::builder("ws://house.test/ws")
        .transport(connect)
        .backoff(BackoffConfig { jitter: Jitter::None, ..BackoffConfig::default() })
        .compression(false);
    (house, builder)
}

/// A client that is connected, and its first connection.
pub(crate) async fn connected(
    build: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (House, Client, Visit) {
    let (mut house, builder) = house();
    let client = build(builder).connect().unwrap();
    let visit = house.greet().await;
    client.ready().await.unwrap();
    (house, client, visit)
}

impl House {
    /// The next connect, if one comes within so long.
    pub(crate) async fn knocks(&mut self, within: Duration) -> Option<DuplexStream> {
        timeout(within, self.doors.recv()).await.ok().flatten()
    }

    /// Lets the next one in.
    pub(crate) async fn visit(&mut self) -> Visit {
        let door = self.knocks(LONG).await.expect("the client comes");
        let mut seen = (None, None);
        let acceptor = Acceptor::new()
            .with_connection(ConnectionConfig::server().with_heartbeat(None))
            .with_protocols(["ws-gateway.v1"]);
        let accepted = acceptor.accept_if(door, |request| {
            let header = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
            seen = (header("authorization"), header("sec-websocket-protocol"));
            Ok(())
        });
        let socket = accepted.await.unwrap();
        Visit { socket, authorization: seen.0, protocols: seen.1 }
    }

    /// Lets the next one in and says who it is.
    pub(crate) async fn greet(&mut self) -> Visit {
        let mut visit = self.visit().await;
        visit.greets().await;
        visit
    }

    /// Refuses the next one.
    pub(crate) async fn refuse(
        &mut self,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &str,
    ) {
        let door = self.knocks(LONG).await.expect("the client comes");
        let _ = Acceptor::new()
            .accept_if(door, |_| {
                let mut response = http::Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(*name, *value);
                }
                Err(Box::new(response.body(body.to_owned()).unwrap()))
            })
            .await;
    }
}

impl Visit {
    pub(crate) async fn greets(&mut self) {
        self.says(
            json!({"type": "connected", "clientId": "c", "userId": "ada", "heartbeatMs": 30_000}),
        )
        .await;
    }

    pub(crate) async fn says(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn hears(&mut self) -> Value {
        self.hears_within(LONG).await.expect("the client says something")
    }

    pub(crate) async fn hears_within(&mut self, within: Duration) -> Option<Value> {
        loop {
            match timeout(within, self.socket.next()).await.ok()? {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message is of this type.
    #[track_caller]
    pub(crate) fn hears_type(&mut self, kind: &'static str) -> impl Future<Output = Value> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let heard = self.hears().await;
            assert_eq!(heard["type"], kind, "{heard} at {caller}");
            heard
        }
    }

    /// Grants the next subscription, with these fields.
    pub(crate) async fn grants(&mut self, fields: Value) -> Value {
        let asked = self.hears_type("subscribe").await;
        let mut answer = json!({
            "type": "subscribed", "channel": asked["channel"], "id": asked["id"], "timestamp": 1
        });
        answer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.says(answer).await;
        asked
    }

    /// Acknowledges the next message of this type.
    pub(crate) async fn acks(&mut self, kind: &'static str, fields: Value) -> Value {
        let heard = self.hears_type(kind).await;
        let mut answer = json!({"type": "ack", "id": heard["id"], "timestamp": 1});
        answer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.says(answer).await;
        heard
    }

    /// Refuses what was just heard.
    pub(crate) async fn refuses(&mut self, heard: &Value, code: &str, retry_after_ms: Option<u64>) {
        let mut answer = json!({"type": "error", "code": code, "message": "No", "timestamp": 1});
        for name in ["id", "requestId"] {
            if !heard[name].is_null() {
                answer[name] = heard[name].clone();
            }
        }
        if let Some(ms) = retry_after_ms {
            answer["retryAfterMs"] = ms.into();
        }
        self.says(answer).await;
    }

    pub(crate) async fn tells(&mut self, channel: &str, offset: Option<u64>, data: &str) {
        let mut message =
            json!({"type": "message", "channel": channel, "data": data, "timestamp": 1});
        if let Some(offset) = offset {
            message["offset"] = offset.into();
        }
        self.says(message).await;
    }

    pub(crate) async fn closes(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// The code with which the client says goodbye.
    pub(crate) async fn hears_close(&mut self) -> u16 {
        match timeout(LONG, self.socket.next()).await.expect("a close") {
            Some(Ok(Message::Close(Some(frame)))) => {
                while let Some(Ok(_)) = self.socket.next().await {}
                frame.code.into()
            }
            other => panic!("{other:?}"),
        }
    }
}
