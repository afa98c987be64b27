//! The driver's way in: one read, all its events, and what to do when the session is busy.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_connection::{Event, Teardown, Workspace};

use super::Turn;
use crate::{
    scratch::{Output, Scratch},
    session::Session,
};

/// Reads of one wake before other tasks get their turn.
const READS_MAX: usize = 16;
/// Bytes of messages in one wake before they do, as they were read or inflated. Messages for many become
/// several times as many bytes in each of their outboxes, and those are to be emptied before the next come,
/// or the burst of one closes others who read as fast as they can. One message of the popular 64 KiB is
/// within it.
const TURN_BYTES_MAX: usize = 64 * 1024 + 1;
/// Replies that the peer does not take before we stop reading from it.
const UNSENT_REPLIES_MAX: usize = 64 * 1024;

/// What was done in one wake: bytes of messages. Parts of one that is not complete are nothing to anybody yet.
#[derive(Default)]
struct Worked(usize);

impl Worked {
    const fn is_enough(&self) -> bool {
        self.0 >= TURN_BYTES_MAX
    }
}

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
        let mut worked = Worked::default();
        for _ in 0..READS_MAX {
            // Before each read: a session that was busy, and had the rest set aside, may be ready a moment
            // later. What was read first is worked off first.
            self.work_off_early(&mut worked, scratch, cx);
            if worked.is_enough() {
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
            self.handle_events(&mut worked, scratch, cx);
        }
        // There is more, and others wait.
        cx.waker().wake_by_ref();
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
    fn work_off_early(&mut self, worked: &mut Worked, scratch: &mut Scratch, cx: &mut Context<'_>) {
        while !worked.is_enough()
            && self.takes_events(&scratch.output)
            && let Some(mut early) = self.early.take()
        {
            let len = scratch.workspace.load(&early);
            early.advance(len);
            *self.early = (!early.is_empty()).then_some(early);
            self.handle_events(worked, scratch, cx);
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

    fn handle_events(&mut self, worked: &mut Worked, scratch: &mut Scratch, cx: &mut Context<'_>) {
        let now = self.now.into_std();
        let Scratch { workspace, output } = scratch;
        loop {
            let before = output.own_bytes();
            let Some(event) = self.connection.poll_event(workspace, &mut output.bytes, now) else {
                break;
            };
            worked.0 += match event {
                Event::Text(text) => text.len(),
                Event::Binary(bytes) => bytes.len(),
                Event::Ping(_) | Event::Pong { .. } | Event::Close(_) | Event::Failed(_) => 0,
            };
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
            if worked.is_enough() || !self.takes_events(output) {
                self.set_aside(workspace);
                break;
            }
        }
        self.session.handle_caught_up(&mut output.replies_on(self.connection, self.inbox, now));
    }

    /// Keeps what is not to be handled now: at most one read, since nothing is read meanwhile.
    fn set_aside(&mut self, workspace: &mut Workspace) {
        let mut rest = workspace.take_rest().to_vec();
        if !rest.is_empty() {
            if let Some(later) = self.early.take() {
                rest.extend_from_slice(&later);
            }
            *self.early = Some(Bytes::from(rest));
        }
    }
}
