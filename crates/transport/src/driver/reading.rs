//! The driver's way in: one read, all its events, and what to do when the session is busy.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_connection::{Event, Teardown, Workspace};

use super::{
    Turn,
    fairness::{self, Work},
};
use crate::{
    scratch::{Output, Scratch},
    session::Session,
};

/// Reads of one turn, complete messages or not.
const READS_MAX: usize = 8;
/// Of what was set aside, how much is worked off at once.
const LOAD_BYTES_MAX: usize = 16 * 1024;
/// Replies that the peer does not take before we stop reading from it.
const UNSENT_REPLIES_MAX: usize = 64 * 1024;

impl<IO, S> Turn<'_, IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session,
{
    /// Reads and works off what has come; replies collect in the output until it pays to write.
    ///
    /// Answers whether it stopped without having asked the transport for more, so that nothing that
    /// arrives will wake us.
    pub(super) fn read(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>) -> bool {
        if *self.rests > 0 {
            *self.rests -= 1;
            fairness::give_way(cx);
            return false;
        }
        let mut work = Work::default();
        for _ in 0..READS_MAX {
            // Before each read: a session that was busy, and had the rest set aside, may be ready a moment
            // later. What was read first is worked off first.
            self.work_off_early(&mut work, scratch, cx);
            if work.is_enough() {
                break;
            }
            if self.early.is_some() || !self.takes_events(&scratch.output) {
                return true;
            }
            match self.poll_read(&mut scratch.workspace, cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => {
                    self.connection.handle_eof(self.now.into_std());
                    return false;
                }
                Poll::Ready(Ok(len)) => scratch.workspace.filled(len),
                // How a TLS stream says that its peer ended without saying so: frames tell by themselves
                // whether one was cut off.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.connection.handle_eof(self.now.into_std());
                    return false;
                }
                Poll::Ready(Err(error)) => {
                    self.connection.handle_io_error(error.kind(), self.now.into_std());
                    return false;
                }
            }
            self.handle_events(&mut work, scratch, cx);
            let rest = scratch.workspace.take_rest();
            if !rest.is_empty() {
                // At most one read, since nothing is read meanwhile.
                *self.early = Some(Bytes::copy_from_slice(rest));
            }
        }
        // There is more, and others wait.
        *self.rests = scratch.queue.rests_behind(&work);
        fairness::give_way(cx);
        false
    }

    /// Whether somebody works off what is read, and few answers wait for the peer to take them.
    pub(super) fn takes_events(&self, output: &Output) -> bool {
        let waiting = self.unsent.as_ref().map_or(0, |unsent| unsent.replies + output.replies);
        waiting < UNSENT_REPLIES_MAX
            && self.session.is_ready()
            && self.connection.teardown() != Teardown::Abandon
    }

    /// What came with the handshake, or was set aside.
    fn work_off_early(&mut self, work: &mut Work, scratch: &mut Scratch, cx: &mut Context<'_>) {
        // Hardly ever there is any.
        while self.early.is_some()
            && !work.is_enough()
            && self.takes_events(&scratch.output)
            && let Some(mut early) = self.early.take()
        {
            // No more than a turn is likely to take, for the rest has to be loaded once more.
            let len = scratch.workspace.load(&early[..early.len().min(LOAD_BYTES_MAX)]);
            self.handle_events(work, scratch, cx);
            early.advance(len - scratch.workspace.take_rest().len());
            *self.early = (!early.is_empty()).then_some(early);
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

    /// Stops where a turn ends, or where the session waits for something: then there is a rest to be taken.
    fn handle_events(&mut self, work: &mut Work, scratch: &mut Scratch, cx: &mut Context<'_>) {
        let now = self.now.into_std();
        let Scratch { workspace, output, .. } = scratch;
        let frames = workspace.tally.frames_received;
        loop {
            let before = output.own_bytes();
            let Some(event) = self.connection.poll_event(workspace, &mut output.bytes, now) else {
                break;
            };
            match event {
                Event::Text(text) => work.add_message(text.len()),
                Event::Binary(bytes) => work.add_message(bytes.len()),
                Event::Ping(_) | Event::Pong { .. } | Event::Close(_) | Event::Failed(_) => {}
            }
            if output.observer.is_some() {
                output.show_received(&event, now);
            }
            let mut replies = output.replies_on(self.connection, self.inbox, now);
            self.session.handle_event(event, &mut replies);
            output.replies += output.own_bytes() - before;
            // Not only once for a read: short requests may have long answers, and a read holds
            // thousands of them.
            if output.bytes.len() >= UNSENT_REPLIES_MAX {
                self.write(output, cx);
            }
            if work.is_enough() || !self.takes_events(output) {
                break;
            }
        }
        work.add_frames(workspace.tally.frames_received - frames);
        self.session.handle_caught_up(&mut output.replies_on(self.connection, self.inbox, now));
    }
}
