//! What a thread lends to whichever connection it is working for.

use std::{cell::Cell, fmt, sync::Arc, time::Instant};

use bytes::Bytes;
use tungstenite::protocol::frame::coding::Data;
use ws_connection::{Closed, Connection, Event, Prepared, Wire, Workspace};

use crate::{
    driver::Queue,
    observer::{Observer, Sent},
    outbox::Inbox,
    session::Replies,
};

/// Shared frames up to this size are copied into the output: cheaper than a slice of their own.
const COPY_BYTES_MAX: usize = 4096;
/// Own bytes are kept in pieces of this size: of what has left, at most so much is held with what has
/// not.
const PIECE_BYTES: usize = 16 * 1024;

/// Output buffers that grew past this are given back to the allocator.
const KEEP_BYTES_MAX: usize = 1024 * 1024;

/// The read buffer and the output of one thread, and who of it rests.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) workspace: Workspace,
    pub(crate) output: Output,
    pub(crate) queue: Queue,
}

/// What is to be written: own bytes, and shared ones that stand between them.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// Shared frames with the position in `bytes` before which each is written, in order.
    pub(crate) shared: Vec<(usize, Bytes)>,
    /// How much of `bytes` answers what the peer sent.
    pub(crate) replies: usize,
    /// How much of `bytes` a session took from its outbox.
    pub(crate) moved: usize,
    /// A session wants to be told when everything has left.
    pub(crate) has_more: bool,
    /// Where a message is written that becomes another on its way out; empty otherwise.
    pub(crate) spare: Vec<u8>,
    /// Who looks at what this connection sends and receives in this turn; hardly ever anybody.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl Output {
    pub(crate) fn replies_on<'d>(
        &'d mut self,
        connection: &'d mut Connection,
        inbox: &'d Inbox,
        now: Instant,
    ) -> Replies<'d> {
        Replies { connection, output: self, inbox, now }
    }

    /// Appends a message that was framed for many.
    #[inline]
    pub(crate) fn push_prepared(
        &mut self,
        message: &Prepared,
        connection: &mut Connection,
        now: Instant,
    ) {
        if self.observer.is_some() && !connection.is_closing() {
            self.show_prepared(message, now);
        }
        match connection.send_prepared(message, &mut self.bytes, now) {
            Ok(Wire::Shared(frame)) if frame.len() <= COPY_BYTES_MAX => {
                self.bytes.extend_from_slice(frame);
            }
            Ok(Wire::Shared(frame)) => self.push_shared(frame.clone()),
            // Whatever comes after a close frame has nowhere to go.
            Ok(Wire::Written) | Err(Closed) => {}
        }
    }

    /// Tells whoever looks of what has come.
    #[cold]
    #[inline(never)]
    pub(crate) fn show_received(&self, event: &Event<'_>, now: Instant) {
        if let Some(observer) = &self.observer {
            observer.handle_received(event, now);
        }
    }

    /// Tells whoever looks of what leaves.
    #[cold]
    #[inline(never)]
    pub(crate) fn show(&self, sent: Sent<'_>, now: Instant) {
        if let Some(observer) = &self.observer {
            observer.handle_sent(sent, now);
        }
    }

    #[cold]
    fn show_prepared(&self, message: &Prepared, now: Instant) {
        message.for_each(|kind, payload| match kind {
            Data::Binary => self.show(Sent::Binary(payload), now),
            Data::Text | Data::Continue | Data::Reserved(_) => self.show(Sent::Text(payload), now),
        });
    }

    /// Own bytes that were not taken from the outbox.
    pub(crate) fn own_bytes(&self) -> usize {
        self.bytes.len() - self.moved
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.shared.is_empty()
    }

    pub(crate) fn push_shared(&mut self, frame: Bytes) {
        self.shared.push((self.bytes.len(), frame));
    }

    /// The pieces in the order in which they are written.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let last = self.shared.last().map_or(0, |(at, _)| *at);
        let mut from = 0;
        self.shared
            .iter()
            .flat_map(move |(at, frame)| {
                let own = &self.bytes[from..*at];
                from = *at;
                [own, &frame[..]]
            })
            .chain(std::iter::once(&self.bytes[last..]))
            .filter(|piece| !piece.is_empty())
    }

    /// The pieces behind the first `skip` bytes.
    pub(crate) fn pieces_from(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> {
        self.pieces().filter_map(move |piece| {
            let from = skip.min(piece.len());
            skip -= from;
            (from < piece.len()).then(|| &piece[from..])
        })
    }

    /// The same pieces to keep: own bytes are copied, shared ones are referred to.
    pub(crate) fn kept_pieces(&self) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(2 * self.shared.len() + 1);
        let mut from = 0;
        for (at, frame) in &self.shared {
            pieces.extend(copies(&self.bytes[from..*at]));
            pieces.push(frame.clone());
            from = *at;
        }
        pieces.extend(copies(&self.bytes[from..]));
        pieces
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.shared.clear();
        self.replies = 0;
        self.moved = 0;
        for buffer in [&mut self.bytes, &mut self.spare] {
            if buffer.capacity() > KEEP_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("bytes", &self.bytes.len())
            .field("shared", &self.shared.len())
            .field("is_observed", &self.observer.is_some())
            .finish_non_exhaustive()
    }
}

fn copies(bytes: &[u8]) -> impl Iterator<Item = Bytes> {
    bytes.chunks(PIECE_BYTES).map(Bytes::copy_from_slice)
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Lends the thread's scratch. A nested call, which only an application that drives one connection
/// from within another could make, gets a fresh one.
pub(crate) fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = SCRATCH.take().unwrap_or_default();
    let result = work(&mut scratch);
    scratch.output.clear();
    scratch.output.has_more = false;
    if scratch.output.observer.is_some() {
        scratch.output.observer = None;
    }
    SCRATCH.set(Some(scratch));
    result
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Output;

    #[test]
    fn pieces_come_in_the_order_in_which_they_were_pushed() {
        let mut output = Output::default();
        output.push_shared(Bytes::from_static(b"1"));
        output.bytes.extend_from_slice(b"ab");
        output.push_shared(Bytes::from_static(b"2"));
        output.push_shared(Bytes::from_static(b"3"));
        output.bytes.extend_from_slice(b"c");
        let pieces: Vec<_> = output.pieces().collect();
        assert_eq!(pieces, [&b"1"[..], b"ab", b"2", b"3", b"c"]);
        assert_eq!(output.kept_pieces(), pieces);
    }

    #[test]
    fn output_without_shared_frames_is_one_piece() {
        let mut output = Output::default();
        assert_eq!(output.pieces().count(), 0);
        output.bytes.extend_from_slice(b"ab");
        assert_eq!(output.pieces().collect::<Vec<_>>(), [b"ab"]);
    }
}
