//! The connection's side of one tunnel.

use std::sync::Arc;

use ws_connection::{Cause, End, Event};
use ws_transport::{Replies, Session, Wake};

use crate::{
    end::TunnelEnd,
    link::{Link, Parting, ToClient},
    stats::Counters,
};

/// Bytes of one message to the client, however many wait for it: clients have limits, too.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What a driver does with the connection of a tunnel. Made by [`Reservation::open`](crate::Reservation::open).
///
/// Binary messages become bytes for the target, however they are cut; what the target sends becomes binary
/// messages. While either side does not take what is there for it, the other is not read from.
#[derive(Debug)]
pub struct Tunnel {
    link: Arc<Link>,
    counters: Arc<Counters>,
    has_half_close: bool,
    /// The transport has not taken what was sent last.
    is_sending: bool,
    /// The client knows that the target has finished.
    is_end_told: bool,
}

impl Tunnel {
    pub(crate) fn new(link: Arc<Link>, counters: Arc<Counters>, has_half_close: bool) -> Self {
        Self { link, counters, has_half_close, is_sending: false, is_end_told: false }
    }

    /// Sends what the target has said, one piece at a time, and then how it ended.
    fn send_waiting(&mut self, replies: &mut Replies<'_>) {
        if replies.connection().is_closing() {
            return;
        }
        if let Some(end) = self.link.overdue() {
            replies.start_close(end.close_code(), &end.to_string());
            return;
        }
        if self.is_sending {
            return;
        }
        let ToClient { bytes, is_over, end } = self.link.take_for_client();
        if !bytes.is_empty() {
            let mut pieces = bytes.chunks(MESSAGE_BYTES_MAX);
            if pieces.all(|piece| replies.send_binary(piece).is_ok()) {
                self.counters.note_to_client(bytes.len());
                self.is_sending = true;
                replies.send_more_later();
            }
            return;
        }
        if is_over && self.has_half_close && !self.is_end_told {
            self.is_end_told = true;
            let _ = replies.send_binary(&[]);
        }
        if let Some(end) = end {
            replies.start_close(end.close_code(), &end.to_string());
        }
    }

    fn misuse(&self, replies: &mut Replies<'_>) {
        let end = TunnelEnd::Misused;
        if self.link.conclude(end) {
            self.counters.note_end(end);
        }
        self.link.part(Parting::Broken);
        replies.start_close(end.close_code(), &end.to_string());
    }
}

impl Session for Tunnel {
    fn handle_event(&mut self, event: Event<'_>, replies: &mut Replies<'_>) {
        match event {
            Event::Binary([]) if self.has_half_close => self.link.finish_client(),
            Event::Binary(bytes) => {
                if !self.link.push(bytes) && !replies.connection().is_closing() {
                    self.misuse(replies);
                }
            }
            Event::Text(_) => self.misuse(replies),
            // Whose close it is says the end.
            Event::Close(_) | Event::Ping(_) | Event::Pong { .. } | Event::Failed(_) => {}
        }
    }

    fn handle_wake(&mut self, wake: Wake, replies: &mut Replies<'_>) {
        match wake {
            Wake::Nudged => self.send_waiting(replies),
            Wake::Drained => {
                self.is_sending = false;
                self.send_waiting(replies);
            }
            Wake::Connection(_) | Wake::Timer => {}
        }
    }

    fn is_ready(&self) -> bool {
        !self.link.is_congested()
    }

    fn handle_end(&mut self, end: End) {
        self.link.part(match end.cause {
            Cause::ClosedByPeer { .. } => Parting::Closed,
            _ => Parting::Broken,
        });
    }
}

impl Drop for Tunnel {
    /// A driver that is dropped before its end: the target is not to wait for more.
    fn drop(&mut self) {
        self.link.part(Parting::Broken);
    }
}
