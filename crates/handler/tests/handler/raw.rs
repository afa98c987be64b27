//! A client of bytes: it answers nothing by itself.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};
use tungstenite::protocol::frame::coding::OpCode;
use ws_connection::{FrameHeader, Role, apply_mask, encode_header};

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's masked frame with any first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_header(&mut wire, true, false, OpCode::from(first & 0x0f), payload.len(), Some(KEY));
    wire[0] = first;
    let body = wire.len();
    wire.extend_from_slice(payload);
    apply_mask(&mut wire[body..], KEY, 0);
    wire
}

/// A frame of the server, and when it came, counted from the handshake.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) at: Duration,
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code and the reason of a close frame.
    pub(crate) fn close(&self) -> (u16, String) {
        assert_eq!(self.first, CLOSE, "not a close frame: {self:?}");
        let (code, reason) = self.payload.split_at(2);
        let reason = String::from_utf8(reason.to_vec()).expect("a reason is UTF-8");
        (u16::from_be_bytes([code[0], code[1]]), reason)
    }
}

pub(crate) struct Raw {
    pub(crate) io: DuplexStream,
    opened: Instant,
    read: Vec<u8>,
}

impl Raw {
    /// After the handshake; `read` is what came behind it.
    pub(crate) fn new(io: DuplexStream, read: Vec<u8>) -> Self {
        Self { io, opened: Instant::now(), read }
    }

    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        self.send_bytes(&frame(first, payload)).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the server reads");
    }

    /// The next frame, or `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let parsed = FrameHeader::parse(&self.read, Role::Client).expect("a sound frame");
            if let Some((header, at)) = parsed {
                let end = at + header.len as usize;
                if self.read.len() >= end {
                    let payload = self.read[at..end].to_vec();
                    let first = self.read[0];
                    self.read.drain(..end);
                    return Some(Frame { at: self.opened.elapsed(), first, payload });
                }
            }
            if self.io.read_buf(&mut self.read).await.expect("a duplex does not fail") == 0 {
                assert!(self.read.is_empty(), "half a frame at the end");
                return None;
            }
        }
    }

    /// The next frame that is no ping of the heartbeat.
    pub(crate) async fn next_but_pings(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.first != PING {
                return Some(frame);
            }
        }
    }

    /// All frames until the end of the stream.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}
