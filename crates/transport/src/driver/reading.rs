//! The driver's way in: one read, all its events, and what to do when the session is busy.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_connection::Workspace;

use super::Turn;
use crate::{
    scratch::Scratch,
    session::{Replies, Session},
};

/// Reads of one wake before other tasks get their turn.
const READS_MAX: usize = 16;
/// Replies that the peer does not take before we stop reading from it.
const UNSENT_REPLIES_MAX: usize = 64 * 1024;

impl<IO, S> Turn<'_, IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session,
{
    /// Reads and works off what has come; replies collect in the output until it pays to write.
    pub(super) fn read(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>) {
        self.work_off_early(scratch);
        for _ in 0..READS_MAX {
            if !self.session.is_ready()
                || self.unsent.as_ref().is_some_and(|it| it.replies >= UNSENT_REPLIES_MAX)
            {
                return;
            }
            match self.poll_read(&mut scratch.workspace, cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => return self.connection.handle_eof(self.now.into_std()),
                Poll::Ready(Ok(len)) => scratch.workspace.filled(len),
                Poll::Ready(Err(error)) => {
                    return self.connection.handle_io_error(error.kind(), self.now.into_std());
                }
            }
            let before = scratch.output.bytes.len();
            self.handle_events(scratch);
            let replies = scratch.output.bytes.len() - before;
            if let Some(unsent) = self.unsent {
                unsent.replies += replies;
            }
            if scratch.output.bytes.len() >= UNSENT_REPLIES_MAX {
                self.write(&mut scratch.output, cx);
            }
        }
        // There is more, and others wait.
        cx.waker().wake_by_ref();
    }

    /// What came with the handshake, or was left when the session became busy.
    fn work_off_early(&mut self, scratch: &mut Scratch) {
        while self.session.is_ready()
            && let Some(mut early) = self.early.take()
        {
            let len = scratch.workspace.load(&early);
            early.advance(len);
            *self.early = (!early.is_empty()).then_some(early);
            self.handle_events(scratch);
        }
    }

    fn poll_read(
        &mut self,
        workspace: &mut Workspace,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(workspace.read_buffer());
        ready!(Pin::new(&mut *self.io).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn handle_events(&mut self, scratch: &mut Scratch) {
        let now = self.now.into_std();
        let out = &mut scratch.output.bytes;
        while let Some(event) = self.connection.poll_event(&mut scratch.workspace, out, now) {
            let mut replies = Replies { connection: self.connection, out, now };
            self.session.handle_event(event, &mut replies);
            if !self.session.is_ready() {
                self.set_aside(scratch);
                return;
            }
        }
    }

    /// Keeps what the session is not ready for: at most one read, since nothing is read meanwhile.
    fn set_aside(&mut self, scratch: &mut Scratch) {
        let mut rest = scratch.workspace.take_rest().to_vec();
        if !rest.is_empty() {
            if let Some(later) = self.early.take() {
                rest.extend_from_slice(&later);
            }
            *self.early = Some(Bytes::from(rest));
        }
    }
}
