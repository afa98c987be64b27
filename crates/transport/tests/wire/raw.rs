//! A client of bytes: it says what it likes.

use std::{net::SocketAddr, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tungstenite::protocol::frame::coding::OpCode;
use ws_connection::{FrameHeader, Role, apply_mask, encode_header};

/// Long enough for a busy machine; no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const KEY: [u8; 4] = [0x9c, 0x5f, 0x00, 0x71];

/// A masked frame with any first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(payload.len() + 14);
    encode_header(&mut wire, true, false, OpCode::from(first & 0x0f), payload.len(), Some(KEY));
    wire[0] = first;
    let body = wire.len();
    wire.extend_from_slice(payload);
    apply_mask(&mut wire[body..], KEY, 0);
    wire
}

/// A frame of the server: its first byte and its payload.
pub(crate) type Frame = (u8, Vec<u8>);

/// A connection whose handshake is done.
pub(crate) struct Raw {
    reader: Reader,
    writer: Writer,
    /// The response's head.
    pub(crate) response: String,
}

/// What the server says.
pub(crate) struct Reader {
    socket: OwnedReadHalf,
    received: BytesMut,
}

/// What it is told.
pub(crate) struct Writer(OwnedWriteHalf);

impl Raw {
    /// Connects and offers these extensions, if any.
    pub(crate) async fn connect(address: SocketAddr, extensions: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("the server listens");
        socket.set_nodelay(true).expect("a TCP socket");
        let (socket, writer) = socket.into_split();
        let (mut reader, mut writer) =
            (Reader { socket, received: BytesMut::new() }, Writer(writer));
        let offer = match extensions {
            "" => String::new(),
            some => format!("Sec-WebSocket-Extensions: {some}\r\n"),
        };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        );
        writer.send(request.as_bytes()).await;
        let response = reader.head().await;
        assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
        Self { reader, writer, response }
    }

    /// For two tasks.
    pub(crate) fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.writer.send(bytes).await;
    }

    /// The next frame, or `None` once the server has ended its half.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        self.reader.next().await
    }

    /// The code of the close frame, which is the next and last of all.
    pub(crate) async fn closed(mut self) -> u16 {
        let (first, payload) = self.next().await.expect("a close frame");
        assert_eq!(first, 0x88, "{:?}", payload.get(..20));
        assert_eq!(self.next().await, None, "a close frame is the last");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    /// Says goodbye by the book.
    pub(crate) async fn close(mut self) {
        self.send(&frame(0x88, &1000u16.to_be_bytes())).await;
        assert_eq!(self.closed().await, 1000);
    }
}

impl Writer {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let sent = tokio::time::timeout(PATIENCE, self.0.write_all(bytes)).await;
        sent.expect("the server reads").expect("the server is there");
    }
}

impl Reader {
    async fn head(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.read().await > 0, "the server went away within the handshake");
        };
        let head = self.received.split_to(end);
        String::from_utf8(head.to_vec()).expect("text")
    }

    async fn read(&mut self) -> usize {
        let read = self.socket.read_buf(&mut self.received);
        let read = tokio::time::timeout(PATIENCE, read).await.expect("the server answers");
        read.expect("no reset")
    }

    /// The next frame, or `None` once the server has ended its half.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let header = FrameHeader::parse(&self.received, Role::Client).expect("a sound frame");
            if let Some((header, at)) = header {
                let end = at + header.len as usize;
                if self.received.len() >= end {
                    let frame = self.received.split_to(end);
                    return Some((frame[0], frame[at..].to_vec()));
                }
                self.received.reserve(end - self.received.len());
            }
            if self.read().await == 0 {
                assert_eq!(self.received.len(), 0, "the server stopped within a frame");
                return None;
            }
        }
    }
}
