//! A heartbeat for any stream and sink of tungstenite's messages, on tokio's clock.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use futures_util::{Sink, Stream};
use tokio::time::Sleep;
use tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{Action, Heartbeat, HeartbeatConfig, HeartbeatStats};

#[cfg(test)]
mod tests;

/// A stream and sink of [`Message`]s with a heartbeat, for instance around tokio-tungstenite's
/// `WebSocketStream`.
///
/// Every item passes through, and so does every message that is sent. In between, pings are sent when
/// the peer is silent, pongs are noticed, and a peer that is dead ends the stream: a close frame 1001
/// "Connection timeout" is written if the transport takes it within the pong timeout, then the stream
/// yields `None` and [`is_dead`](Self::is_dead) says why.
///
/// - The clock runs only while the stream is polled, as all of tungstenite does.
/// - Pings *received* are answered by the stream inside; this adapter answers nothing.
/// - Once a close frame has passed in either direction, pings stop: none may follow it (RFC 6455
///   section 5.5.1). To bound the closing handshake is not this adapter's work.
/// - The adapter may be split: a ping never takes the place in the sink of a message that has been
///   promised one.
#[derive(Debug)]
pub struct HeartbeatStream<S> {
    inner: S,
    heartbeat: Heartbeat,
    sleep: Pin<Box<Sleep>>,
    life: Life,
    /// The ping or close that waits for room. A newer ping replaces one that never left: only the
    /// newest can be answered by a pong that matches.
    control: Option<Message>,
    control_unflushed: bool,
    /// `poll_ready` promised the user a place that `start_send` has not used yet.
    place_promised: bool,
    /// A control message took that place.
    place_taken: bool,
    /// The user's message that came for the place that was taken.
    displaced: Option<Message>,
    /// The task that writes, if it waits: after a split it is not the one that reads.
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// No close frame has passed yet.
    Beating,
    /// One has: items pass through and nothing else happens.
    Closing,
    /// The peer is dead, and the close frame has until the sleep ends to be written.
    Ending,
    Ended,
}

impl<S> HeartbeatStream<S> {
    /// Starts the heartbeat of a stream that has just been established. The seed comes from the
    /// standard library's source of hash keys.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    #[must_use]
    pub fn new(inner: S, config: HeartbeatConfig) -> Self {
        Self::with_seed(inner, config, RandomState::new().build_hasher().finish())
    }

    /// As [`new`](Self::new), with a seed of yours (see [`Heartbeat::new`]).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    #[must_use]
    pub fn with_seed(inner: S, config: HeartbeatConfig, seed: u64) -> Self {
        let now = clock();
        let heartbeat = Heartbeat::new(config, now, seed);
        let first = heartbeat.poll_timeout().unwrap_or(now);
        Self {
            inner,
            heartbeat,
            sleep: Box::pin(tokio::time::sleep_until(first.into())),
            life: Life::Beating,
            control: None,
            control_unflushed: false,
            place_promised: false,
            place_taken: false,
            displaced: None,
            writer: None,
        }
    }

    /// What is known about the peer now.
    #[must_use]
    pub fn stats(&self) -> HeartbeatStats {
        self.heartbeat.stats(clock())
    }

    /// Whether no ping was missed since the peer's last frame.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.heartbeat.is_healthy()
    }

    /// Whether the peer was declared dead: then the stream has ended, or is about to.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.heartbeat.is_dead()
    }

    /// The stream inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The stream inside. Messages read from it directly are no sign of life.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The stream inside, without its heartbeat. A ping that has not left yet is lost.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Notes what passes to or from the peer.
    fn notice_received(&mut self, message: &Message) {
        match message {
            Message::Pong(payload) => {
                self.heartbeat.handle_pong(payload, clock());
            }
            Message::Close(_) => self.stop_beating(),
            Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Frame(_) => {
                self.heartbeat.handle_frame(clock());
            }
        }
    }

    fn stop_beating(&mut self) {
        if self.life == Life::Beating {
            self.life = Life::Closing;
            self.control = None;
        }
    }

    /// Lets every deadline that has passed do its work.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        while self.life == Life::Beating && self.sleep.as_mut().poll(cx).is_ready() {
            let now = clock();
            let next = match self.heartbeat.handle_timeout(now) {
                Some(Action::SendPing(payload)) => {
                    self.control = Some(Message::Ping(payload.to_vec().into()));
                    self.heartbeat.poll_timeout()
                }
                Some(Action::DeclareDead) => {
                    self.control = Some(Message::Close(Some(connection_timeout())));
                    self.life = Life::Ending;
                    Some(now + self.heartbeat.config().pong_timeout())
                }
                None => self.heartbeat.poll_timeout(),
            };
            if let Some(next) = next {
                self.sleep.as_mut().reset(next.into());
            }
        }
    }
}

impl<S, E> HeartbeatStream<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    /// Puts into the sink what waits on our side of it: first the user's message, if a control message
    /// had taken its place, then the control message.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        if self.displaced.is_some() {
            ready!(Pin::new(&mut self.inner).poll_ready(cx))?;
            if let Some(message) = self.displaced.take() {
                Pin::new(&mut self.inner).start_send(message)?;
            }
        }
        if self.control.is_some() {
            ready!(Pin::new(&mut self.inner).poll_ready(cx))?;
            if let Some(control) = self.control.take() {
                Pin::new(&mut self.inner).start_send(control)?;
                self.control_unflushed = true;
                self.place_taken = self.place_promised;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a control message out from the reading side.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        if self.control.is_none() && !self.control_unflushed {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_waiting(cx))?;
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.control_unflushed = false;
        // This task's waker has replaced that of the writing task in the sink.
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// Remembers the writing task for as long as it waits.
    fn note_writer<T>(&mut self, cx: &Context<'_>, outcome: Poll<T>) -> Poll<T> {
        self.writer = outcome.is_pending().then(|| cx.waker().clone());
        outcome
    }
}

impl<S, E> Stream for HeartbeatStream<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    type Item = Result<Message, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.life == Life::Ended {
            return Poll::Ready(None);
        }
        if this.life != Life::Ending {
            // A ping that waits goes first, or an endless row of items would hold it up.
            if let Poll::Ready(Err(error)) = this.poll_control(cx) {
                this.stop_beating();
                this.control_unflushed = false;
                return Poll::Ready(Some(Err(error)));
            }
            // Items before deadlines: what has come already is a sign of life.
            match Pin::new(&mut this.inner).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    this.notice_received(&message);
                    return Poll::Ready(Some(Ok(message)));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    this.life = Life::Ended;
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
        }
        this.poll_deadlines(cx);
        match this.poll_control(cx) {
            Poll::Ready(Err(error)) if this.life != Life::Ending => {
                this.stop_beating();
                this.control_unflushed = false;
                Poll::Ready(Some(Err(error)))
            }
            // Written, or impossible to write: the peer is dead either way.
            Poll::Ready(_) if this.life == Life::Ending => {
                this.life = Life::Ended;
                Poll::Ready(None)
            }
            Poll::Ready(_) => Poll::Pending,
            Poll::Pending => {
                if this.life == Life::Ending && this.sleep.as_mut().poll(cx).is_ready() {
                    this.life = Life::Ended;
                    return Poll::Ready(None);
                }
                Poll::Pending
            }
        }
    }
}

impl<S, E> Sink<Message> for HeartbeatStream<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    type Error = E;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let this = self.get_mut();
        let outcome = match this.poll_waiting(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.inner).poll_ready(cx),
            blocked => blocked,
        };
        this.place_promised = matches!(outcome, Poll::Ready(Ok(())));
        this.place_taken = false;
        this.note_writer(cx, outcome)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), E> {
        let this = self.get_mut();
        if message.is_close() {
            this.stop_beating();
        }
        this.place_promised = false;
        if std::mem::take(&mut this.place_taken) {
            debug_assert!(this.displaced.is_none(), "poll_ready puts it into the sink first");
            this.displaced = Some(message);
            return Ok(());
        }
        Pin::new(&mut this.inner).start_send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let this = self.get_mut();
        let outcome = match this.poll_waiting(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.inner).poll_flush(cx),
            blocked => blocked,
        };
        if outcome.is_ready() {
            this.control_unflushed = false;
        }
        this.note_writer(cx, outcome)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let this = self.get_mut();
        this.stop_beating();
        let outcome = match this.poll_waiting(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.inner).poll_close(cx),
            blocked => blocked,
        };
        this.note_writer(cx, outcome)
    }
}

fn connection_timeout() -> CloseFrame {
    CloseFrame { code: CloseCode::Away, reason: "Connection timeout".into() }
}

/// Through tokio, so that a test that pauses time moves this clock, too.
fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}
