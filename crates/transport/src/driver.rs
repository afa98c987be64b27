//! One task for one connection: socket, connection machine, session, outbox, one timer.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep},
};
use ws_connection::{Cause, Connection, End, Teardown};

use crate::{
    meter::Meter,
    observer::Sent,
    outbox::{Farewell, Inbox, Missed, Outbox, Taken, outbox},
    scratch::{self, Output, Scratch},
    session::{Session, Wake},
};

mod fairness;
mod reading;
mod writing;

pub(crate) use fairness::Queue;
use writing::Unsent;

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
        // Whether the transport may hold back what it took, as a TLS stream does.
        unflushed: bool,
        // Whether the session waits for everything to leave.
        has_more: bool,
        // Turns that others have before it reads again.
        rests: u8,
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
    /// `session` is given the outbox when it is made. `outbox_bytes_max` bounds what may wait in it,
    /// or because the socket takes no more.
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
            unflushed: false,
            has_more: false,
            rests: 0,
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
            self.unsent = Some(Box::new(Unsent::first(bytes)));
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
            unflushed: this.unflushed,
            has_more: this.has_more,
            rests: this.rests,
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
    unflushed: &'d mut bool,
    has_more: &'d mut bool,
    rests: &'d mut u8,
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
        if let Some(observer) = self.session.observer() {
            scratch.output.observer = Some(observer);
        }
        // First of all: while the socket is blocked, nothing is taken from the outbox and little read.
        if self.is_blocked() || *self.unflushed {
            self.write(&mut scratch.output, cx);
        }
        // Before reading: a nudge may be what makes the session ready to read.
        self.drain_outbox(&mut scratch.output);
        if *self.has_more && self.unsent.is_none() {
            self.tell_drained(&mut scratch.output);
        }
        if self.unsent.is_some() && self.early.is_none() && !self.is_blocked() {
            // The answer to the handshake: a socket that was not read from in vain takes it at once.
            self.write(&mut scratch.output, cx);
        }
        let is_deaf = self.read(scratch, cx);
        // After reading: what has arrived in time counts, however late we come to look at it.
        self.fire_deadlines(&mut scratch.output);
        self.flush(&mut scratch.output, cx);
        if scratch.output.has_more {
            self.note_more(cx);
        }
        // What stood in the way of reading is gone, and the transport was not asked.
        if is_deaf && self.takes_events(&scratch.output) {
            fairness::give_way(cx);
        }
        if self.is_finished(cx) {
            self.session.handle_end(self.end());
            return Progress::Finished;
        }
        if self.connection.is_closing() {
            self.inbox.close();
        }
        self.arm(cx);
        Progress::Working
    }

    fn fire_deadlines(&mut self, output: &mut Output) {
        if self.sleep.deadline() > self.now {
            return;
        }
        let now = self.now.into_std();
        if self.write_due().is_some_and(|due| due <= self.now) {
            self.connection.handle_write_timeout(now);
        }
        if !self.session.is_ready() {
            // Nobody looks at what the peer sends: the silence is ours.
            self.connection.handle_pause(now);
        }
        while let Some(timeout) = self.connection.handle_timeout(&mut output.bytes, now) {
            if output.observer.is_some()
                && let Some(sent) = Sent::because_of(timeout)
            {
                output.show(sent, now);
            }
            self.wake_session(Wake::Connection(timeout), output);
        }
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.wake_session(Wake::Timer, output);
        }
    }

    fn end(&self) -> End {
        let killed = End { cause: Cause::Killed, acknowledged: false, silent_for: None };
        let stats = self.connection.heartbeat_stats(self.now.into_std());
        let silent_for = stats.map(|stats| stats.silent_for);
        End { silent_for, ..self.connection.ended().unwrap_or(killed) }
    }

    fn wake_session(&mut self, wake: Wake, output: &mut Output) {
        let mut replies = output.replies_on(self.connection, self.inbox, self.now.into_std());
        self.session.handle_wake(wake, &mut replies);
    }

    #[cold]
    fn tell_drained(&mut self, output: &mut Output) {
        *self.has_more = false;
        self.wake_session(Wake::Drained, output);
    }

    #[cold]
    fn note_more(&mut self, cx: &mut Context<'_>) {
        *self.has_more = true;
        // Otherwise the transport will wake us.
        if self.unsent.is_none() {
            fairness::give_way(cx);
        }
    }

    #[cold]
    fn tell_missed(&mut self, missed: &[Missed], output: &mut Output) {
        let mut replies = output.replies_on(self.connection, self.inbox, self.now.into_std());
        missed.iter().for_each(|missed| self.session.handle_missed(missed, &mut replies));
    }

    /// Takes what others queued.
    fn drain_outbox(&mut self, output: &mut Output) {
        if !self.inbox.is_pending() {
            return;
        }
        let now = self.now.into_std();
        let Taken { mut waiting, nudged, farewell } = self.inbox.take(self.is_blocked());
        if let Some(missed) = waiting.take_missed() {
            self.tell_missed(&missed, output);
        }
        waiting.for_each(|message| output.push_prepared(&message, self.connection, now));
        match farewell {
            Some(Farewell::Kill) => self.connection.handle_kill(now),
            Some(Farewell::Close(code, reason)) => {
                let out = &mut output.bytes;
                let has_started = self.connection.start_close(code, &reason, out, now);
                if has_started {
                    output.show(Sent::Close { code, reason: &reason }, now);
                }
            }
            None => {}
        }
        if nudged {
            self.wake_session(Wake::Nudged, output);
        }
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
        let connection = self.connection.poll_timeout().map(Instant::from_std);
        let mut next = earlier(connection, self.session.poll_timeout().map(Instant::from_std));
        // What hardly any turn has is not compared with what nearly all have.
        if self.unsent.is_some() {
            next = earlier(next, self.write_due());
        }
        if let Phase::Ending { until, .. } = *self.phase {
            next = earlier(next, Some(until));
        }
        let armed = self.sleep.deadline();
        let next = next.unwrap_or_else(|| self.now + NEVER);
        if next < armed || armed <= self.now {
            self.sleep.as_mut().reset(next);
            // Registers the waker; a deadline that passed meanwhile wakes at once.
            if self.sleep.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }
}

/// The nearer of two deadlines, as far as there are any.
#[inline]
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
