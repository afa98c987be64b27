//! One message through an inflater, within a bound (RFC 7692 §7.2.2).

use flate2::{Decompress, FlushDecompress, Status};

use crate::history::History;
use crate::{Corruption, InflateError};

/// Behind the payload: the four bytes that the sender took off, and an empty final block.
///
/// The final block is what tells a complete payload from a truncated one. Only an inflater that
/// stood at the end of a block, byte-aligned, reports the end of the stream exactly behind it;
/// after a truncated payload these bytes are taken for something else.
const CLOSING: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// First room given to an output that has none; after that it doubles.
const ROOM_MIN_BYTES: usize = 256;
const ROOM_FIRST_MAX_BYTES: usize = 64 * 1024;

/// Piece by which a buffer with more room than the limit allows is filled.
const PIECE_BYTES: usize = 16 * 1024;

/// Appends the inflated message to `out`: `limit_bytes` at most. On an error `out` is as it was.
///
/// The room in `out` grows with what was really inflated, by doubling and never past the limit.
pub(crate) fn inflate(
    inflater: &mut Decompress,
    history: Option<&History>,
    payload: &[u8],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), InflateError> {
    let start = out.len();
    for piece in history.iter().flat_map(|history| history.pieces()) {
        if !piece.is_empty() {
            inflater.set_dictionary(piece).map_err(|_| invalid())?;
        }
    }
    let mut bounded = Bounded {
        inflater,
        first_room: payload.len().saturating_mul(4).clamp(ROOM_MIN_BYTES, ROOM_FIRST_MAX_BYTES),
        start,
        limit_bytes,
    };
    let result = bounded.message(payload, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

struct Bounded<'a> {
    inflater: &'a mut Decompress,
    first_room: usize,
    start: usize,
    limit_bytes: usize,
}

impl Bounded<'_> {
    fn message(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), InflateError> {
        let mut input = payload;
        while self.run(&mut input, out)? == Status::StreamEnd {
            // §7.2.3.4: a block with BFINAL set may stand anywhere. What follows starts anew at
            // the next byte; nothing has to follow.
            self.inflater.reset(false);
            if input.is_empty() {
                return Ok(());
            }
        }
        let consumed_before = self.inflater.total_in();
        let mut surplus = [0; 16];
        let produced_before = self.inflater.total_out();
        let end = self.inflater.decompress(&CLOSING, &mut surplus, FlushDecompress::None);
        let consumed = self.inflater.total_in() - consumed_before;
        let produced = self.inflater.total_out() - produced_before;
        match end {
            Ok(Status::StreamEnd) if consumed == CLOSING.len() as u64 && produced == 0 => Ok(()),
            _ => Err(InflateError::Corrupt(Corruption::Unfinished)),
        }
    }

    /// Inflates until the input is used up and nothing is pending, or a final block ended.
    fn run(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<Status, InflateError> {
        loop {
            let (status, room_left) = self.step(input, out)?;
            if status == Status::StreamEnd || (room_left && input.is_empty()) {
                return Ok(status);
            }
            // Room left and input left, and no progress: zlib never does that, and if it did this
            // must not spin.
            if room_left && status == Status::BufError {
                return Err(invalid());
            }
        }
    }

    /// One call of the inflater. The second value says whether it left room unused.
    fn step(
        &mut self,
        input: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(Status, bool), InflateError> {
        let produced = out.len() - self.start;
        let allowed = self.limit_bytes - produced;
        if allowed > 0 && out.len() == out.capacity() {
            out.reserve_exact(produced.max(self.first_room).min(allowed));
        }
        let spare = out.capacity() - out.len();
        let consumed_before = self.inflater.total_in();
        let (status, room_left) = if allowed == 0 {
            (self.probe(input)?, true)
        } else if spare <= allowed {
            let status = self.inflater.decompress_vec(input, out, FlushDecompress::None);
            (status.map_err(|_| invalid())?, out.len() < out.capacity())
        } else {
            self.piece(input, out, allowed.min(PIECE_BYTES))?
        };
        *input = &input[(self.inflater.total_in() - consumed_before) as usize..];
        Ok((status, room_left))
    }

    /// At the limit: the rest may hold blocks and codes, but not one byte more of message.
    fn probe(&mut self, input: &[u8]) -> Result<Status, InflateError> {
        let before = self.inflater.total_out();
        let status = self.inflater.decompress(input, &mut [0], FlushDecompress::None);
        if self.inflater.total_out() != before {
            return Err(InflateError::TooLarge { limit_bytes: self.limit_bytes });
        }
        status.map_err(|_| invalid())
    }

    /// Into a buffer that has more room than the limit allows to use.
    fn piece(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(Status, bool), InflateError> {
        let (filled, before) = (out.len(), self.inflater.total_out());
        out.resize(filled + room, 0);
        let status = self.inflater.decompress(input, &mut out[filled..], FlushDecompress::None);
        let written = (self.inflater.total_out() - before) as usize;
        out.truncate(filled + written);
        Ok((status.map_err(|_| invalid())?, written < room))
    }
}

fn invalid() -> InflateError {
    InflateError::Corrupt(Corruption::Invalid)
}
