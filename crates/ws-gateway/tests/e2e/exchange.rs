//! HTTP by hand: bytes out, responses in.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use ws_connection::{FrameHeader, Role};

use crate::client::PATIENCE;

/// A TCP connection on which requests are written and responses read.
pub(crate) struct Exchange {
    pub(crate) socket: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).expect("JSON")
    }
}

impl Exchange {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("the gateway listens");
        Self { socket, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.expect("the gateway reads");
    }

    /// The next response; a body is as long as its head says.
    pub(crate) async fn response(&mut self) -> Response {
        self.response_to("GET").await.expect("a response, not the end")
    }

    /// The next response, or `None` at the end of the stream.
    pub(crate) async fn response_to(&mut self, method: &str) -> Option<Response> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.fill().await == 0 {
                assert!(self.read.is_empty(), "{}", String::from_utf8_lossy(&self.read));
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).expect("UTF-8");
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head}"));
        let mut response = Response { status, head, body: String::new() };
        let length = response
            .header("content-length")
            .map_or(0, |length| length.parse::<usize>().expect("a length"));
        if method != "HEAD" {
            while self.read.len() < length {
                assert_ne!(self.fill().await, 0, "half a body");
            }
            let body = self.read.drain(..length).collect();
            response.body = String::from_utf8(body).expect("UTF-8");
        }
        Some(response)
    }

    async fn fill(&mut self) -> usize {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.read)).await;
        // A reset is an end, too.
        read.expect("an answer in time").unwrap_or(0)
    }

    async fn bytes(&mut self, len: usize) -> Vec<u8> {
        while self.read.len() < len {
            assert_ne!(self.fill().await, 0, "the end, after {:?}", self.read);
        }
        self.read.drain(..len).collect()
    }

    /// The first byte and the payload of the next frame, after an upgrade.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            let parsed = FrameHeader::parse(&self.read, Role::Client).expect("a sound frame");
            if let Some((header, at)) = parsed {
                let first = self.read[0];
                let bytes = self.bytes(at + header.len as usize).await;
                return (first, bytes[at..].to_vec());
            }
            assert_ne!(self.fill().await, 0, "the end, after {:?}", self.read);
        }
    }

    /// Whatever comes until the gateway hangs up.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.read)
    }

    /// Whether the gateway has hung up, with nothing more to say.
    pub(crate) async fn is_over(&mut self) -> bool {
        self.rest().await.is_empty()
    }
}

/// One request on a connection of its own.
pub(crate) async fn fetch(address: SocketAddr, request: impl AsRef<[u8]>) -> Response {
    let mut exchange = Exchange::open(address).await;
    exchange.send(request).await;
    exchange.response().await
}

pub(crate) async fn get(address: SocketAddr, target: &str) -> Response {
    fetch(address, format!("GET {target} HTTP/1.1\r\nHost: gateway.test\r\n\r\n")).await
}

/// An upgrade request with further header lines, each ended by CR LF.
pub(crate) fn upgrade(target: &str, further: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{further}\r\n"
    )
}
