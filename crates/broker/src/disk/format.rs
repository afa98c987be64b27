//! How it is written: segments of frames, frames of items. All numbers are little-endian.
//!
//! ```text
//! segment  | header, 64 bytes | frame | frame | …
//! frame    | magic 4 | length 4 | sequence 8 | crc of the body 4 | crc of this header 4 | body |
//! body     | item | item | …
//! ```
//!
//! A frame is one group commit: it is there as a whole or not at all. Frames count from 1 through all segments,
//! so that one that is missing shows. An entry has a checksum of its own, as it is read
//! alone later on.

use std::time::Duration;

use crate::{Keep, WhenFull};

mod items;

pub(super) use items::{ENTRY_OVERHEAD, Item, Items, entry_payload};

/// What this version writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
pub(super) const SEGMENT_HEADER: usize = 64;
pub(super) const FRAME_HEADER: usize = 24;
/// A frame takes one command at least, and none that is larger than this.
pub(super) const FRAME_BODY_MAX: usize = 64 << 20;
/// The end of a name, a key, or an event's name.
pub(super) const NAME_BYTES_MAX: usize = 1024;

const SEGMENT_MAGIC: [u8; 8] = *b"wsbroker";
pub(super) const FRAME_MAGIC: [u8; 4] = *b"\xF5wsF";

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u32,
    /// Of its first frame.
    pub(super) sequence: u64,
    /// Where the segment before it ends: what is behind that was never acknowledged.
    pub(super) previous_end: u64,
    /// Damage in segments before this one was seen, and dealt with.
    pub(super) repaired_before: u32,
}

/// Why the head of a segment cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// It was being made when the process ended.
    Unfinished,
    /// Something else is in the file.
    Damaged,
    /// It was written by a later version.
    Newer(u32),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.previous_end.to_le_bytes());
        bytes.extend_from_slice(&self.repaired_before.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; SEGMENT_HEADER];
        header[..bytes.len()].copy_from_slice(&bytes);
        header
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        if bytes.len() < SEGMENT_HEADER || bytes.iter().all(|byte| *byte == 0) {
            return Err(HeaderFault::Unfinished);
        }
        let mut fields = Fields(bytes);
        let damaged = HeaderFault::Damaged;
        if fields.bytes(8) != Some(&SEGMENT_MAGIC) {
            return Err(damaged);
        }
        // Before the checksum: where that stands is the format's matter.
        let format = fields.u32().ok_or(damaged)?;
        if format > FORMAT {
            return Err(HeaderFault::Newer(format));
        }
        let header = Self {
            number: fields.u32().ok_or(damaged)?,
            sequence: fields.u64().ok_or(damaged)?,
            previous_end: fields.u64().ok_or(damaged)?,
            repaired_before: fields.u32().ok_or(damaged)?,
        };
        let covered = bytes.len() - fields.0.len();
        let crc = fields.u32().ok_or(damaged)?;
        if crc == crc32fast::hash(&bytes[..covered]) { Ok(header) } else { Err(damaged) }
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) body_bytes: usize,
    pub(super) sequence: u64,
    body_crc: u32,
}

impl FrameHeader {
    /// `None` if there is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.bytes(4)? != FRAME_MAGIC {
            return None;
        }
        let body_bytes = fields.u32()? as usize;
        let header = Self { body_bytes, sequence: fields.u64()?, body_crc: fields.u32()? };
        let crc = fields.u32()?;
        let is_sound = crc == crc32fast::hash(&bytes[..FRAME_HEADER - 4]);
        (is_sound && body_bytes <= FRAME_BODY_MAX).then_some(header)
    }

    pub(super) fn is_of(&self, body: &[u8]) -> bool {
        crc32fast::hash(body) == self.body_crc
    }
}

/// A frame that is being made; its room is used again and again.
#[derive(Debug)]
pub(super) struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; FRAME_HEADER] }
    }

    pub(super) fn clear(&mut self) {
        // One large batch does not cost its room for ever.
        self.bytes.truncate(FRAME_HEADER);
        self.bytes.shrink_to(4 << 20);
    }

    pub(super) fn push(&mut self, item: &Item<'_>) {
        item.encode(&mut self.bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.len() == FRAME_HEADER
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[FRAME_HEADER..]
    }

    /// The length of what is written.
    pub(super) fn sealed_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What is written.
    pub(super) fn seal(&mut self, sequence: u64) -> &[u8] {
        let (header, body) = self.bytes.split_at_mut(FRAME_HEADER);
        debug_assert!(body.len() <= FRAME_BODY_MAX);
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        header[..4].copy_from_slice(&FRAME_MAGIC);
        header[4..8].copy_from_slice(&length.to_le_bytes());
        header[8..16].copy_from_slice(&sequence.to_le_bytes());
        header[16..20].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        let crc = crc32fast::hash(&header[..20]);
        header[20..24].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }
}

/// A [`Keep`] as it is written: in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) entries_max: u32,
    pub(super) ttl_ms: u64,
    pub(super) event_window_ms: u64,
    pub(super) refuses: bool,
}

impl From<&Keep> for Kept {
    fn from(keep: &Keep) -> Self {
        Self {
            entries_max: keep.entries_max.get(),
            ttl_ms: millis(keep.ttl),
            event_window_ms: millis(keep.event_window),
            refuses: keep.when_full == WhenFull::Refuse,
        }
    }
}

/// A span in milliseconds; the longest there are for what is longer.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What is left to be read of something.
#[derive(Clone, Copy, Debug)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self, bytes: usize) -> Option<&'a str> {
        str::from_utf8(self.bytes(bytes)?).ok()
    }
}

#[cfg(test)]
mod tests;
