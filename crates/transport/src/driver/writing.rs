//! The driver's way out: one write for all that is there, and what the socket did not take.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Turn, fairness};
use crate::{scratch::Output, session::Session};

/// Writes of one wake while others go on queueing.
const FLUSHES_MAX: usize = 4;
/// Slices in one vectored write.
const SLICES_MAX: usize = 64;

/// Pieces in the order in which they are written.
pub(super) struct Unsent {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// How much of it is replies to what the peer sent: while that is much, reading waits.
    pub(super) replies: usize,
    /// Whether the socket was asked and took no more. It was not asked yet for the first output.
    is_blocked: bool,
    /// When the socket last took something.
    taken_at: Instant,
}

impl<IO, S> Turn<'_, IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session,
{
    /// Writes replies and what others queued. While the socket takes everything, what was queued
    /// meanwhile follows: its sender saw that we are awake and did not wake us.
    pub(super) fn flush(&mut self, output: &mut Output, cx: &mut Context<'_>) {
        for _ in 0..FLUSHES_MAX {
            self.drain_outbox(output);
            self.write(output, cx);
            if self.unsent.is_some() || !self.inbox.is_pending() {
                return;
            }
        }
        fairness::give_way(cx);
    }

    /// Whether the socket takes no more for now.
    pub(super) fn is_blocked(&self) -> bool {
        self.unsent.as_ref().is_some_and(|unsent| unsent.is_blocked)
    }

    /// When a peer has taken nothing for too long. Closing has a deadline of its own.
    pub(super) fn write_due(&self) -> Option<Instant> {
        let unsent = self.unsent.as_ref().filter(|unsent| unsent.is_blocked)?;
        let timeout = self.connection.config().write_timeout()?;
        (!self.connection.is_closing()).then(|| unsent.taken_at + timeout)
    }

    /// Writes the output behind what is unsent; what the socket does not take becomes unsent.
    pub(super) fn write(&mut self, output: &mut Output, cx: &mut Context<'_>) {
        if let Err(error) = self.try_write(output, cx).and_then(|()| self.try_flush(cx)) {
            self.connection.handle_io_error(error.kind(), self.now.into_std());
            *self.unsent = None;
            // How much waited stays noted: whoever hears of the end may say so.
            return output.clear();
        }
        output.clear();
        let (bytes, is_blocked) = self.unsent.as_ref().map_or((0, false), |it| it.waiting());
        self.inbox.note_unsent(bytes, is_blocked);
    }

    fn try_write(&mut self, output: &mut Output, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(unsent) = self.unsent {
            // In order: what is unsent goes first, and takes the new output with it.
            unsent.extend(output);
            output.clear();
            while !unsent.pieces.is_empty() {
                let poll = if let (1, Some(piece)) = (unsent.pieces.len(), unsent.pieces.front()) {
                    Pin::new(&mut *self.io).poll_write(cx, piece)
                } else {
                    let mut slices = [io::IoSlice::new(&[]); SLICES_MAX];
                    let slices = fill(&mut slices, unsent.pieces.iter().map(|piece| &piece[..]));
                    Pin::new(&mut *self.io).poll_write_vectored(cx, slices)
                };
                let Poll::Ready(len) = poll else {
                    unsent.is_blocked = true;
                    return Ok(());
                };
                let len = nonzero(len?)?;
                *self.unflushed = true;
                self.meter.note_write(len);
                unsent.advance(len);
                unsent.taken_at = self.now;
                self.connection.handle_write_progress(self.now.into_std());
            }
            *self.unsent = None;
            return Ok(());
        }
        if output.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        let total: usize = output.pieces().map(<[u8]>::len).sum();
        while written < total {
            let poll = if output.shared.is_empty() {
                Pin::new(&mut *self.io).poll_write(cx, &output.bytes[written..])
            } else {
                let mut slices = [io::IoSlice::new(&[]); SLICES_MAX];
                let slices = fill(&mut slices, output.pieces_from(written));
                Pin::new(&mut *self.io).poll_write_vectored(cx, slices)
            };
            let Poll::Ready(len) = poll else {
                *self.unsent = Some(Box::new(Unsent::rest_of(output, written, self.now)));
                return Ok(());
            };
            let len = nonzero(len?)?;
            *self.unflushed = true;
            self.meter.note_write(len);
            written += len;
        }
        Ok(())
    }

    /// Lets go what the transport holds back. A socket holds nothing and answers without a call; a
    /// TLS stream may have taken more than its socket did.
    fn try_flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if *self.unflushed
            && self.unsent.is_none()
            && let Poll::Ready(flushed) = Pin::new(&mut *self.io).poll_flush(cx)
        {
            *self.unflushed = false;
            return flushed;
        }
        Ok(())
    }
}

impl Unsent {
    /// What is written before everything else, once the socket is asked.
    pub(super) fn first(bytes: Bytes) -> Self {
        let (len, pieces) = (bytes.len(), [bytes].into());
        let taken_at = Instant::now();
        Self { bytes: len, pieces, replies: 0, is_blocked: false, taken_at }
    }

    fn rest_of(output: &Output, written: usize, now: Instant) -> Self {
        let pieces = VecDeque::new();
        let mut unsent = Self { pieces, bytes: 0, replies: 0, is_blocked: true, taken_at: now };
        unsent.extend(output);
        unsent.advance(written);
        unsent
    }

    /// Bytes of messages that wait for the socket, and whether it was asked and took no more. Replies
    /// have a bound of their own; as it is not known which of them have left, all of them are deducted.
    fn waiting(&self) -> (usize, bool) {
        (self.bytes.saturating_sub(self.replies), self.is_blocked)
    }

    fn extend(&mut self, output: &Output) {
        let pieces = output.kept_pieces();
        self.bytes += pieces.iter().map(Bytes::len).sum::<usize>();
        self.pieces.extend(pieces);
        self.replies += output.replies;
    }

    fn advance(&mut self, mut len: usize) {
        self.bytes -= len;
        while let Some(piece) = self.pieces.front_mut() {
            if len < piece.len() {
                piece.advance(len);
                return;
            }
            len -= piece.len();
            self.pieces.pop_front();
        }
    }
}

/// Puts as many pieces into `slices` as there is room for, and answers those.
fn fill<'s, 'p>(
    slices: &'s mut [io::IoSlice<'p>],
    pieces: impl Iterator<Item = &'p [u8]>,
) -> &'s [io::IoSlice<'p>] {
    let mut filled = 0;
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = io::IoSlice::new(piece);
        filled += 1;
    }
    &slices[..filled]
}

fn nonzero(len: usize) -> io::Result<usize> {
    if len == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(len) }
}
