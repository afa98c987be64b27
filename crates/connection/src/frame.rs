//! Frame headers (RFC 6455 §5.2): parsed as their bytes arrive, encoded in their shortest form.

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::{Role, error::ProtocolError};

/// The longest header: two bytes, eight of length, four of mask.
pub(crate) const HEADER_MAX: usize = 14;
/// The longest payload of a control frame (RFC 6455 §5.5).
pub(crate) const CONTROL_MAX: u64 = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// A frame header that has passed every check which needs no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The last frame of its message.
    pub fin: bool,
    /// The message is compressed (RFC 7692 §6).
    pub rsv1: bool,
    /// What the frame carries; never a reserved opcode.
    pub opcode: OpCode,
    /// The masking key, present exactly on frames from a client.
    pub mask: Option<[u8; 4]>,
    /// The payload's length.
    pub len: u64,
}

impl FrameHeader {
    /// Reads a header from the front of `bytes` as received by `role`.
    ///
    /// `Ok(None)` means that more bytes are needed and that those which are here are sound: a bad
    /// bit is reported with the first byte that carries it. On success the second value is the
    /// header's length.
    pub fn parse(bytes: &[u8], role: Role) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let opcode = parse_opcode(first)?;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        // §5.1: a server takes masked frames only, a client unmasked ones only.
        let masked = second & MASKED != 0;
        match (role, masked) {
            (Role::Server, false) => return Err(ProtocolError::UnmaskedFromClient),
            (Role::Client, true) => return Err(ProtocolError::MaskedFromServer),
            (Role::Server, true) | (Role::Client, false) => {}
        }
        let fin = first & FIN != 0;
        let short = second & !MASKED;
        if let OpCode::Control(_) = opcode {
            // §5.5: control frames are short and whole.
            if u64::from(short) > CONTROL_MAX {
                return Err(ProtocolError::LongControlFrame);
            }
            if !fin {
                return Err(ProtocolError::FragmentedControlFrame);
            }
        }
        let Some((len, at)) = parse_length(bytes, short)? else { return Ok(None) };
        let (mask, at) = match (masked, bytes.get(at..at + 4)) {
            (false, _) => (None, at),
            (true, Some(&[a, b, c, d])) => (Some([a, b, c, d]), at + 4),
            (true, _) => return Ok(None),
        };
        Ok(Some((Self { fin, rsv1: first & RSV1 != 0, opcode, mask, len }, at)))
    }
}

/// Checks the first byte. RSV1 is judged later: it is legal where permessage-deflate was negotiated.
fn parse_opcode(first: u8) -> Result<OpCode, ProtocolError> {
    if first & RSV2_RSV3 != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    match OpCode::from(first & 0x0f) {
        OpCode::Data(Data::Reserved(code)) | OpCode::Control(Control::Reserved(code)) => {
            Err(ProtocolError::ReservedOpcode(code))
        }
        OpCode::Control(_) if first & RSV1 != 0 => Err(ProtocolError::ReservedBits),
        known => Ok(known),
    }
}

/// The payload length and where the header goes on after it.
fn parse_length(bytes: &[u8], short: u8) -> Result<Option<(u64, usize)>, ProtocolError> {
    match short {
        126 => {
            let Some(&[a, b]) = bytes.get(2..4) else { return Ok(None) };
            let len = u64::from(u16::from_be_bytes([a, b]));
            // §5.2: the minimal number of bytes must be used.
            if len < 126 { Err(ProtocolError::LengthNotMinimal) } else { Ok(Some((len, 4))) }
        }
        127 => {
            // §5.2: the most significant bit is zero; seen with the first of the eight bytes.
            if bytes.get(2).is_some_and(|&top| top & 0x80 != 0) {
                return Err(ProtocolError::LengthTooBig);
            }
            let Some(long) = bytes.get(2..10) else { return Ok(None) };
            let len = long.iter().fold(0, |len, &byte| len << 8 | u64::from(byte));
            if len <= 0xffff { Err(ProtocolError::LengthNotMinimal) } else { Ok(Some((len, 10))) }
        }
        short => Ok(Some((u64::from(short), 2))),
    }
}

/// Appends a header in its shortest form.
pub fn encode_header(
    out: &mut Vec<u8>,
    fin: bool,
    rsv1: bool,
    opcode: OpCode,
    len: usize,
    mask: Option<[u8; 4]>,
) {
    let start = out.len();
    out.resize(start + header_len(len, mask.is_some()), 0);
    write_header(&mut out[start..], fin, rsv1, opcode, len, mask);
}

/// Writes a header into exactly the room that [`header_len`] says it takes.
pub(crate) fn write_header(
    room: &mut [u8],
    fin: bool,
    rsv1: bool,
    opcode: OpCode,
    len: usize,
    mask: Option<[u8; 4]>,
) {
    debug_assert_eq!(room.len(), header_len(len, mask.is_some()));
    let masked = if mask.is_some() { MASKED } else { 0 };
    room[0] = u8::from(opcode) | if fin { FIN } else { 0 } | if rsv1 { RSV1 } else { 0 };
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..=125), _) => room[1] = masked | short,
        (_, Ok(medium)) => {
            room[1] = masked | 126;
            room[2..4].copy_from_slice(&medium.to_be_bytes());
        }
        _ => {
            room[1] = masked | 127;
            room[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if let Some(key) = mask {
        let at = room.len() - key.len();
        room[at..].copy_from_slice(&key);
    }
}

/// How many bytes [`encode_header`] takes for a payload of `len` bytes.
pub(crate) const fn header_len(len: usize, masked: bool) -> usize {
    let base = match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    base + if masked { 4 } else { 0 }
}

#[cfg(test)]
mod tests;
