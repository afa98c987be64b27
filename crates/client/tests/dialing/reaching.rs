//! Servers that are there.

use std::{net::SocketAddr, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue, header::AUTHORIZATION, header::HOST};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tungstenite::Message;
use ws_client::{Credential, DialError, Dialer, DialerConfig, Socket};
use ws_transport::Acceptor;

use crate::server::{ADDRESS, config, header, read_head, upgrade};

/// A server that says once what it hears.
async fn echo(listener: TcpListener) {
    loop {
        let (socket, _) = listener.accept().await.expect("open");
        tokio::spawn(async move {
            let mut stream = Acceptor::new().accept(socket).await.expect("sound");
            while let Some(Ok(message)) = stream.next().await {
                let _ = stream.send(message).await;
            }
        });
    }
}

async fn listen(address: &str) -> Option<SocketAddr> {
    let listener = TcpListener::bind(address).await.ok()?;
    let address = listener.local_addr().ok();
    tokio::spawn(echo(listener));
    address
}

async fn dial(address: String) -> Result<Socket, DialError> {
    Dialer::new(DialerConfig::new(address))?.dial(None).await
}

async fn is_echoed(mut socket: Socket) -> bool {
    let message = Message::text("there and back");
    socket.send(message.clone()).await.expect("open");
    socket.next().await.expect("more").expect("sound") == message
}

#[tokio::test]
async fn a_server_is_reached_by_address_and_by_name() {
    let port = listen("127.0.0.1:0").await.expect("loopback").port();
    // The name may have an address of IPv6 as well, where nobody listens.
    for address in [format!("ws://127.0.0.1:{port}/ws?a=b"), format!("ws://localhost:{port}")] {
        assert!(is_echoed(dial(address).await.expect("there")).await);
    }
    let Some(address) = listen("[::1]:0").await else { return };
    assert!(is_echoed(dial(format!("ws://{address}/")).await.expect("there")).await);
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let error = dial(format!("ws://{address}/ws")).await.expect_err("nobody");
    let told = error.to_string();
    assert!(told.starts_with(&format!("cannot connect: {address}: ")), "{told}");
    assert!(
        matches!(error, DialError::Io(it) if it.kind() == std::io::ErrorKind::ConnectionRefused)
    );
}

#[tokio::test(start_paused = true)]
async fn compression_is_offered_taken_and_used() {
    let first = Arc::new(Mutex::new(Vec::new()));
    let seen = first.clone();
    let server = config(move |mut io| {
        let seen = seen.clone();
        async move {
            let head = read_head(&mut io).await;
            let offer = header(&head, "Sec-WebSocket-Extensions");
            let more = match offer {
                Some(offer) if offer.starts_with("permessage-deflate") => {
                    "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                }
                _ => "",
            };
            io.write_all(upgrade(&head, more).as_bytes()).await.expect("room");
            let mut frame = vec![0; 64 * 1024];
            let len = io.read(&mut frame).await.expect("a frame");
            frame.truncate(len);
            *seen.lock() = frame;
            io.write_all(b"\x81\x02ok").await.expect("room");
        }
    });
    for compression in [true, false] {
        let dialer = Dialer::new(DialerConfig { compression, ..server.clone() }).expect("sound");
        let mut socket = dialer.dial(None).await.expect("there");
        socket.send(Message::text("again and ".repeat(1000))).await.expect("open");
        assert_eq!(socket.next().await.expect("more").expect("sound"), Message::text("ok"));
        let frame = first.lock();
        // FIN, RSV1 and text; or without RSV1.
        assert_eq!(frame[0], if compression { 0xc1 } else { 0x81 });
        assert_eq!(frame.len() < 200, compression, "{} bytes", frame.len());
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_the_gateways_largest_size_and_their_envelope_are_taken() {
    let server = config(async |io| {
        let mut stream = Acceptor::new().accept(io).await.expect("sound");
        stream.send(Message::text("x".repeat(1024 * 1024 + 500))).await.expect("open");
        while stream.next().await.is_some() {}
    });
    let mut socket = Dialer::new(server.clone()).expect("sound").dial(None).await.expect("there");
    assert_eq!(socket.next().await.expect("more").expect("sound").len(), 1024 * 1024 + 500);
    let strict = DialerConfig { message_bytes_max: 1024, ..server };
    let mut socket = Dialer::new(strict).expect("sound").dial(None).await.expect("there");
    assert!(socket.next().await.expect("more").is_err());
}

/// The request's head, as the server sees it.
async fn request(config: DialerConfig, credential: Option<Credential<'_>>) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let head = seen.clone();
    let connect = crate::server::in_memory(move |mut io| {
        let head = head.clone();
        async move {
            let text = read_head(&mut io).await;
            let _ = io.write_all(upgrade(&text, "").as_bytes()).await;
            *head.lock() = text;
        }
    });
    let config = DialerConfig { connect: Some(connect), ..config };
    Dialer::new(config).expect("sound").dial(credential).await.expect("there");
    let head = seen.lock();
    head.clone()
}

#[tokio::test(start_paused = true)]
async fn a_token_goes_as_a_header_or_as_a_subprotocol() {
    let config = DialerConfig {
        headers: vec![
            (AUTHORIZATION, HeaderValue::from_static("Basic old")),
            (HeaderName::from_static("x-app"), HeaderValue::from_static("7")),
        ],
        ..DialerConfig::new("ws://gateway.test:3001/ws?v=1")
    };
    let head = request(config.clone(), Some(Credential::Header("a.b.c"))).await;
    assert!(head.starts_with("GET /ws?v=1 HTTP/1.1\r\nHost: gateway.test:3001\r\n"), "{head}");
    assert_eq!(header(&head, "authorization"), Some("Bearer a.b.c"), "{head}");
    assert!(!head.contains("Basic"), "a fresh token stands instead: {head}");
    assert_eq!(header(&head, "x-app"), Some("7"));
    assert_eq!(header(&head, "Sec-WebSocket-Protocol"), None);

    let head = request(config.clone(), Some(Credential::Protocol("a.b.c\n"))).await;
    assert_eq!(header(&head, "Sec-WebSocket-Protocol"), Some("ws-gateway.v1, bearer.a.b.c"));
    assert_eq!(header(&head, "authorization"), Some("Basic old"));

    let named = DialerConfig { protocols: vec!["mine.v2".to_owned()], ..config };
    let head = request(named.clone(), Some(Credential::Protocol("t"))).await;
    assert_eq!(header(&head, "Sec-WebSocket-Protocol"), Some("mine.v2, bearer.t"));
    let head = request(named, None).await;
    assert_eq!(header(&head, "Sec-WebSocket-Protocol"), Some("mine.v2"));
}

fn invalid(config: DialerConfig) -> String {
    match Dialer::new(config) {
        Err(DialError::Invalid(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_an_address_is_told_before_anything_is_tried() {
    for (address, sentence) in [
        ("", "the address is not a URL"),
        ("ws://a b/", "the address is not a URL"),
        ("http://example.org/ws", "the address must begin with ws:// or wss://"),
        ("example.org", "the address must begin with ws:// or wss://"),
        ("/ws", "the address must begin with ws:// or wss://"),
        ("ws://user:secret@example.org/", "the address must hold no credentials"),
        ("ws://user@example.org/", "the address must hold no credentials"),
        ("ws://example.org/ws#part", "the address must have no fragment"),
        ("ws://example.org:0/", "the address names no port that there is"),
        ("ws://example.org:99999/", "the address names no port that there is"),
        ("ws://[::1]:99999/", "the address names no port that there is"),
        ("ws://[::1/", "the address is not a URL"),
    ] {
        let told = invalid(DialerConfig::new(address));
        assert!(told.starts_with(sentence), "{address}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
    for address in [
        "ws://[::1]:8080/",
        "WS://example.org",
        "ws://example.org:",
        "ws://127.0.0.1/?token=x",
        "ws://[::1]",
    ] {
        assert!(Dialer::new(DialerConfig::new(address)).is_ok(), "{address}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn wss_without_the_feature_is_told() {
    let told = invalid(DialerConfig::new("wss://example.org/"));
    assert_eq!(told, "wss:// needs the feature `tls` of ws-client");
}

#[tokio::test(start_paused = true)]
async fn what_a_request_cannot_carry_is_told_before_anything_is_sent() {
    let config = DialerConfig::new(ADDRESS);
    let reserved = vec![(HOST, HeaderValue::from_static("other"))];
    let told = invalid(DialerConfig { headers: reserved, ..config.clone() });
    assert_eq!(told, "the header host belongs to the handshake");
    for protocol in ["", "two words", "a,b", "a\r\nb: c"] {
        let protocols = vec![protocol.to_owned()];
        let told = invalid(DialerConfig { protocols, ..config.clone() });
        assert!(told.ends_with("cannot be the name of a subprotocol"), "{told}");
    }
    let dialer = Dialer::new(config).expect("sound");
    for credential in [Credential::Header("a\r\nb: c"), Credential::Protocol("a b")] {
        let error = dialer.dial(Some(credential)).await.expect_err("not to be sent");
        assert!(matches!(error, DialError::Invalid(_)), "{error:?}");
        assert!(!format!("{error}{credential:?}").contains("a b"), "no token in a log");
    }
}
