//! What attackers write: requests and frames, sound ones and others.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// The four bits of a frame that say what it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Continuation = 0,
    Text = 1,
    Ping = 9,
}

/// A masked frame; the mask is zero, which servers need not know.
pub(super) fn frame(
    kind: Kind,
    is_last: bool,
    is_deflated: bool,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    head(kind, is_last, is_deflated, payload.len(), out);
    out.extend_from_slice(payload);
}

/// The head of a frame of so many bytes.
pub(super) fn head(kind: Kind, is_last: bool, is_deflated: bool, len: usize, out: &mut Vec<u8>) {
    out.push(u8::from(is_last) << 7 | u8::from(is_deflated) << 6 | kind as u8);
    match len {
        0..126 => out.push(0x80 | len as u8),
        126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
}

/// An upgrade request, with more lines (each with its end) within its head.
pub(super) fn upgrade(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n"
    )
}

/// Upgrades; whether that was granted.
pub(super) fn enter(stream: &mut TcpStream, more: &str) -> bool {
    let request = upgrade("/ws", more);
    stream.write_all(request.as_bytes()).is_ok() && answer(stream).is_some_and(|code| code == 101)
}

/// The status of an answer; none if there was none in time.
pub(super) fn answer(stream: &mut TcpStream) -> Option<u16> {
    let mut bytes = [0; 4096];
    let read = stream.read(&mut bytes).ok()?;
    str::from_utf8(bytes.get(9..12.min(read))?).ok()?.parse().ok()
}

/// Takes whatever the server says, so that it never has to wait; whether it still says anything at all.
pub(super) fn drain(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 16 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_have_the_three_lengths() {
        for (len, start) in [
            (5, vec![0x81, 0x85]),
            (300, vec![0x81, 0xfe, 1, 44]),
            (70_000, vec![0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70]),
        ] {
            let mut out = Vec::new();
            head(Kind::Text, true, false, len, &mut out);
            assert_eq!(out[..start.len()], start);
            assert_eq!(out.len(), start.len() + 4);
        }
        let mut out = Vec::new();
        frame(Kind::Continuation, false, true, b"ab", &mut out);
        assert_eq!(out, [0x40, 0x82, 0, 0, 0, 0, b'a', b'b']);
    }
}
