//! HTTP/2 over TLS: requests, and WebSockets by extended CONNECT (RFC 8441).

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{Builder, SendRequest},
    ext::Protocol,
};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    client::PATIENCE,
    house::House,
    tls::{Authority, dial, figure},
};

mod hostile;

/// One connection of HTTP/2.
struct Connection {
    requests: SendRequest<Bytes>,
    pings: h2::PingPong,
    driving: JoinHandle<Result<(), h2::Error>>,
}

impl Connection {
    async fn open(house: &House, authority: &Authority) -> Self {
        Self::open_with(house, authority, Builder::new().enable_push(false)).await
    }

    async fn open_with(house: &House, authority: &Authority, builder: &Builder) -> Self {
        let stream = dial(house.address, authority.client(&["h2"]), "gateway.test").await;
        let handshake = builder.handshake(stream.expect("TLS"));
        let (requests, mut connection) = handshake.await.expect("HTTP/2");
        let pings = connection.ping_pong().expect("asked for once");
        let driving = tokio::spawn(connection);
        let requests = requests.ready().await.expect("open");
        let mut connection = Self { requests, pings, driving };
        // Behind the first answer, the server's settings have come.
        assert_eq!(connection.get("/health").await.0, 200);
        assert!(connection.requests.is_extended_connect_protocol_enabled());
        connection
    }

    async fn get(&mut self, path: &str) -> (u16, Value) {
        let request = Request::get(format!("https://gateway.test{path}")).body(()).expect("sound");
        let (response, _) = self.requests.send_request(request, true).expect("open");
        let response = timeout(PATIENCE, response).await.expect("in time").expect("an answer");
        let (status, mut body) = (response.status(), response.into_body());
        let mut text = Vec::new();
        while let Some(bytes) = body.data().await {
            let bytes = bytes.expect("open");
            body.flow_control().release_capacity(bytes.len()).expect("that much");
            text.extend_from_slice(&bytes);
        }
        (status.as_u16(), serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Asks for a WebSocket, or what else the protocol is.
    async fn connect(&mut self, target: &str, protocol: Option<&'static str>) -> Answer {
        self.connect_with(target, protocol, "ws-gateway.v1").await
    }

    async fn connect_with(
        &mut self,
        target: &str,
        protocol: Option<&'static str>,
        subprotocols: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("https://gateway.test{target}"))
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", subprotocols)
            .body(())
            .expect("sound");
        match protocol {
            Some(protocol) => {
                request.extensions_mut().insert(Protocol::from_static(protocol));
            }
            None => *request.uri_mut() = "gateway.test:443".parse().expect("an authority"),
        }
        let (response, sending) = self.requests.send_request(request, false).expect("open");
        let response = timeout(PATIENCE, response).await.expect("in time").expect("an answer");
        let (head, receiving) = response.into_parts();
        Answer { head, stream: Stream { sending, receiving, read: Vec::new() } }
    }

    async fn websocket(&mut self, house: &House, user: &str) -> Stream {
        let target = format!("/ws?token={}", house.token(user));
        let mut answer = self.connect(&target, Some("websocket")).await;
        assert_eq!(answer.head.status, StatusCode::OK);
        let headers = &answer.head.headers;
        assert_eq!(headers["sec-websocket-protocol"], "ws-gateway.v1");
        assert!(!headers.contains_key("sec-websocket-accept"));
        assert_eq!(answer.stream.next().await["userId"], user);
        answer.stream
    }
}

struct Answer {
    head: http::response::Parts,
    stream: Stream,
}

/// The frames of one WebSocket.
struct Stream {
    sending: SendStream<Bytes>,
    receiving: RecvStream,
    read: Vec<u8>,
}

impl Stream {
    /// A text frame, masked with zeros.
    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let length = u8::try_from(text.len()).expect("short").min(125);
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0][..], text.as_bytes()].concat();
        self.sending.send_data(frame.into(), false).expect("open");
    }

    /// The same of more than 65,535 bytes, as far as the window reaches and the rest behind it.
    fn send_long(&mut self, message: &Value) {
        let text = message.to_string();
        assert!(text.len() > 65_535);
        let head = [&[0x81, 0xff][..], &text.len().to_be_bytes(), &[0; 4]].concat();
        self.sending.send_data([&head, text.as_bytes()].concat().into(), false).expect("open");
    }

    async fn more(&mut self) -> bool {
        let Some(bytes) = timeout(PATIENCE, self.receiving.data()).await.expect("in time") else {
            return false;
        };
        let bytes = bytes.expect("open");
        self.receiving.flow_control().release_capacity(bytes.len()).expect("that much");
        self.read.extend_from_slice(&bytes);
        true
    }

    /// The next frame, which is a short one: its first byte and its payload.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (length, start) = match self.read.get(1) {
                Some(126) if self.read.len() >= 4 => {
                    (usize::from(u16::from_be_bytes([self.read[2], self.read[3]])), 4)
                }
                Some(&length @ ..126) => (usize::from(length), 2),
                _ => (usize::MAX / 2, 0),
            };
            if self.read.len() >= start + length {
                let first = self.read[0];
                let payload = self.read[start..start + length].to_vec();
                self.read.drain(..start + length);
                return Some((first, payload));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn next(&mut self) -> Value {
        let (first, payload) = self.frame().await.expect("a frame");
        assert_eq!(first, 0x81);
        serde_json::from_slice(&payload).expect("JSON")
    }

    async fn ask(&mut self, payload: Value) -> Value {
        self.send(&json!({ "type": "request", "requestId": "r", "payload": payload }));
        self.next().await["payload"].clone()
    }
}

#[tokio::test]
async fn many_websockets_and_requests_share_one_connection() {
    let authority = Authority::new("second");
    let house = authority.house(&[("MAX_CONNECTIONS_PER_USER", "0")]);
    let mut connection = Connection::open(&house, &authority).await;
    let mut websockets = Vec::new();
    for number in 0..20 {
        let mut websocket = connection.websocket(&house, &format!("user-{number}")).await;
        assert_eq!(websocket.ask(json!(number)).await, number);
        websockets.push(websocket);
    }
    let (status, health) = connection.get("/health").await;
    assert_eq!((status, &health["connections"]), (200, &json!(20)));
    assert_eq!(connection.get("/nowhere").await.0, 404);
    // One leaves by a close frame, one by a reset of its stream; the others stay.
    let mut leaving = websockets.remove(0);
    let close = Bytes::from_static(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    leaving.sending.send_data(close, false).expect("open");
    assert_eq!(leaving.frame().await, Some((0x88, vec![0x03, 0xe8])));
    assert_eq!(leaving.frame().await, None, "the stream ends with the WebSocket");
    websockets.remove(0).sending.send_reset(h2::Reason::CANCEL);
    house.until("two have gone", |house| house.handler.connection_count() == 18).await;
    for (number, websocket) in websockets.iter_mut().enumerate() {
        assert_eq!(websocket.ask(json!(number)).await, number);
    }
    let client = || authority.client(&[]);
    assert_eq!(figure(&house, client(), "ws_http2_websockets_total").await, 20.0);
    assert_eq!(figure(&house, client(), "ws_http2_connections").await, 1.0);
    // All of them leave with the connection that carries them.
    connection.driving.abort();
    house.emptied().await;
}

#[tokio::test]
async fn what_is_refused_over_http_1_is_refused_here_and_the_connection_goes_on() {
    let authority = Authority::new("second-refused");
    let house = authority.house(&[("AUTH_MODE", "upgrade")]);
    let mut connection = Connection::open(&house, &authority).await;
    for (target, protocol, status, code) in [
        ("/ws?token=nonsense", Some("websocket"), 401, "invalid_token"),
        ("/ws", Some("websocket"), 401, "unauthorized"),
        ("/elsewhere", Some("websocket"), 404, "not_found"),
        ("/ws", Some("connect-udp"), 501, "unknown_protocol"),
        ("", None, 405, "no_proxy"),
    ] {
        let mut answer = connection.connect(target, protocol).await;
        assert_eq!(answer.head.status, status, "{target} {protocol:?}");
        while answer.stream.more().await {}
        let body: Value = serde_json::from_slice(&answer.stream.read).expect("JSON");
        assert_eq!(body["code"], code);
        assert!(!answer.head.headers.contains_key("connection"));
    }
    let upgrade = Request::get("https://gateway.test/ws").body(()).expect("sound");
    let (response, _) = connection.requests.send_request(upgrade, true).expect("open");
    assert_eq!(response.await.expect("an answer").status(), StatusCode::UPGRADE_REQUIRED);
    let mut ada = connection.websocket(&house, "ada").await;
    assert_eq!(ada.ask(json!(1)).await, 1);
}

#[tokio::test]
async fn the_console_is_opened_over_it_as_well() {
    let authority = Authority::new("second-console");
    let house = authority.house(&[("ADMIN_KEY", "the-key-of-this-console")]);
    let mut connection = Connection::open(&house, &authority).await;
    let refused = connection.connect("/console/ws", Some("websocket")).await;
    assert_eq!(refused.head.status, StatusCode::UNAUTHORIZED);
    let protocols = "ws-gateway.console.v1, bearer.the-key-of-this-console";
    let mut granted = connection.connect_with("/console/ws", Some("websocket"), protocols).await;
    assert_eq!(granted.head.status, StatusCode::OK, "{:?}", granted.head);
    assert_eq!(granted.head.headers["sec-websocket-protocol"], "ws-gateway.console.v1");
    assert!(granted.stream.more().await, "it says what it has to show");
}

#[tokio::test]
async fn no_more_streams_than_are_allowed_are_open_at_once() {
    let authority = Authority::new("second-streams");
    let house = authority.house(&[("TLS_HTTP2_STREAMS_MAX", "2")]);
    let mut connection = Connection::open(&house, &authority).await;
    let first = connection.websocket(&house, "ada").await;
    let _second = connection.websocket(&house, "bob").await;
    assert_eq!(connection.requests.current_max_send_streams(), 2);
    // The third waits in the client, until there is room.
    let waiting = connection.requests.clone().ready();
    drop(first);
    let mut requests = timeout(PATIENCE, waiting).await.expect("room").expect("open");
    let request = Request::get("https://gateway.test/health").body(()).expect("sound");
    let (response, _) = requests.send_request(request, true).expect("open");
    assert_eq!(timeout(PATIENCE, response).await.expect("in time").expect("it").status(), 200);
}
