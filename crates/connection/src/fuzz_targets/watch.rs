//! What must hold of every connection, whatever happens to it.

use tungstenite::protocol::frame::coding::{Control, OpCode};

use super::input::LIMIT;
use crate::{Cause, Connection, Event, FrameHeader, Role, Teardown};

/// Looks at one connection after each step.
#[derive(Default)]
pub(super) struct Watch {
    /// The peer's last word was told.
    is_over: bool,
    /// Our close frame has left.
    has_closed: bool,
    cause: Option<Cause>,
    teardown: Option<Teardown>,
    /// Output that is no complete frame yet; there must never be any.
    checked: usize,
}

impl Watch {
    /// An event was told.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        assert!(!self.is_over, "{event:?} after the end");
        match event {
            Event::Text(text) => assert!(text.len() <= LIMIT, "text of {}", text.len()),
            Event::Binary(bytes) => assert!(bytes.len() <= LIMIT, "{} bytes", bytes.len()),
            Event::Ping(payload) | Event::Pong { payload, .. } => assert!(payload.len() <= 125),
            Event::Close(_) | Event::Failed(_) => self.is_over = true,
        }
    }

    /// A step is done; `out` is everything that was ever written.
    pub(super) fn step(&mut self, connection: &Connection, out: &[u8]) {
        self.output(connection, out);
        let cause = connection.ended().map(|end| end.cause);
        assert!(self.cause.is_none() || self.cause == cause, "the first cause stays");
        self.cause = cause;
        let teardown = connection.teardown();
        let goes_back = |from| match from {
            Teardown::KeepOpen => false,
            Teardown::ShutdownWrite => teardown == Teardown::KeepOpen,
            Teardown::Close => matches!(teardown, Teardown::KeepOpen | Teardown::ShutdownWrite),
            Teardown::Abandon => teardown != Teardown::Abandon,
        };
        assert!(!self.teardown.is_some_and(goes_back), "{:?} to {teardown:?}", self.teardown);
        self.teardown = Some(teardown);
        assert!(teardown == Teardown::KeepOpen || cause.is_some(), "an end has its cause");
        assert!(!self.has_closed || connection.is_closing());
    }

    /// What was written are whole frames that the other side accepts, and none after a close frame.
    fn output(&mut self, connection: &Connection, out: &[u8]) {
        let reader = match connection.config().role() {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        while self.checked < out.len() {
            assert!(!self.has_closed, "something follows a close frame");
            let frame = &out[self.checked..];
            let Ok(Some((header, at))) = FrameHeader::parse(frame, reader) else {
                panic!("no sound frame: {:02x?}", &frame[..frame.len().min(14)]);
            };
            assert!(header.fin, "we do not fragment");
            assert!(frame.len() - at >= header.len as usize, "a frame is written whole");
            self.checked += at + header.len as usize;
            self.has_closed |= header.opcode == OpCode::Control(Control::Close);
        }
    }
}
