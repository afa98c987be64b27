//! The application's side of one connection.

use std::{sync::Arc, time::Instant};

use ws_close_manager::SendableCode;
use ws_connection::{Closed, Connection, End, Event, Timeout};
use ws_frame_validator::SizeLimits;

use crate::{
    observer::{Observer, Sent},
    outbox::{Inbox, Missed},
    scratch::Output,
};

/// What an application does with a connection. The driver calls it from the connection's own task,
/// never from two threads at once, and hands it messages borrowed: work that waits for something
/// else is spawned, with an [`Outbox`](crate::Outbox) for its answer.
pub trait Session {
    /// A message or control frame arrived. Replies sent here leave with one write for all that
    /// arrived in one read.
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>);

    /// All that came with one read has been handled. What was gathered from it, such as publishes
    /// that reach their receivers together, leaves now.
    fn handle_caught_up(&mut self, replies: &mut Replies<'_>) {
        let _ = replies;
    }

    /// Something other than the peer asks for attention.
    fn handle_wake(&mut self, wake: Wake, replies: &mut Replies<'_>) {
        let _ = (wake, replies);
    }

    /// The peer reads again, and has been too slow for what was sent to it by a policy that drops: what
    /// it went without in one channel. What has waited meanwhile is written behind the replies.
    fn handle_missed(&mut self, missed: &Missed, replies: &mut Replies<'_>) {
        let _ = (missed, replies);
    }

    /// The next moment at which the session wants [`Wake::Timer`].
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Whether the session takes events. While it does not, because it waits for something of its
    /// own, nothing is read: the peer's TCP holds what it sends. A nudge makes the driver ask again.
    fn is_ready(&self) -> bool {
        true
    }

    /// Who looks at what passes, if anybody does. Asked at the start of each turn of the driver, of which a busy
    /// connection has thousands a second: it should cost no more than a look at a flag while nobody does.
    fn observer(&self) -> Option<Arc<dyn Observer>> {
        None
    }

    /// The connection is over. Called exactly once, last.
    fn handle_end(&mut self, end: End);
}

/// Why a session was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A deadline of the connection passed; it has acted on it already.
    Connection(Timeout),
    /// The moment of [`Session::poll_timeout`] has come.
    Timer,
    /// [`Outbox::nudge`](crate::Outbox::nudge) was called.
    Nudged,
    /// There was [more to be sent](Replies::send_more_later), and the transport has taken everything so far.
    Drained,
}

/// Sends on the connection that an event came from.
#[derive(Debug)]
pub struct Replies<'d> {
    pub(crate) connection: &'d mut Connection,
    pub(crate) output: &'d mut Output,
    pub(crate) inbox: &'d Inbox,
    pub(crate) now: Instant,
}

impl Replies<'_> {
    /// Sends a text message.
    pub fn send_text(&mut self, text: &str) -> Result<(), Closed> {
        if self.output.observer.is_some() {
            return self.send_text_shown(text);
        }
        self.connection.send_text(text, &mut self.output.bytes, self.now)
    }

    #[cold]
    fn send_text_shown(&mut self, text: &str) -> Result<(), Closed> {
        self.connection.send_text(text, &mut self.output.bytes, self.now)?;
        self.output.show(Sent::Text(text.as_bytes()), self.now);
        Ok(())
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        if self.output.observer.is_some() {
            return self.send_binary_shown(bytes);
        }
        self.connection.send_binary(bytes, &mut self.output.bytes, self.now)
    }

    #[cold]
    fn send_binary_shown(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.connection.send_binary(bytes, &mut self.output.bytes, self.now)?;
        self.output.show(Sent::Binary(bytes), self.now);
        Ok(())
    }

    /// Sends a text message that `write` appends straight to the output. What it appends must be
    /// UTF-8, as anything is that was serialized from strings.
    pub fn send_text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Closed> {
        if self.output.observer.is_some() {
            // Written aside, for where it stands in the output it may be deflated.
            let mut text = Vec::new();
            write(&mut text);
            return self.send_shown(&text);
        }
        let Output { bytes, spare, .. } = &mut *self.output;
        self.connection.send_text_with(write, spare, bytes, self.now)
    }

    #[cold]
    fn send_shown(&mut self, text: &[u8]) -> Result<(), Closed> {
        let Output { bytes, spare, .. } = &mut *self.output;
        let write = |out: &mut Vec<u8>| out.extend_from_slice(text);
        self.connection.send_text_with(write, spare, bytes, self.now)?;
        self.output.show(Sent::Text(text), self.now);
        Ok(())
    }

    /// Sends what others have queued so far, in their order, so that it goes before the next reply.
    /// `tell` is called first for what of it was dropped, as [`Session::handle_missed`] would be.
    ///
    /// This is so for a peer that does not read as well: what is sent waits for its socket, and counts
    /// for the bound of the outbox as before, but it does not make way any more.
    pub fn send_queued(&mut self, mut tell: impl FnMut(&Missed, &mut Replies<'_>)) {
        let mut waiting = self.inbox.take_waiting();
        waiting.take_missed().iter().flatten().for_each(|missed| tell(missed, self));
        let before = self.output.bytes.len();
        waiting.for_each(|message| self.output.push_prepared(&message, self.connection, self.now));
        self.output.moved += self.output.bytes.len() - before;
    }

    /// Wants [`Wake::Drained`], once, when the transport has taken everything so far: for what is too much to be
    /// sent at once, and is fetched as fast as the peer takes it.
    pub fn send_more_later(&mut self) {
        self.output.has_more = true;
    }

    /// Starts the closing handshake; `false` if it has started already.
    pub fn start_close(&mut self, code: SendableCode, reason: &str) -> bool {
        let has_started =
            self.connection.start_close(code, reason, &mut self.output.bytes, self.now);
        if has_started {
            self.output.show(Sent::Close { code, reason }, self.now);
        }
        has_started
    }

    /// Puts other limits on the messages to come than the configuration's.
    pub fn set_sizes(&mut self, sizes: SizeLimits) {
        self.connection.set_sizes(sizes);
    }

    /// The time of this round.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The connection, to read its state.
    pub fn connection(&self) -> &Connection {
        self.connection
    }
}
