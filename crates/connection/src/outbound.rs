//! From messages to bytes: everything is appended to the driver's output.

use std::time::Instant;

use tungstenite::{
    Message,
    protocol::{
        CloseFrame,
        frame::coding::{Control, Data, OpCode},
    },
};
use ws_close_manager::{SendableCode, truncate_reason};
use ws_compression::Outcome;

use crate::{
    apply_mask,
    config::Role,
    connection::Connection,
    end::Cause,
    error::Closed,
    frame::{encode_header, header_len, write_header},
    prepared::{Prepared, Wire},
};

impl Connection {
    /// Appends a text message.
    pub fn send_text(&mut self, text: &str, out: &mut Vec<u8>, now: Instant) -> Result<(), Closed> {
        self.send_data(Data::Text, text.as_bytes(), out, now)
    }

    /// Appends a text message that `write` appends to what it is given. That is the output itself,
    /// without a copy in between, unless the message is to be deflated or masked: then it is `spare`,
    /// a buffer of the driver's that is empty again afterwards. What is written must be UTF-8, and
    /// whatever was there before must stay.
    pub fn send_text_with(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
        spare: &mut Vec<u8>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<(), Closed> {
        if !self.closing.may_send_data() {
            return Err(Closed);
        }
        self.note_message(now);
        if self.deflate.is_some() || self.config.role == Role::Client {
            spare.clear();
            write(spare);
            self.write_data(Data::Text, spare, out);
            spare.clear();
            return Ok(());
        }
        // Most messages are short: their header is, and nothing moves.
        let start = out.len();
        let room = header_len(0, false);
        out.resize(start + room, 0);
        let body = start + room;
        write(out);
        debug_assert!(std::str::from_utf8(&out[body..]).is_ok(), "text is UTF-8");
        let len = out.len() - body;
        let grow = header_len(len, false) - room;
        if grow > 0 {
            out.resize(out.len() + grow, 0);
            out.copy_within(body..body + len, body + grow);
        }
        let header = &mut out[start..body + grow];
        write_header(header, true, false, OpCode::Data(Data::Text), len, None);
        Ok(())
    }

    /// Appends a binary message.
    pub fn send_binary(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<(), Closed> {
        self.send_data(Data::Binary, bytes, out, now)
    }

    /// Appends any message of tungstenite's vocabulary. A close frame whose code may not travel is
    /// sent as 1002; a raw frame is refused as if the connection were closed.
    pub fn send_message(
        &mut self,
        message: &Message,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<(), Closed> {
        match message {
            Message::Text(text) => self.send_text(text, out, now),
            Message::Binary(bytes) => self.send_binary(bytes, out, now),
            Message::Ping(payload) => self.send_control(Control::Ping, payload, out),
            Message::Pong(payload) => self.send_control(Control::Pong, payload, out),
            Message::Close(frame) => {
                let (code, reason) = match frame {
                    Some(CloseFrame { code, reason }) => (
                        SendableCode::try_from(*code).unwrap_or(SendableCode::PROTOCOL_ERROR),
                        reason.as_str(),
                    ),
                    None => (SendableCode::NORMAL, ""),
                };
                if self.start_close(code, reason, out, now) { Ok(()) } else { Err(Closed) }
            }
            Message::Frame(_) => Err(Closed),
        }
    }

    /// Appends a message that was framed for many receivers, or hands back the shared bytes that
    /// the driver writes as they are, without a copy.
    pub fn send_prepared<'p>(
        &mut self,
        prepared: &'p Prepared,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Wire<'p>, Closed> {
        if !self.closing.may_send_data() {
            return Err(Closed);
        }
        self.note_message(now);
        if self.config.role == Role::Server
            && let Some(shared) = prepared.shared_form(self.deflate.as_ref())
        {
            return Ok(Wire::Shared(shared));
        }
        prepared.for_each(|kind, payload| self.write_data(kind, payload, out));
        Ok(Wire::Written)
    }

    /// Starts the closing handshake: appends a close frame whose reason is cut at 123 bytes.
    /// Answers `false`, and does nothing, when it has started already.
    pub fn start_close(
        &mut self,
        code: SendableCode,
        reason: &str,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> bool {
        if self.closing.is_closing() {
            return false;
        }
        self.end(Cause::ClosedByUs { code });
        self.write_close(code, reason, out, now);
        true
    }

    fn send_data(
        &mut self,
        kind: Data,
        payload: &[u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<(), Closed> {
        if !self.closing.may_send_data() {
            return Err(Closed);
        }
        self.note_message(now);
        self.write_data(kind, payload, out);
        Ok(())
    }

    /// Payloads above 125 bytes are cut: RFC 6455 §5.5 knows no longer control frames.
    fn send_control(
        &mut self,
        kind: Control,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Closed> {
        if !self.closing.may_send_data() {
            return Err(Closed);
        }
        self.write_frame(OpCode::Control(kind), &payload[..payload.len().min(125)], out);
        Ok(())
    }

    fn note_message(&mut self, now: Instant) {
        if let Some(idle) = &mut self.idle {
            idle.handle_message(now);
        }
    }

    fn write_data(&mut self, kind: Data, payload: &[u8], out: &mut Vec<u8>) {
        if self.deflate.is_none() || !self.write_deflated(kind, payload, out) {
            self.write_frame(OpCode::Data(kind), payload, out);
        }
    }

    /// Deflates straight into the output, behind room for the header. The deflated form is shorter
    /// than the payload or is not used, so the room that the payload's length would take suffices;
    /// where the shorter form takes a shorter header, it moves down.
    fn write_deflated(&mut self, kind: Data, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(deflate) = &mut self.deflate else { return false };
        let masked = self.config.role == Role::Client;
        let start = out.len();
        let room = header_len(payload.len(), masked);
        out.resize(start + room, 0);
        match deflate.compress(payload, out) {
            Outcome::Compressed => {}
            Outcome::Plain => {
                out.truncate(start);
                return false;
            }
        }
        let body = start + room;
        let len = out.len() - body;
        let mask = masked.then(self.config.masks);
        if let Some(key) = mask {
            apply_mask(&mut out[body..], key, 0);
        }
        let gap = room - header_len(len, masked);
        if gap > 0 {
            out.copy_within(body.., body - gap);
            out.truncate(out.len() - gap);
        }
        write_header(&mut out[start..body - gap], true, true, OpCode::Data(kind), len, mask);
        true
    }

    pub(crate) fn write_ping(&self, payload: &[u8], out: &mut Vec<u8>) {
        self.write_frame(OpCode::Control(Control::Ping), payload, out);
    }

    /// Nothing may follow our close frame (RFC 6455 §5.5.1), not even a pong.
    pub(crate) fn write_pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        if !self.closing.is_closing() {
            self.write_frame(OpCode::Control(Control::Pong), payload, out);
        }
    }

    /// Begins the closing handshake and appends the frame, unless it has begun.
    pub(crate) fn write_close(
        &mut self,
        code: SendableCode,
        reason: &str,
        out: &mut Vec<u8>,
        now: Instant,
    ) {
        if self.closing.start_close(code, now) {
            self.write_close_frame(Some(code), reason, out);
        }
    }

    pub(crate) fn write_close_frame(
        &self,
        code: Option<SendableCode>,
        reason: &str,
        out: &mut Vec<u8>,
    ) {
        let mut payload = [0; 125];
        let mut len = 0;
        if let Some(code) = code {
            let reason = truncate_reason(reason).as_bytes();
            payload[..2].copy_from_slice(&code.u16().to_be_bytes());
            payload[2..2 + reason.len()].copy_from_slice(reason);
            len = 2 + reason.len();
        }
        self.write_frame(OpCode::Control(Control::Close), &payload[..len], out);
    }

    fn write_frame(&self, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
        let mask = (self.config.role == Role::Client).then(self.config.masks);
        out.reserve(header_len(payload.len(), mask.is_some()) + payload.len());
        encode_header(out, true, false, opcode, payload.len(), mask);
        let body = out.len();
        out.extend_from_slice(payload);
        if let Some(key) = mask {
            apply_mask(&mut out[body..], key, 0);
        }
    }
}
