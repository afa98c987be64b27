//! Raw frames, and one server fed with them.

use std::{sync::Arc, time::Instant};

use tungstenite::protocol::frame::coding::OpCode;
use ws_connection::{
    Connection, ConnectionConfig, FrameHeader, ProtocolError, Role, Workspace, apply_mask,
    encode_header,
};

use crate::pair::{Seen, base, keep};

pub(crate) const KEY: [u8; 4] = [1, 2, 3, 4];

/// A masked frame with any first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    encode_header(&mut wire, true, false, OpCode::from(first & 0x0f), payload.len(), Some(KEY));
    wire[0] = first;
    let body = wire.len();
    wire.extend_from_slice(payload);
    apply_mask(&mut wire[body..], KEY, 0);
    wire
}

/// What a server saw and answered.
pub(crate) struct Fed {
    pub(crate) seen: Vec<Seen>,
    pub(crate) out: Vec<u8>,
    pub(crate) connection: Connection,
    pub(crate) now: Instant,
}

impl Fed {
    /// The code and reason of the close frame that was answered, if any.
    pub(crate) fn close(&self) -> Option<(u16, String)> {
        let mut rest = &self.out[..];
        while let Ok(Some((header, at))) = FrameHeader::parse(rest, Role::Client) {
            let end = at + header.len as usize;
            let payload = &rest[at..end];
            if u8::from(header.opcode) == 8 {
                let code = payload.get(..2).map_or(1005, |it| u16::from_be_bytes([it[0], it[1]]));
                let reason = payload.get(2..).unwrap_or_default();
                return Some((code, String::from_utf8(reason.to_vec()).expect("UTF-8")));
            }
            rest = &rest[end..];
        }
        None
    }

    pub(crate) fn failure(&self) -> Option<ProtocolError> {
        self.seen.iter().find_map(|seen| match seen {
            Seen::Failed(error) => Some(*error),
            _ => None,
        })
    }
}

/// Feeds a server in pieces of `chunk` bytes.
pub(crate) fn feed_chunked(config: ConnectionConfig, wire: &[u8], chunk: usize) -> Fed {
    let now = base();
    let mut connection = Connection::new(Arc::new(config), None, 7, now);
    let mut workspace = Workspace::new();
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    for piece in wire.chunks(chunk.min(60_000)) {
        workspace.load(piece);
        while let Some(event) = connection.poll_event(&mut workspace, &mut out, now) {
            seen.push(keep(event));
        }
    }
    Fed { seen, out, connection, now }
}

pub(crate) fn feed(wire: &[u8]) -> Fed {
    feed_chunked(ConnectionConfig::server(), wire, usize::MAX)
}
