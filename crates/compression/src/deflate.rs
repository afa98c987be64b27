//! One message through a deflater (RFC 7692 §7.2.1).

use flate2::{Compress, CompressError, FlushCompress};

use crate::history::History;

/// What a sync flush ends with, and what RFC 7692 §7.2.1 takes off again.
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The least room that the deflater is given, so that it need not repeat its flush marker.
const ROOM_MIN_BYTES: usize = 64;

/// Appends the compressed message without its [`TAIL`] and says whether it is shorter than the
/// message. If it is not, or if the deflater fails, `out` is as it was.
///
/// `out` grows in steps towards what the message needs, and never past the message's own length:
/// there the attempt is given up.
pub(crate) fn deflate(
    deflater: &mut Compress,
    history: Option<&History>,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, CompressError> {
    let start = out.len();
    let result = deflate_to(deflater, history, message, out);
    let smaller = matches!(result, Ok(true));
    out.truncate(if smaller { out.len() - TAIL.len() } else { start });
    result
}

fn deflate_to(
    deflater: &mut Compress,
    history: Option<&History>,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, CompressError> {
    for piece in history.iter().flat_map(|history| history.pieces()) {
        if !piece.is_empty() {
            deflater.set_dictionary(piece)?;
        }
    }
    let start = out.len();
    // With this many bytes, tail included, nothing would be saved.
    let ceiling = start + message.len() + TAIL.len();
    let mut input = message;
    loop {
        if out.len() == out.capacity() {
            let step = (out.len() - start).max(message.len() / 4).max(ROOM_MIN_BYTES);
            out.reserve_exact(step.min(ceiling - out.len()));
        }
        let consumed_before = deflater.total_in();
        deflater.compress_vec(input, out, FlushCompress::Sync)?;
        input = &input[(deflater.total_in() - consumed_before) as usize..];
        if out.len() >= ceiling {
            return Ok(false);
        }
        // Room left over means that nothing is pending (zlib's contract for a flush).
        if input.is_empty() && out.len() < out.capacity() {
            debug_assert!(out.ends_with(&TAIL));
            return Ok(true);
        }
    }
}
