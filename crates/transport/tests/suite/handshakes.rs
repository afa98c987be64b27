//! The opening handshake on a transport: deadlines, limits, refusals, and bytes in any pieces.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Response, StatusCode, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};
use tungstenite::{Message, handshake::derive_accept_key};
use ws_connection::handshake::{HandshakeError, HeadError, HeadLimits, Refusal};
use ws_transport::{AcceptError, Acceptor, ConnectError, Connector, ReadHeadError};

use crate::{
    peer::{frame, text},
    scripted::scripted,
};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// What a server answers to `request`, all of it, and how accepting ended.
async fn answer(acceptor: &Acceptor, request: &str) -> (String, Result<(), AcceptError>) {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    far.write_all(request.as_bytes()).await.expect("room");
    let result = acceptor.accept(near).await.map(drop);
    let mut answer = String::new();
    far.read_to_string(&mut answer).await.expect("an answer in text");
    (answer, result)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dribbles_its_request_is_dropped_at_the_deadline() {
    let (near, mut far) = tokio::io::duplex(1024);
    let began = Instant::now();
    let dribble = async {
        for byte in REQUEST.bytes().cycle() {
            if far.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        far
    };
    let acceptor = Acceptor::new();
    let (result, _) = tokio::join!(acceptor.accept(near), dribble);
    assert!(matches!(result, Err(AcceptError::TimedOut)), "{result:?}");
    assert!(began.elapsed() <= Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_gets_a_408() {
    let (answer, result) = answer(&Acceptor::new(), "").await;
    assert!(matches!(result, Err(AcceptError::TimedOut)));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answer_does_not_keep_us() {
    for request in [REQUEST, "garbage\r\n\r\n", "GET / HTTP/1.1\r\n"] {
        let (io, wire) = scripted();
        wire.with(|script| script.room = 0);
        wire.send(request);
        let acceptor = Acceptor::new();
        let accepting = acceptor.accept(io);
        let accepted = tokio::time::timeout(Duration::from_secs(25), accepting).await;
        assert!(accepted.expect("the deadline covers the answer").is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn heads_beyond_the_limits_get_a_431() {
    let limits = HeadLimits { bytes_max: 1000, headers_max: 10 };
    let acceptor = Acceptor::new().with_limits(limits);
    let long = REQUEST.replace("chat", &"c".repeat(1000));
    let endless = format!("GET /{}", "c".repeat(5000));
    let many = REQUEST.replace("\r\n\r\n", &format!("{}\r\n", "\r\nA: b".repeat(6)));
    for (name, request, error) in [
        ("long", long, HeadError::TooLong { max: 1000 }),
        ("without an end", endless, HeadError::TooLong { max: 1000 }),
        ("many headers", many + "\r\n", HeadError::TooManyHeaders { max: 10 }),
    ] {
        let (answer, result) = answer(&acceptor, &request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{name}: {answer}");
        match result {
            Err(AcceptError::Read(ReadHeadError::Head(told))) => assert_eq!(told, error, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unsound_upgrades_are_refused_with_the_reason_and_what_the_status_asks_for() {
    for (from, to, refusal, status, header) in [
        ("GET", "POST", Refusal::NotGet, "405", "allow: GET"),
        ("Version: 13", "Version: 8", Refusal::Version, "426", "sec-websocket-version: 13"),
        ("Upgrade: websocket\r\n", "", Refusal::NoUpgrade, "426", "upgrade: websocket"),
        ("Host: example.com\r\n", "", Refusal::Host, "400", "connection: close"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", Refusal::Key, "400", "connection: close"),
        ("HTTP/1.1", "HTTP/1.0", Refusal::OldHttp, "505", "connection: close"),
    ] {
        let (answer, result) = answer(&Acceptor::new(), &REQUEST.replace(from, to)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{refusal:?}: {answer}");
        assert!(answer.contains(header), "{refusal:?}: {answer}");
        assert!(answer.contains(&refusal.to_string()), "the reason is the body: {answer}");
        assert!(matches!(result, Err(AcceptError::Refused(it)) if it == refusal));
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_refuses_with_its_own_answer() {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    far.write_all(REQUEST.as_bytes()).await.expect("room");
    let judge = |request: &http::Request<()>| {
        assert_eq!(request.uri().path(), "/chat");
        let mut response = Response::new("Invalid token".to_owned());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        Err(Box::new(response))
    };
    let result = Acceptor::new().accept_if(near, judge).await;
    assert!(matches!(result, Err(AcceptError::Rejected(StatusCode::UNAUTHORIZED))));
    let mut answer = String::new();
    far.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nInvalid token"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_in_any_pieces_with_frames_behind_it_is_accepted() {
    let wire = [REQUEST.as_bytes(), &text("early"), &frame(0x89, b"ping")].concat();
    for size in [1, 7, 100, REQUEST.len(), REQUEST.len() + 3, wire.len()] {
        let (io, control) = scripted();
        for piece in wire.chunks(size) {
            control.send(piece);
        }
        let mut stream = Acceptor::new().accept(io).await.expect("sound");
        assert_eq!(stream.next().await.expect("more").expect("sound"), Message::text("early"));
        assert!(matches!(stream.next().await, Some(Ok(Message::Ping(_)))));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_a_transport_holds_back_is_flushed() {
    let (io, control) = scripted();
    control.with(|script| script.holds_back = true);
    control.send(REQUEST);
    let _stream = Acceptor::new().accept(io).await.expect("sound");
    assert!(control.with(|script| script.written.starts_with(b"HTTP/1.1 101 ")));

    let (io, control) = scripted();
    control.with(|script| script.holds_back = true);
    let connector = Connector::new().with_timeout(Duration::from_secs(1));
    let result = connector.handshake("ws://example.com/".parse().expect("sound"), io).await;
    assert!(matches!(result, Err(ConnectError::TimedOut)), "nobody answers");
    assert!(control.with(|script| script.written.starts_with(b"GET / HTTP/1.1\r\n")));
}

/// A server of one answer, in pieces; `{accept}` in it becomes the key's answer.
async fn serve(mut far: DuplexStream, answer: &str, behind: &[u8], size: usize) -> DuplexStream {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        far.read_buf(&mut request).await.expect("a request");
    }
    let request = String::from_utf8(request).expect("text");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = derive_accept_key(key.expect("a key").as_bytes());
    let wire = [answer.replace("{accept}", &accept).as_bytes(), behind].concat();
    for piece in wire.chunks(size) {
        if far.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    far
}

const SOUND: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
    Connection: keep-alive, upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

async fn connect(
    answer: &str,
    behind: &[u8],
    size: usize,
) -> Result<Option<Message>, ConnectError> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = Connector::new();
    let handshake = connector.handshake("ws://example.com/".parse().expect("sound"), near);
    let (result, _far) = tokio::join!(handshake, serve(far, answer, behind, size));
    let (mut stream, _) = result?;
    let first = if behind.is_empty() { None } else { stream.next().await };
    Ok(first.map(|it| it.expect("sound")))
}

#[tokio::test(start_paused = true)]
async fn a_response_in_any_pieces_with_frames_behind_it_is_understood() {
    for size in [1, 10, 10_000] {
        let first = connect(SOUND, b"\x81\x05early", size).await.expect("sound");
        assert_eq!(first, Some(Message::text("early")));
    }
}

#[tokio::test(start_paused = true)]
async fn responses_that_are_no_upgrade_are_errors() {
    use HandshakeError as E;
    for (from, to, expected) in [
        ("{accept}", "bm9uc2Vuc2U=", E::Response("Sec-WebSocket-Accept is wrong or missing")),
        ("WebSocket", "h2c", E::Response("Upgrade does not name websocket")),
        ("keep-alive, upgrade", "close", E::Response("Connection does not name Upgrade")),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Protocol: x\r\n\r\n",
            E::Response("Sec-WebSocket-Protocol was not offered"),
        ),
    ] {
        match connect(&SOUND.replace(from, to), b"", 100).await {
            Err(ConnectError::Handshake(error)) => assert_eq!(error, expected),
            other => panic!("{expected:?} expected, not {other:?}"),
        }
    }
    let unknown = SOUND.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x-unknown\r\n\r\n");
    let result = connect(&unknown, b"", 100).await;
    assert!(matches!(result, Err(ConnectError::Negotiation(_))), "{result:?}");
    let endless = format!("HTTP/1.1 101 {}", "x".repeat(20_000));
    let result = connect(&endless, b"", 1000).await;
    assert!(matches!(result, Err(ConnectError::Head(_))), "{result:?}");
}

async fn refused(answer: &str, size: usize) -> Response<Bytes> {
    match connect(answer, b"", size).await {
        Err(ConnectError::Refused(response)) => *response,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_with_its_status_its_headers_and_its_body() {
    let sentence = "{\"error\":\"Token expired\"}";
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\ncontent-length: {}\r\n\r\n{sentence}",
        sentence.len()
    );
    for size in [1, 7, 1000] {
        let response = refused(&(answer.clone() + "of the next answer"), size).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(response.body(), sentence);
    }
    // Up to the connection's end, where no length is told.
    let (near, far) = tokio::io::duplex(1000);
    let connector = Connector::new();
    let handshake = connector.handshake("ws://example.com/".parse().expect("sound"), near);
    let serving = async { drop(serve(far, "HTTP/1.1 503 x\r\n\r\nto the end", b"", 5).await) };
    let (result, ()) = tokio::join!(handshake, serving);
    let Err(ConnectError::Refused(response)) = result else { panic!("{result:?}") };
    assert_eq!((response.status().as_u16(), &response.body()[..]), (503, &b"to the end"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_refusals_body_is_neither_waited_for_nor_kept_without_bound() {
    let head = "HTTP/1.1 503 Service Unavailable\r\n";
    for (rest, len, secs) in [
        ("Content-Length: 100\r\n\r\nbegun".to_owned(), 5, 1),
        ("\r\nbegun".to_owned(), 5, 1),
        (format!("Content-Length: 9000\r\n\r\n{}", "x".repeat(9000)), 4096, 0),
        (format!("\r\n{}", "x".repeat(9000)), 4096, 0),
        ("Content-Length: many\r\n\r\nbody".to_owned(), 0, 0),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n".to_owned(), 0, 0),
    ] {
        let began = Instant::now();
        let response = refused(&format!("{head}{rest}"), 3000).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.body().len(), len, "{rest:.40}");
        assert_eq!(began.elapsed().as_secs(), secs, "{rest:.40}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_answer_is_passed_over() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for size in [1, 10_000] {
        let first = connect(&format!("{hints}{hints}{SOUND}"), b"\x81\x05early", size).await;
        assert_eq!(first.expect("sound"), Some(Message::text("early")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_or_goes_is_an_error() {
    let address = || "ws://example.com/".parse().expect("sound");
    let (near, _far) = tokio::io::duplex(1000);
    let began = Instant::now();
    let result = Connector::new().handshake(address(), near).await;
    assert!(matches!(result, Err(ConnectError::TimedOut)));
    assert_eq!(began.elapsed().as_secs(), 10);

    let (near, far) = tokio::io::duplex(1000);
    drop(far);
    let result = Connector::new().handshake(address(), near).await;
    assert!(matches!(result, Err(ConnectError::Io(_))));
}

#[tokio::test(start_paused = true)]
async fn wss_needs_a_stream_of_the_callers() {
    let result = Connector::new().connect("wss://example.com/".parse().expect("sound")).await;
    assert!(matches!(result, Err(ConnectError::NeedsTls)));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_belongs_to_the_handshake_cannot_be_set() {
    let (near, _far) = tokio::io::duplex(1000);
    let value = http::HeaderValue::from_static("x");
    let connector = Connector::new().with_header(header::SEC_WEBSOCKET_KEY, value);
    let result = connector.handshake("ws://example.com/".parse().expect("sound"), near).await;
    let Err(ConnectError::Handshake(HandshakeError::ReservedHeader(name))) = result else {
        panic!("set");
    };
    assert_eq!(name, header::SEC_WEBSOCKET_KEY);
}

#[tokio::test(start_paused = true)]
async fn our_two_sides_agree_on_a_subprotocol_and_on_compression() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = Acceptor::new().with_protocols(["v2.chat", "v1.chat"]);
    let connector = Connector::new().with_protocols(["v3.chat", "v1.chat"]);
    let address = "ws://user:secret@example.com:9000/path?query".parse().expect("sound");
    let (server, client) = tokio::join!(acceptor.accept(near), connector.handshake(address, far));
    let (mut server, (mut client, agreement)) = (server.expect("sound"), client.expect("sound"));
    assert_eq!(agreement.protocol.as_deref(), Some("v1.chat"));
    assert!(agreement.extensions[0].starts_with("permessage-deflate"));
    let message = Message::text("round and round ".repeat(1000));
    client.send(message.clone()).await.expect("open");
    assert_eq!(server.next().await.expect("more").expect("sound"), message);
}
