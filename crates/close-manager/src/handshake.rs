//! The closing handshake of one connection as a machine.

use std::time::{Duration, Instant};

use tungstenite::protocol::frame::coding::CloseCode;

use crate::{CloseOutcome, Ending, FrameStatus, SendableCode, Side, is_receivable};

#[cfg(test)]
pub(crate) mod tests;

/// Which end of the connection we are. The server closes the TCP connection, the client waits for that
/// (RFC 6455 section 7.1.1), so that TIME_WAIT stays with whoever has only one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We connected.
    Client,
    /// We accepted.
    Server,
}

/// What to do about a close frame that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReply {
    /// Nothing: it answers ours, or it is too late.
    None,
    /// Write a close frame with this code, or without one, and nothing after it.
    Echo(Option<SendableCode>),
}

/// The closing handshake of one connection (RFC 6455 section 7).
///
/// ```text
///  ┌──────┐ start_close  ┌───────────┐ handle_close ──▶ Acknowledged
///  │ Open │ ───────────▶ │ CloseSent │ deadline ──────▶ Forced
///  └──────┘              └───────────┘ handle_eof ────▶ Eof
///      │                               fail ──────────▶ Failed
///      │ handle_close: Echo ──▶ Acknowledged   │
///      │ handle_eof ──────────▶ Eof            ├─ Decided; then the transport:
///      │ fail ────────────────▶ Failed         │
///
///    ┌─────────┐ handle_eof  ┌───────────┐    closed by us:
///    │ Lingers │ ──────────▶ │ PeerEnded │      server or Failed: at once
///    └─────────┘             └───────────┘      client: once PeerEnded
///         │                        │            all: once Overdue, flushed or not
///         │ deadline               ▼ deadline
///         └──────────────────▶ ┌─────────┐
///                              │ Overdue │
///                              └─────────┘
/// ```
///
/// What was decided stays so: a transport that ends or overstays after the close frames have passed is
/// still [`Ending::Acknowledged`]. Every closing handshake is decided by its deadline.
#[derive(Clone, Debug)]
pub struct CloseHandshake {
    role: Role,
    timeout_ms: u32,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Open,
    CloseSent { code: SendableCode, began: Instant },
    Decided { outcome: CloseOutcome, transport: Transport },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    /// Open, and the deadline is still to come.
    Lingers,
    /// The peer's half has ended. Ours has what is left until the deadline to be flushed.
    PeerEnded,
    /// The deadline has passed.
    Overdue,
}

impl CloseHandshake {
    /// An open connection.
    ///
    /// `timeout` (the gateway's CLOSE_TIMEOUT, 5 s by default) bounds the whole, from the first close
    /// frame to the end of the transport. What it costs: a peer that does not answer keeps its
    /// connection for that long. Zero forces every close at once. Fractions of a millisecond count
    /// as a whole one; the most is 49 days.
    #[must_use]
    pub const fn new(role: Role, timeout: Duration) -> Self {
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        let timeout_ms = if millis > u32::MAX as u128 { u32::MAX } else { millis as u32 };
        Self { role, timeout_ms, state: State::Open }
    }

    /// We want to close. `true`: write a close frame with this code now, and nothing after it.
    /// `false`: the connection closes already.
    pub fn start_close(&mut self, code: SendableCode, now: Instant) -> bool {
        let is_open = matches!(self.state, State::Open);
        if is_open {
            self.state = State::CloseSent { code, began: now };
        }
        is_open
    }

    /// The peer broke the rules, and nothing more that it sends can be trusted (RFC 6455 section 7.1.7):
    /// its close frame is not waited for, and each role closes the transport once what is written is
    /// flushed. `true`: write a close frame with this code first.
    pub fn fail(&mut self, code: SendableCode, now: Instant) -> bool {
        match self.state {
            State::Open => {
                self.decide_alone(code, Ending::Failed, now);
                true
            }
            State::CloseSent { code, began } => {
                self.decide_alone(code, Ending::Failed, began);
                false
            }
            State::Decided { .. } => false,
        }
    }

    /// The peer's close frame came, with this code if it had one. A code that must not travel is
    /// answered by 1002.
    pub fn handle_close(&mut self, code: Option<CloseCode>, now: Instant) -> CloseReply {
        let received = FrameStatus::of_frame(code);
        match self.state {
            State::Open => {
                let echo = code.map(SendableCode::echo_of);
                let sent = FrameStatus::of_frame(echo.map(CloseCode::from));
                let ending = ending_of(code);
                self.decide(Some(Side::Peer), sent, received, ending, now);
                CloseReply::Echo(echo)
            }
            State::CloseSent { code: ours, began } => {
                let sent = FrameStatus::Code(ours.into());
                self.decide(Some(Side::Local), sent, received, ending_of(code), began);
                CloseReply::None
            }
            State::Decided { .. } => CloseReply::None,
        }
    }

    /// The transport ended: the peer closed its half, or it broke.
    pub fn handle_eof(&mut self, now: Instant) {
        self.decide_eof(now);
        if !self.must_drop_transport() {
            self.set_transport(Transport::PeerEnded);
        }
    }

    /// The transport is gone for us, too: how the connection ended. Without the peer's close frame that
    /// is [`Ending::Eof`], unless something else was decided before.
    #[must_use]
    pub fn finish(mut self, now: Instant) -> CloseOutcome {
        self.decide_eof(now)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), from the first close frame on. The one
    /// deadline bounds all: the wait for the peer's close frame, for the server to close, and the flush.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let began = match &self.state {
            State::CloseSent { began, .. } => began,
            State::Decided { outcome, transport: Transport::Lingers | Transport::PeerEnded } => {
                &outcome.began
            }
            State::Open | State::Decided { transport: Transport::Overdue, .. } => return None,
        };
        Some(*began + Duration::from_millis(self.timeout_ms.into()))
    }

    /// The time is `now`. Once the deadline has passed, whatever is awaited is awaited no more.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return;
        }
        if let State::CloseSent { code, began } = self.state {
            self.decide_alone(code, Ending::Forced, began);
        }
        self.set_transport(Transport::Overdue);
    }

    /// Whether to close the transport, after what is written has been flushed. A server does so at once
    /// when both close frames have passed; a client waits for the server until the deadline. That
    /// bounds the flush, too: see [`must_drop_transport`](Self::must_drop_transport).
    #[must_use]
    pub fn must_close_transport(&self) -> bool {
        match &self.state {
            State::Open | State::CloseSent { .. } => false,
            State::Decided { outcome, transport } => match transport {
                Transport::Lingers => self.role == Role::Server || outcome.ending == Ending::Failed,
                Transport::PeerEnded | Transport::Overdue => true,
            },
        }
    }

    /// Whether to drop the transport now, flushed or not: the deadline has passed.
    #[must_use]
    pub fn must_drop_transport(&self) -> bool {
        matches!(self.state, State::Decided { transport: Transport::Overdue, .. })
    }

    /// Whether the connection is no longer open: a close frame has passed or the transport has ended.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        !matches!(self.state, State::Open)
    }

    /// Whether data may still be sent: none may follow our close frame (RFC 6455 section 5.5.1).
    #[must_use]
    pub fn may_send_data(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether data may still come: until the peer's close frame, even after ours.
    #[must_use]
    pub fn may_receive_data(&self) -> bool {
        matches!(self.state, State::Open | State::CloseSent { .. })
    }

    /// How it ended, once that is decided. Nothing changes it afterwards.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        match &self.state {
            State::Open | State::CloseSent { .. } => None,
            State::Decided { outcome, .. } => Some(*outcome),
        }
    }

    fn decide_eof(&mut self, now: Instant) -> CloseOutcome {
        match self.state {
            State::Open => {
                self.decide(None, FrameStatus::NoFrame, FrameStatus::NoFrame, Ending::Eof, now)
            }
            State::CloseSent { code, began } => self.decide_alone(code, Ending::Eof, began),
            State::Decided { outcome, .. } => outcome,
        }
    }

    /// We sent a close frame, and the peer's did not come.
    fn decide_alone(&mut self, code: SendableCode, ending: Ending, began: Instant) -> CloseOutcome {
        let sent = FrameStatus::Code(code.into());
        self.decide(Some(Side::Local), sent, FrameStatus::NoFrame, ending, began)
    }

    fn decide(
        &mut self,
        started_by: Option<Side>,
        sent: FrameStatus,
        received: FrameStatus,
        ending: Ending,
        began: Instant,
    ) -> CloseOutcome {
        debug_assert!(!matches!(self.state, State::Decided { .. }), "decided twice");
        let outcome = CloseOutcome { started_by, sent, received, ending, began };
        self.state = State::Decided { outcome, transport: Transport::Lingers };
        outcome
    }

    fn set_transport(&mut self, to: Transport) {
        if let State::Decided { transport, .. } = &mut self.state {
            *transport = to;
        }
    }
}

/// A close frame with a code that must not travel is a violation: no clean end.
fn ending_of(code: Option<CloseCode>) -> Ending {
    match code {
        Some(code) if !is_receivable(code.into()) => Ending::Failed,
        _ => Ending::Acknowledged,
    }
}
