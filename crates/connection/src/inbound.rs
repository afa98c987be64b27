//! From bytes to events: frames parsed in place, only the rest of an unfinished one copied aside.

use std::{ops::Range, time::Instant};

use tungstenite::{
    Utf8Bytes,
    protocol::{
        CloseFrame,
        frame::coding::{CloseCode, Control, Data, OpCode},
    },
};
use ws_close_manager::{CloseReply, is_receivable};
use ws_frame_validator::SizeVerdict;
use ws_rate_limiter::Limit;

use crate::{
    apply_mask,
    assembly::Progress,
    connection::Connection,
    end::Cause,
    error::ProtocolError,
    event::{Event, Parsed, Payload},
    frame::{FrameHeader, HEADER_MAX},
    workspace::Workspace,
};

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    /// A header of which `have` bytes have come.
    Header { bytes: [u8; HEADER_MAX], have: u8 },
    /// A payload of which `remaining` bytes are still to come.
    Payload { header: FrameHeader, remaining: u64 },
    /// The peer has said its last word, or the framing is lost.
    Discarding,
}

/// A frame whose payload has come in full.
#[derive(Debug)]
enum Arrived {
    /// It lies unmasked in the read buffer.
    InPlace(FrameHeader, Range<usize>),
    /// It was copied aside into the assembly.
    CopiedAside(FrameHeader),
}

impl Default for Reading {
    fn default() -> Self {
        Self::Header { bytes: [0; HEADER_MAX], have: 0 }
    }
}

impl Connection {
    /// The next event of what was read, or `None` once the workspace is worked off (or a close frame
    /// is next, and [held](Connection::hold_close)).
    ///
    /// Answers (pongs, the echo of a close frame) are appended to `out`. The event borrows from the
    /// workspace alone: the driver may send on this connection while it looks at it.
    pub fn poll_event<'w>(
        &mut self,
        workspace: &'w mut Workspace,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Option<Event<'w>> {
        workspace.release();
        if workspace.available() > 0
            && let Some(heartbeat) = &mut self.heartbeat
        {
            heartbeat.handle_frame(now);
        }
        let event = match self.parse(workspace, out, now) {
            Ok(Some(parsed)) => self.borrow_event(parsed, workspace, now),
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        Some(event.unwrap_or_else(|error| self.fail(error, out, now)))
    }

    /// Works off input until a frame or message that the driver must know of is finished.
    fn parse(
        &mut self,
        workspace: &mut Workspace,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Parsed>, ProtocolError> {
        loop {
            let finished = match self.reading {
                Reading::Discarding => {
                    workspace.discard();
                    return Ok(None);
                }
                Reading::Header { .. } => {
                    if self.holds_close && self.is_before_close(workspace) {
                        return Ok(None);
                    }
                    let Some(header) = self.parse_header(workspace)? else { return Ok(None) };
                    workspace.tally.frames_received += 1;
                    self.judge_header(&header)?;
                    self.begin_payload(header, workspace)?
                }
                Reading::Payload { header, remaining } => {
                    if remaining > 0 && workspace.available() == 0 {
                        return Ok(None);
                    }
                    self.continue_payload(header, remaining, workspace)?
                }
            };
            let parsed = match finished {
                Some(Arrived::InPlace(header, range)) => {
                    self.whole_frame(header, range, workspace, out, now)?
                }
                Some(Arrived::CopiedAside(header)) => {
                    self.assembled_frame(header, workspace, out, now)?
                }
                None => None,
            };
            match parsed {
                // Messages after our close frame end here, unless they are asked for.
                Some(Parsed::Text(_) | Parsed::AssembledText | Parsed::Binary(_))
                    if self.closing.is_closing() && !self.config.late_messages =>
                {
                    workspace.release();
                }
                Some(parsed) => return Ok(Some(parsed)),
                None => {}
            }
        }
    }

    /// Whether the next frame is a close frame.
    fn is_before_close(&self, workspace: &Workspace) -> bool {
        let next = workspace.input().first().map(|first| OpCode::from(first & 0x0f));
        matches!(self.reading, Reading::Header { have: 0, .. })
            && next == Some(OpCode::Control(Control::Close))
    }

    /// The next header; its bytes are kept in the connection if they came in pieces.
    fn parse_header(
        &mut self,
        workspace: &mut Workspace,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let Reading::Header { bytes, have } = &mut self.reading else { return Ok(None) };
        let role = self.config.role;
        if *have == 0
            && let Some((header, len)) = FrameHeader::parse(workspace.input(), role)?
        {
            workspace.take(len);
            return Ok(Some(header));
        }
        while workspace.available() > 0 {
            let at = workspace.take(1).start;
            debug_assert!(usize::from(*have) < HEADER_MAX, "a header ends within its bound");
            bytes[usize::from(*have)] = workspace.read[at];
            *have += 1;
            if let Some((header, _)) = FrameHeader::parse(&bytes[..usize::from(*have)], role)? {
                *have = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// The rules that need the connection's state, judged before a byte of payload is buffered.
    fn judge_header(&self, header: &FrameHeader) -> Result<(), ProtocolError> {
        let OpCode::Data(kind) = header.opcode else { return Ok(()) };
        let progress = self.assembly.as_ref().and_then(|assembly| assembly.message);
        match (kind, &progress) {
            (Data::Continue, None) => return Err(ProtocolError::NothingToContinue),
            (Data::Continue, Some(_)) if header.rsv1 => {
                return Err(ProtocolError::CompressedContinuation);
            }
            (Data::Text | Data::Binary, Some(_)) => {
                return Err(ProtocolError::MessageWithinMessage);
            }
            _ => {}
        }
        if header.rsv1 && self.deflate.is_none() {
            return Err(ProtocolError::ReservedBits);
        }
        let max = self.config.fragments_max;
        if progress.is_some_and(|progress| progress.fragments >= max) {
            return Err(ProtocolError::TooManyFragments { max });
        }
        let before = self.assembly.as_ref().map_or(0, |assembly| assembly.message_len());
        let sizes = &self.sizes;
        // What will be inflated is judged again by what comes out.
        if header.rsv1 || progress.is_some_and(|progress| progress.compressed) {
            sizes.check_compressed(header.len, before)?;
        } else {
            sizes.check(header.len, before)?;
        }
        Ok(())
    }

    /// Starts on a payload. What lies whole in the read buffer stays there.
    fn begin_payload(
        &mut self,
        header: FrameHeader,
        workspace: &mut Workspace,
    ) -> Result<Option<Arrived>, ProtocolError> {
        if header.len <= workspace.available() as u64 {
            let range = workspace.take(header.len as usize);
            if let Some(key) = header.mask {
                apply_mask(&mut workspace.read[range.clone()], key, 0);
            }
            return Ok(Some(Arrived::InPlace(header, range)));
        }
        self.note_fragment(&header, workspace);
        self.continue_payload(header, header.len, workspace)
    }

    /// Copies aside what has come of a payload that is not whole in the read buffer.
    fn continue_payload(
        &mut self,
        header: FrameHeader,
        remaining: u64,
        workspace: &mut Workspace,
    ) -> Result<Option<Arrived>, ProtocolError> {
        let len = usize::try_from(remaining).unwrap_or(usize::MAX).min(workspace.available());
        let range = workspace.take(len);
        let piece = &mut workspace.read[range];
        if let Some(key) = header.mask {
            // Only the position within the key matters; lengths are below 2^63.
            apply_mask(piece, key, ((header.len - remaining) % 4) as usize);
        }
        let Some(assembly) = &mut self.assembly else { return Ok(None) };
        match header.opcode {
            OpCode::Control(_) => assembly.control.extend_from_slice(piece),
            OpCode::Data(_) => assembly.push(piece)?,
        }
        let remaining = remaining - len as u64;
        if remaining > 0 {
            self.reading = Reading::Payload { header, remaining };
            return Ok(None);
        }
        self.reading = Reading::default();
        Ok(Some(Arrived::CopiedAside(header)))
    }

    /// Makes room for a payload to be copied aside, and counts the fragment.
    fn note_fragment(&mut self, header: &FrameHeader, workspace: &mut Workspace) {
        let assembly = self.assembly.get_or_insert_with(|| workspace.assembly());
        if let OpCode::Data(kind) = header.opcode {
            let progress = assembly.message.get_or_insert(Progress {
                text: kind == Data::Text,
                compressed: header.rsv1,
                fragments: 0,
            });
            progress.fragments += 1;
        }
    }

    /// A frame that lies whole and unmasked in the read buffer.
    fn whole_frame(
        &mut self,
        header: FrameHeader,
        range: Range<usize>,
        workspace: &mut Workspace,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Parsed>, ProtocolError> {
        let kind = match header.opcode {
            OpCode::Control(kind) => {
                let payload = Payload::InPlace(range);
                return self.control_frame(kind, payload, workspace, out, now).map(Some);
            }
            OpCode::Data(kind) => kind,
        };
        if !header.fin || kind == Data::Continue {
            self.note_fragment(&header, workspace);
            if let Some(assembly) = &mut self.assembly {
                assembly.push(&workspace.read[range])?;
            }
            return self.assembled_frame(header, workspace, out, now);
        }
        let payload = if header.rsv1 {
            self.inflate(&workspace.read[range], &mut workspace.inflated)?;
            Payload::Inflated
        } else {
            Payload::InPlace(range)
        };
        Ok(Some(if kind == Data::Text { Parsed::Text(payload) } else { Parsed::Binary(payload) }))
    }

    /// A frame whose payload has been copied aside in full.
    fn assembled_frame(
        &mut self,
        header: FrameHeader,
        workspace: &mut Workspace,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Parsed>, ProtocolError> {
        if let OpCode::Control(kind) = header.opcode {
            if let Some(mut assembly) = self.assembly.take() {
                workspace.inflated.extend_from_slice(&assembly.control);
                assembly.control.clear();
                match assembly.message {
                    Some(_) => self.assembly = Some(assembly),
                    None => workspace.keep(assembly),
                }
            }
            return self.control_frame(kind, Payload::Inflated, workspace, out, now).map(Some);
        }
        if !header.fin {
            return Ok(None);
        }
        let Some(assembly) = self.assembly.take() else { return Ok(None) };
        let Some(progress) = assembly.message else { return Ok(None) };
        if progress.compressed {
            self.inflate(&assembly.bytes, &mut workspace.inflated)?;
            workspace.keep(assembly);
            let payload = Payload::Inflated;
            let parsed = if progress.text { Parsed::Text } else { Parsed::Binary };
            return Ok(Some(parsed(payload)));
        }
        workspace.finished = Some(assembly);
        Ok(Some(if progress.text {
            Parsed::AssembledText
        } else {
            Parsed::Binary(Payload::Assembled)
        }))
    }

    fn inflate(&mut self, payload: &[u8], inflated: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let limit = usize::try_from(self.sizes.max()).unwrap_or(usize::MAX);
        if let Some(deflate) = &mut self.deflate {
            deflate.decompress(payload, limit, inflated)?;
        }
        Ok(())
    }

    fn control_frame(
        &mut self,
        kind: Control,
        payload: Payload,
        workspace: &Workspace,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Parsed, ProtocolError> {
        let bytes = workspace.resolve(&payload);
        match kind {
            Control::Ping => {
                if let (Some(rate), Some(state)) = (&self.config.ping_rate, &mut self.pings) {
                    rate.check(state, 1, now).map_err(|_| ProtocolError::PingFlood)?;
                }
                self.write_pong(bytes, out);
                Ok(Parsed::Ping(payload))
            }
            Control::Pong => {
                let heartbeat = self.heartbeat.as_mut();
                let round_trip = heartbeat.and_then(|it| it.handle_pong(bytes, now));
                Ok(Parsed::Pong(payload, round_trip))
            }
            Control::Close | Control::Reserved(_) => {
                let frame = parse_close(bytes)?;
                self.peer_closed(frame.as_ref(), out, now);
                Ok(Parsed::Close(frame))
            }
        }
    }

    /// The peer's close frame: the last frame that it may send.
    fn peer_closed(&mut self, frame: Option<&CloseFrame>, out: &mut Vec<u8>, now: Instant) {
        self.reading = Reading::Discarding;
        self.assembly = None;
        let code = frame.map(|frame| frame.code);
        self.end(Cause::ClosedByPeer { code: code.map(u16::from) });
        match self.closing.handle_close(code, now) {
            CloseReply::Echo(code) => self.write_close_frame(code, "", out),
            CloseReply::None => {}
        }
    }

    /// Borrows what was parsed from the workspace; text that lies in one piece is checked here.
    fn borrow_event<'w>(
        &mut self,
        parsed: Parsed,
        workspace: &'w mut Workspace,
        now: Instant,
    ) -> Result<Event<'w>, ProtocolError> {
        let len = match &parsed {
            Parsed::Text(payload) | Parsed::Binary(payload) => {
                Some(workspace.resolve(payload).len())
            }
            Parsed::AssembledText => workspace.finished.as_ref().map(|it| it.text.len()),
            Parsed::Ping(_) | Parsed::Pong(..) | Parsed::Close(_) => None,
        };
        if let Some(len) = len {
            if let Some(idle) = &mut self.idle {
                idle.handle_message(now);
            }
            let large = len as u64 > self.sizes.warn();
            let verdict = if large { SizeVerdict::Large } else { SizeVerdict::Fine };
            workspace.tally.sizes.record(len as u64, verdict);
        }
        let workspace = &*workspace;
        Ok(match parsed {
            Parsed::Text(payload) => Event::Text(
                simdutf8::basic::from_utf8(workspace.resolve(&payload))
                    .map_err(|_| ProtocolError::InvalidUtf8)?,
            ),
            Parsed::AssembledText => Event::Text(match &workspace.finished {
                Some(assembly) => assembly.text.finished()?,
                None => "",
            }),
            Parsed::Binary(payload) => Event::Binary(workspace.resolve(&payload)),
            Parsed::Ping(payload) => Event::Ping(workspace.resolve(&payload)),
            Parsed::Pong(payload, round_trip) => {
                Event::Pong { payload: workspace.resolve(&payload), round_trip }
            }
            Parsed::Close(frame) => Event::Close(frame),
        })
    }
}

/// RFC 6455 §5.5.1: empty, or a code that may travel and a reason in UTF-8.
fn parse_close(payload: &[u8]) -> Result<Option<CloseFrame>, ProtocolError> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(ProtocolError::CloseFrameTooShort),
        [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
    };
    if !is_receivable(code) {
        return Err(ProtocolError::CloseCodeInvalid(code));
    }
    let reason = simdutf8::basic::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
    Ok(Some(CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from(reason) }))
}
