//! A WebSocket as `Stream` and `Sink`: tokio-tungstenite's shape, with compression.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures_util::{Sink, SinkExt, Stream, stream::FusedStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};
use tungstenite::{
    Error, Message, Utf8Bytes,
    error::{CapacityError, ProtocolError as TungsteniteProtocolError},
    protocol::CloseFrame,
};
use ws_compression::PerMessageDeflate;
use ws_connection::{Cause, Connection, ConnectionConfig, Event, ProtocolError, Tally, Teardown};

use self::tasks::Tasks;
use crate::scratch;

mod tasks;

/// How much may wait in the stream's own buffer before the sink asks to be flushed.
const OUT_BYTES_MAX: usize = 128 * 1024;
/// Messages of one read that are turned into values at once: compressed ones may be a thousand times
/// what was read.
const INCOMING_BYTES_MAX: usize = 128 * 1024;

/// A WebSocket that yields and takes [`Message`]s, as tokio-tungstenite's stream of the same name
/// does, and compresses where that was negotiated.
///
/// Pings are answered, a close frame is echoed, and the heartbeat of the connection's configuration
/// works while the stream is polled. An idle stream owns no buffer.
///
/// The configuration's write timeout is kept by the [`Driver`](crate::Driver) alone. Here it is whoever sends that
/// waits: a peer that takes nothing, and goes on sending, keeps a `send` waiting for ever. Put
/// `tokio::time::timeout` around it, and drop the stream when it is over.
#[derive(Debug)]
pub struct WebSocketStream<IO> {
    io: IO,
    connection: Connection,
    /// Messages of the last read that were not asked for yet.
    incoming: VecDeque<Message>,
    failure: Option<Error>,
    /// What came with the handshake, or was set aside; worked off before the next read.
    early: Bytes,
    out: Vec<u8>,
    written: usize,
    sleep: Option<Pin<Box<Sleep>>>,
    tasks: Tasks,
    ended: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> WebSocketStream<IO> {
    /// A stream over a transport whose opening handshake was done elsewhere. `early` is what had
    /// been read beyond the handshake.
    pub fn after_handshake(
        io: IO,
        config: Arc<ConnectionConfig>,
        deflate: Option<PerMessageDeflate>,
        early: impl Into<Bytes>,
    ) -> Self {
        let now = Instant::now().into_std();
        Self {
            io,
            connection: Connection::new(config, deflate, rand::random(), now),
            incoming: VecDeque::new(),
            failure: None,
            early: early.into(),
            out: Vec::new(),
            written: 0,
            sleep: None,
            tasks: Tasks::default(),
            ended: false,
        }
    }

    /// The transport.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }

    /// The protocol's state: heartbeat, close, configuration.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends a close frame and flushes it; go on reading until the stream ends.
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        match self.send(Message::Close(frame)).await {
            Err(Error::ConnectionClosed) => Ok(()),
            other => other,
        }
    }

    /// Reads once and turns what came into messages.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        scratch::with(|scratch| {
            let workspace = &mut scratch.workspace;
            if self.early.is_empty() {
                let mut buffer = ReadBuf::new(workspace.read_buffer());
                ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
                let len = buffer.filled().len();
                if len == 0 {
                    self.connection.handle_eof(Instant::now().into_std());
                    return Poll::Ready(Ok(()));
                }
                workspace.filled(len);
            } else {
                let len = workspace.load(&self.early);
                self.early.advance(len);
            }
            let now = Instant::now().into_std();
            let mut bytes = 0;
            while let Some(event) = self.connection.poll_event(workspace, &mut self.out, now) {
                match into_message(event) {
                    Ok(message) => {
                        bytes += message.len();
                        self.incoming.push_back(message);
                        // Its answer must go before that to a close frame in the same read.
                        self.connection.hold_close(true);
                    }
                    Err(error) => self.failure = Some(error),
                }
                if bytes >= INCOMING_BYTES_MAX {
                    break;
                }
            }
            self.connection.hold_close(false);
            let rest = workspace.take_rest();
            if !rest.is_empty() {
                self.early = [rest, &self.early[..]].concat().into();
            }
            // Streams have no meter; a driver on this thread must not take these for its own.
            workspace.tally = Tally::default();
            Poll::Ready(Ok(()))
        })
    }

    /// Writes what waits; the buffer is given back once it is out.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let both = self.tasks.both();
        let cx = &mut Context::from_waker(both.as_ref().unwrap_or(cx.waker()));
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            let Poll::Ready(len) = Pin::new(&mut self.io).poll_write(cx, rest) else {
                self.forget_written();
                return Poll::Pending;
            };
            match len? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.written += len,
            }
        }
        self.out = Vec::new();
        self.written = 0;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// A buffer that is never quite empty must not grow with everything that has left.
    fn forget_written(&mut self) {
        if self.written >= OUT_BYTES_MAX {
            self.out.drain(..self.written);
            self.written = 0;
        }
    }

    /// Whether a deadline has passed, so that there is something to write or to end.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.connection.teardown();
        loop {
            let now = Instant::now();
            let mut has_passed = false;
            while self.connection.handle_timeout(&mut self.out, now.into_std()).is_some() {
                has_passed = true;
            }
            if has_passed || self.connection.teardown() != before {
                return true;
            }
            let Some(due) = self.connection.poll_timeout().map(Instant::from_std) else {
                return false;
            };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if due < sleep.deadline() || sleep.deadline() <= now {
                sleep.as_mut().reset(due);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
    }

    /// Ends the transport once the protocol says so; `Ready` when nothing is left.
    fn poll_teardown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.connection.teardown() {
            Teardown::KeepOpen => Poll::Pending,
            Teardown::Abandon => Poll::Ready(()),
            Teardown::ShutdownWrite => {
                let _ = Pin::new(&mut self.io).poll_shutdown(cx);
                Poll::Pending
            }
            Teardown::Close => {
                // The peer may be gone already; there is nothing to do about it.
                let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
                Poll::Ready(())
            }
        }
    }

    fn failed(&mut self, error: io::Error) -> Error {
        self.ended = true;
        self.tasks.wake_reader();
        self.connection.handle_io_error(error.kind(), Instant::now().into_std());
        Error::Io(error)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Stream for WebSocketStream<IO> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.tasks.note_reader(cx.waker());
        loop {
            if let Some(message) = this.incoming.pop_front() {
                return Poll::Ready(Some(Ok(message)));
            }
            this.incoming = VecDeque::new();
            if let Some(error) = this.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            let flushed = match this.poll_out(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(this.failed(error)))),
                flushed => flushed.is_ready(),
            };
            // Nothing is worth waiting for on a transport that is abandoned, not even a flush.
            let is_abandoned = this.connection.teardown() == Teardown::Abandon;
            if (flushed || is_abandoned) && this.poll_teardown(cx).is_ready() {
                this.ended = true;
                return Poll::Ready(final_error(&this.connection).map(Err));
            }
            // What the peer does not take stops us from reading more of what we would answer.
            let is_full = this.out.len() - this.written >= OUT_BYTES_MAX;
            let read = if is_full { Poll::Pending } else { this.poll_incoming(cx) };
            match read {
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(this.failed(error)))),
                Poll::Ready(Ok(())) => {}
                // Only now: what has arrived in time counts, however late we come to look at it.
                Poll::Pending if this.poll_deadlines(cx) => {}
                Poll::Pending => return Poll::Pending,
            }
            // Whoever stops at a close message or an error has answered the peer all the same. What
            // does not leave now, or cannot, shows when the stream is polled again.
            if this.connection.is_closing() {
                let _ = this.poll_out(cx);
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocketStream<IO> {
    fn is_terminated(&self) -> bool {
        self.ended && self.incoming.is_empty() && self.failure.is_none()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocketStream<IO> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.out.len() - self.written < OUT_BYTES_MAX {
            return Poll::Ready(Ok(()));
        }
        self.poll_flush(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let this = &mut *self;
        let now = Instant::now().into_std();
        let sent = this.connection.send_message(&message, &mut this.out, now);
        if message.is_close() {
            // The deadline of the closing handshake is the reader's to keep.
            this.tasks.wake_reader();
        }
        sent.map_err(|_| Error::ConnectionClosed)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.tasks.note_writer(cx.waker());
        match ready!(self.poll_out(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.failed(error))),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.connection.is_closing() {
            self.as_mut().start_send(Message::Close(None))?;
        }
        self.poll_flush(cx)
    }
}

fn into_message(event: Event<'_>) -> Result<Message, Error> {
    Ok(match event {
        Event::Text(text) => Message::Text(Utf8Bytes::from(text)),
        Event::Binary(bytes) => Message::Binary(Bytes::copy_from_slice(bytes)),
        Event::Ping(payload) => Message::Ping(Bytes::copy_from_slice(payload)),
        Event::Pong { payload, .. } => Message::Pong(Bytes::copy_from_slice(payload)),
        Event::Close(frame) => Message::Close(frame),
        Event::Failed(error) => return Err(into_error(error)),
    })
}

/// tungstenite's name for a broken rule, as far as it has one.
fn into_error(error: ProtocolError) -> Error {
    use TungsteniteProtocolError as Protocol;
    Error::Protocol(match error {
        ProtocolError::TooLarge(it) => {
            return Error::Capacity(CapacityError::MessageTooLong {
                size: usize::try_from(it.size).unwrap_or(usize::MAX),
                max_size: usize::try_from(it.max).unwrap_or(usize::MAX),
            });
        }
        ProtocolError::InvalidUtf8 => return Error::Utf8(error.to_string()),
        ProtocolError::ReservedBits | ProtocolError::CompressedContinuation => {
            Protocol::NonZeroReservedBits
        }
        ProtocolError::UnmaskedFromClient => Protocol::UnmaskedFrameFromClient,
        ProtocolError::MaskedFromServer => Protocol::MaskedFrameFromServer,
        ProtocolError::LongControlFrame => Protocol::ControlFrameTooBig,
        ProtocolError::FragmentedControlFrame => Protocol::FragmentedControlFrame,
        ProtocolError::NothingToContinue => Protocol::UnexpectedContinueFrame,
        ProtocolError::CloseFrameTooShort | ProtocolError::CloseCodeInvalid(_) => {
            Protocol::InvalidCloseSequence
        }
        other => return Error::Io(io::Error::new(io::ErrorKind::InvalidData, other)),
    })
}

/// What the stream says last, when the end was not a closing handshake.
fn final_error(connection: &Connection) -> Option<Error> {
    match connection.ended()?.cause {
        Cause::EndOfStream => {
            Some(Error::Protocol(TungsteniteProtocolError::ResetWithoutClosingHandshake))
        }
        Cause::PongTimeout { .. } => {
            Some(Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the peer answered no ping")))
        }
        Cause::ClosedByPeer { .. }
        | Cause::ClosedByUs { .. }
        | Cause::Protocol(_)
        | Cause::Idle
        | Cause::WriteTimeout
        | Cause::Io(_)
        | Cause::Killed => None,
    }
}
