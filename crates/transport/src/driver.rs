//! One task for one connection: socket, connection machine, session, outbox, one timer.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};
use ws_connection::{Cause, Connection, End, Teardown, Wire, Workspace};

use crate::{
    meter::Meter,
    outbox::{Drained, Farewell, Inbox, Outbox, outbox},
    scratch::{self, Output, Scratch},
    session::{Replies, Session, Wake},
};

/// Reads of one wake before other tasks get their turn.
const READS_MAX: usize = 16;
/// Writes of one wake while others go on queueing.
const FLUSHES_MAX: usize = 4;
/// Replies that the peer does not take before we stop reading from it.
const UNSENT_REPLIES_MAX: usize = 64 * 1024;
/// Shared frames up to this size are copied into the output: cheaper than a slice of their own.
const COPY_BYTES_MAX: usize = 4096;
/// Slices in one vectored write.
const SLICES_MAX: usize = 64;
/// The timer's deadline when nothing is due: far enough never to come.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

pin_project! {
    /// Drives one connection to its end. Spawn it, or await it.
    ///
    /// Built by [`Driver::new`]; everything that happens is told to its [`Session`].
    #[must_use = "a driver does nothing unless it is polled"]
    pub struct Driver<IO, S> {
        io: IO,
        session: S,
        connection: Connection,
        inbox: Inbox,
        meter: Arc<Meter>,
        // What the socket did not take; none while the peer keeps up.
        unsent: Option<Box<Unsent>>,
        // Bytes that came with the handshake; worked off first.
        early: Option<Bytes>,
        phase: Phase,
        #[pin]
        sleep: Sleep,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The last bytes leave and the transport ends, at the latest at `until`.
    Ending {
        until: Instant,
        write_shut: bool,
    },
}

/// Pieces in the order in which they are written.
#[derive(Default)]
struct Unsent {
    pieces: VecDeque<Bytes>,
    /// How much of it is replies to what the peer sent: while that is much, reading waits.
    replies: usize,
}

/// Whether the driver goes on.
enum Progress {
    Working,
    Finished,
}

impl<IO, S> Driver<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session,
{
    /// A driver for a connection whose handshake is done, and the outbox that leads to it.
    ///
    /// `session` is given the outbox when it is made. `outbox_bytes_max` bounds what may wait in it.
    pub fn new(
        io: IO,
        connection: Connection,
        meter: Arc<Meter>,
        outbox_bytes_max: usize,
        session: impl FnOnce(Outbox) -> S,
    ) -> Self {
        let (outbox, inbox) = outbox(outbox_bytes_max);
        Self {
            io,
            session: session(outbox),
            connection,
            inbox,
            meter,
            unsent: None,
            early: None,
            phase: Phase::Open,
            sleep: tokio::time::sleep(NEVER),
        }
    }

    /// Bytes to write before everything else, such as the response to the handshake: they share the
    /// first write.
    pub fn with_first_output(mut self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.unsent.get_or_insert_default().pieces.push_back(bytes);
        }
        self
    }

    /// Bytes that were read together with the handshake.
    pub fn with_early_input(mut self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.early = (!bytes.is_empty()).then_some(bytes);
        self
    }
}

impl<IO, S> Future for Driver<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let mut turn = Turn {
            io: this.io,
            session: this.session,
            connection: this.connection,
            inbox: this.inbox,
            meter: this.meter,
            unsent: this.unsent,
            early: this.early,
            phase: this.phase,
            sleep: this.sleep,
            now: Instant::now(),
        };
        scratch::with(|scratch| {
            let progress = turn.run(scratch, cx);
            turn.meter.absorb(&mut scratch.workspace.tally);
            match progress {
                Progress::Working => Poll::Pending,
                Progress::Finished => Poll::Ready(()),
            }
        })
    }
}

/// One poll of a driver: its parts, and the time.
struct Turn<'d, IO, S> {
    io: &'d mut IO,
    session: &'d mut S,
    connection: &'d mut Connection,
    inbox: &'d mut Inbox,
    meter: &'d Meter,
    unsent: &'d mut Option<Box<Unsent>>,
    early: &'d mut Option<Bytes>,
    phase: &'d mut Phase,
    sleep: Pin<&'d mut Sleep>,
    now: Instant,
}

impl<IO, S> Turn<'_, IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session,
{
    fn run(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>) -> Progress {
        self.inbox.register(cx.waker());
        self.fire_deadlines(&mut scratch.output);
        // First: a nudge may be what makes the session ready to read.
        self.drain_outbox(&mut scratch.output);
        self.read(scratch, cx);
        self.flush(&mut scratch.output, cx);
        if self.is_finished(cx) {
            let killed = End { cause: Cause::Killed, acknowledged: false };
            self.session.handle_end(self.connection.ended().unwrap_or(killed));
            return Progress::Finished;
        }
        self.arm(cx);
        Progress::Working
    }

    fn fire_deadlines(&mut self, output: &mut Output) {
        if self.sleep.deadline() > self.now {
            return;
        }
        let now = self.now.into_std();
        while let Some(timeout) = self.connection.handle_timeout(&mut output.bytes, now) {
            self.wake_session(Wake::Connection(timeout), output);
        }
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.wake_session(Wake::Timer, output);
        }
    }

    fn wake_session(&mut self, wake: Wake, output: &mut Output) {
        let connection = &mut *self.connection;
        let now = self.now.into_std();
        let mut replies = Replies { connection, out: &mut output.bytes, now };
        self.session.handle_wake(wake, &mut replies);
    }

    /// Writes replies and what others queued. While the socket takes everything, what was queued
    /// meanwhile follows: its sender saw that we are awake and did not wake us.
    fn flush(&mut self, output: &mut Output, cx: &mut Context<'_>) {
        for _ in 0..FLUSHES_MAX {
            self.drain_outbox(output);
            self.write(output, cx);
            if self.unsent.is_some() || !self.inbox.is_pending() {
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Takes what others queued.
    fn drain_outbox(&mut self, output: &mut Output) {
        if !self.inbox.is_pending() {
            return;
        }
        let now = self.now.into_std();
        let connection = &mut *self.connection;
        let Drained { nudged, farewell } = self.inbox.drain(self.unsent.is_some(), |message| {
            match connection.send_prepared(&message, &mut output.bytes, now) {
                Ok(Wire::Shared(frame)) if frame.len() <= COPY_BYTES_MAX => {
                    output.bytes.extend_from_slice(&frame);
                }
                Ok(Wire::Shared(frame)) => output.push_shared(frame),
                // Whatever comes after a close frame has nowhere to go.
                Ok(Wire::Written) | Err(ws_connection::Closed) => {}
            }
        });
        match farewell {
            Some(Farewell::Kill) => self.connection.handle_kill(now),
            Some(Farewell::Close(code, reason)) => {
                self.connection.start_close(code, &reason, &mut output.bytes, now);
            }
            None => {}
        }
        if nudged {
            self.wake_session(Wake::Nudged, output);
        }
    }

    /// Reads and works off what has come; replies collect in the output until it pays to write.
    fn read(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>) {
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

    /// Writes the output behind what is unsent; what the socket does not take becomes unsent.
    fn write(&mut self, output: &mut Output, cx: &mut Context<'_>) {
        if let Err(error) = self.try_write(output, cx) {
            self.connection.handle_io_error(error.kind(), self.now.into_std());
            *self.unsent = None;
        }
        output.clear();
    }

    fn try_write(&mut self, output: &mut Output, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(unsent) = self.unsent {
            // In order: what is unsent goes first, and takes the new output with it.
            unsent.pieces.extend(output.kept_pieces());
            output.clear();
            while !unsent.pieces.is_empty() {
                let slices: Vec<_> =
                    unsent.pieces.iter().take(SLICES_MAX).map(|it| io::IoSlice::new(it)).collect();
                let Poll::Ready(len) = Pin::new(&mut *self.io).poll_write_vectored(cx, &slices)
                else {
                    return Ok(());
                };
                let len = nonzero(len?)?;
                self.meter.note_write(len);
                unsent.advance(len);
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
                let slices = slices_from(output, written);
                Pin::new(&mut *self.io).poll_write_vectored(cx, &slices)
            };
            let Poll::Ready(len) = poll else {
                *self.unsent = Some(Box::new(Unsent::rest_of(output, written)));
                return Ok(());
            };
            let len = nonzero(len?)?;
            self.meter.note_write(len);
            written += len;
        }
        Ok(())
    }

    /// Follows the connection's teardown; `true` once nothing is left to do.
    fn is_finished(&mut self, cx: &mut Context<'_>) -> bool {
        let teardown = self.connection.teardown();
        let (until, write_shut) = match (*self.phase, teardown) {
            (Phase::Open, Teardown::KeepOpen) => return false,
            (Phase::Open, _) => (self.now + self.connection.config().close_timeout(), false),
            (Phase::Ending { until, write_shut }, _) => (until, write_shut),
        };
        if self.now >= until || teardown == Teardown::Abandon {
            return true;
        }
        let mut write_shut = write_shut;
        if self.unsent.is_none() && !write_shut {
            // Not on the socket's list of interests: shutting down a socket completes at once, and
            // a stream that needs more polls is woken by its own transport.
            match Pin::new(&mut *self.io).poll_shutdown(cx) {
                Poll::Ready(_) => write_shut = true,
                Poll::Pending => {}
            }
        }
        *self.phase = Phase::Ending { until, write_shut };
        write_shut && teardown == Teardown::Close
    }

    /// Arms the one timer to the nearest deadline. It moves only when that comes earlier than what
    /// is armed, or when what was armed has passed: traffic never touches it.
    fn arm(&mut self, cx: &mut Context<'_>) {
        let deadlines = [
            self.connection.poll_timeout().map(Instant::from_std),
            self.session.poll_timeout().map(Instant::from_std),
            match *self.phase {
                Phase::Open => None,
                Phase::Ending { until, .. } => Some(until),
            },
        ];
        let armed = self.sleep.deadline();
        let next = deadlines.into_iter().flatten().min().unwrap_or(self.now + NEVER);
        if next < armed || armed <= self.now {
            self.sleep.as_mut().reset(next);
            // Registers the waker; a deadline that passed meanwhile wakes at once.
            if self.sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }
}

impl Unsent {
    fn rest_of(output: &Output, written: usize) -> Self {
        let mut unsent = Self {
            pieces: output.kept_pieces().into(),
            replies: output.bytes.len().saturating_sub(written),
        };
        unsent.advance(written);
        unsent
    }

    fn advance(&mut self, mut len: usize) {
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

/// The pieces behind the first `written` bytes, as many as one call takes.
fn slices_from(output: &Output, written: usize) -> Vec<io::IoSlice<'_>> {
    let mut skip = written;
    output
        .pieces()
        .filter_map(|piece| {
            let from = skip.min(piece.len());
            skip -= from;
            (from < piece.len()).then(|| io::IoSlice::new(&piece[from..]))
        })
        .take(SLICES_MAX)
        .collect()
}

fn nonzero(len: usize) -> io::Result<usize> {
    if len == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(len) }
}
