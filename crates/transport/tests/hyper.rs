//! Upgrades of requests that axum, and so hyper, serves.
#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, extract::Request, http::Response, routing::any};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tungstenite::{Message, protocol::CloseFrame};
use ws_compression::{CompressionConfig, CompressionManager};
use ws_connection::ConnectionConfig;
use ws_transport::{Connector, upgrade};

async fn websocket(mut request: Request) -> Response<Body> {
    let connection = Arc::new(ConnectionConfig::server());
    let config = CompressionConfig::default().with_threshold_bytes(0);
    match upgrade(&mut request, connection, &CompressionManager::new(config)) {
        Ok((response, upgrading)) => {
            tokio::spawn(async move {
                let mut stream = upgrading.await.expect("the response was written");
                while let Some(Ok(message)) = stream.next().await {
                    if message.is_text() || message.is_binary() {
                        stream.send(message).await.expect("open");
                    }
                }
            });
            response.map(|()| Body::empty())
        }
        Err(refusal) => {
            let mut response = Response::new(Body::from(refusal.to_string()));
            *response.status_mut() = refusal.status();
            response.headers_mut().extend(refusal.headers());
            response
        }
    }
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let app = Router::new().route("/ws", any(websocket));
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn our_client_talks_compressed_to_a_route_of_axum() {
    let address = serve().await;
    let socket = TcpStream::connect(address).await.expect("it listens");
    let uri = format!("ws://{address}/ws").parse().expect("sound");
    let (mut stream, agreement) = Connector::new().handshake(uri, socket).await.expect("accepted");
    assert!(agreement.extensions[0].starts_with("permessage-deflate"), "{agreement:?}");
    for len in [0, 100, 10_000, 1_000_000] {
        let message = Message::text("again ".repeat(len / 6));
        stream.send(message.clone()).await.expect("open");
        assert!(stream.next().await.expect("more").expect("sound") == message, "{len} bytes");
    }
    let close = CloseFrame { code: 3001.into(), reason: "goodbye".into() };
    stream.close(Some(close)).await.expect("open");
    assert!(
        matches!(stream.next().await, Some(Ok(Message::Close(Some(it)))) if u16::from(it.code) == 3001)
    );
    assert!(stream.next().await.is_none());
    assert!(stream.connection().ended().expect("over").acknowledged);
}

#[tokio::test]
async fn tokio_tungstenites_client_talks_to_a_route_of_axum() {
    let url = format!("ws://{}/ws", serve().await);
    let (mut stream, _) = tokio_tungstenite::connect_async(url).await.expect("accepted");
    let message = Message::binary(vec![7; 300_000]);
    stream.send(message.clone()).await.expect("open");
    assert!(stream.next().await.expect("more").expect("sound") == message);
    stream.close(None).await.expect("open");
    while stream.next().await.is_some() {}
}

#[tokio::test]
async fn frames_that_come_with_the_request_are_not_lost() {
    let mut socket = TcpStream::connect(serve().await).await.expect("it listens");
    let request = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    // The masked text frame of RFC 6455 §5.7: "Hello".
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    socket.write_all(&[&request[..], &hello].concat()).await.expect("taken");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x05Hello") {
        assert!(socket.read_buf(&mut answer).await.expect("open") > 0, "ended without the echo");
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_is_told_what_is_missing() {
    for (headers, status, told) in [
        ("", "426", "an Upgrade header"),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\n",
            "426",
            "Sec-WebSocket-Version must be 13",
        ),
    ] {
        let mut socket = TcpStream::connect(serve().await).await.expect("it listens");
        let request = format!("GET /ws HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("taken");
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains(told) {
            assert!(socket.read_buf(&mut answer).await.expect("open") > 0, "{answer:?}");
        }
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
    }
}
