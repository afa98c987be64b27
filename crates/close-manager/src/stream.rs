//! Closing one stream of tungstenite's messages with the whole handshake.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Sink, Stream};
use tungstenite::{Message, protocol::CloseFrame};

use crate::{CloseHandshake, CloseOutcome, CloseReason, Role, SendableCode, driver::clock};

#[cfg(test)]
mod tests;

/// Closes one stream and sink of tungstenite's messages, such as tokio-tungstenite's `WebSocketStream`,
/// with the whole handshake: writes the close frame, reads until the peer's has come (data that comes
/// meanwhile is discarded) and, as a client, until the server has closed TCP; all by one deadline.
///
/// Drop the stream afterwards, whatever the outcome.
pub async fn close_stream<S, E>(
    stream: &mut S,
    role: Role,
    code: SendableCode,
    reason: impl Into<CloseReason>,
    timeout: Duration,
) -> CloseOutcome
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    let mut handshake = CloseHandshake::new(role, timeout);
    handshake.start_close(code, clock());
    let deadline = handshake.poll_timeout();
    let mut closing =
        Closing { stream, handshake, frame: Some(code.frame(reason)), flushed: false };
    if let Some(deadline) = deadline {
        let finished = poll_fn(|cx| closing.poll(cx));
        if tokio::time::timeout_at(deadline.into(), finished).await.is_err() {
            closing.handshake.handle_timeout(clock());
        }
    }
    closing.handshake.finish(clock())
}

struct Closing<'a, S> {
    stream: &'a mut S,
    handshake: CloseHandshake,
    /// The close frame, until the sink has room for it.
    frame: Option<CloseFrame>,
    flushed: bool,
}

impl<S, E> Closing<'_, S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
{
    /// Reads while it writes: a peer that is stuck writing to us may not read before we do. Ready when
    /// nothing more is to be done with the stream, or can be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_write(cx).is_err() {
            return Poll::Ready(());
        }
        loop {
            if self.handshake.must_close_transport() && self.flushed {
                return Poll::Ready(());
            }
            match Pin::new(&mut *self.stream).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    self.handshake.handle_close(frame.map(|frame| frame.code), clock());
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), E> {
        if self.frame.is_some() {
            let Poll::Ready(ready) = Pin::new(&mut *self.stream).poll_ready(cx) else {
                return Ok(());
            };
            ready?;
            let message = Message::Close(self.frame.take());
            Pin::new(&mut *self.stream).start_send(message)?;
        }
        if !self.flushed
            && let Poll::Ready(flushed) = Pin::new(&mut *self.stream).poll_flush(cx)
        {
            flushed?;
            self.flushed = true;
        }
        Ok(())
    }
}
