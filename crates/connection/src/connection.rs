//! One connection: its state, its deadlines, its end.

use std::{sync::Arc, time::Instant};

use ws_close_manager::{CloseHandshake, SendableCode};
use ws_compression::PerMessageDeflate;
use ws_frame_validator::SizeLimits;
use ws_heartbeat::{Action, Heartbeat, HeartbeatStats};
use ws_rate_limiter::{Limit, TokenBucket};

use crate::{
    assembly::Assembly,
    config::{ConnectionConfig, Role},
    end::{Cause, End},
    error::ProtocolError,
    event::{Event, Timeout},
    idle::Idle,
    inbound::Reading,
};

/// The protocol of one peer.
///
/// ```text
///            ┌────────┐  start_close / broken rule / timeout   ┌─────────┐
///            │  open  │ ─────────────────────────────────────▶ │ closing │
///            └───┬────┘                                        └────┬────┘
///    peer's close│frame: echo it      peer's close frame / deadline │ / end of stream
///                ▼                                                  ▼
///            ┌──────────────────────────────────────────────────────────┐
///            │ ended: `teardown` says what to do with the transport     │
///            └──────────────────────────────────────────────────────────┘
/// ```
#[derive(Debug)]
pub struct Connection {
    pub(crate) config: Arc<ConnectionConfig>,
    pub(crate) sizes: SizeLimits,
    pub(crate) reading: Reading,
    /// Present only while a frame or message is unfinished.
    pub(crate) assembly: Option<Box<Assembly>>,
    pub(crate) deflate: Option<PerMessageDeflate>,
    pub(crate) closing: CloseHandshake,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) idle: Option<Idle>,
    pub(crate) pings: Option<<TokenBucket as Limit>::State>,
    cause: Option<Cause>,
    /// The peer is gone or did not keep to a deadline: nothing is worth waiting for.
    abandoned: bool,
    /// Messages that were told wait for their answers: a close frame behind them has to wait, too.
    pub(crate) holds_close: bool,
}

/// What the driver must now do with the transport, once the output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teardown {
    /// Go on reading and writing.
    KeepOpen,
    /// End our half and go on reading: the peer may still be sending, and closing outright would
    /// reset the connection and could destroy the close frame on its way.
    ShutdownWrite,
    /// End our half, then drop it.
    Close,
    /// Drop it at once: there is nobody left to wait for.
    Abandon,
}

impl Connection {
    /// A connection whose opening handshake is done.
    ///
    /// `deflate` is the negotiated codec, if any. `entropy` is a random value: it spreads the first
    /// pings and makes their payloads unpredictable.
    pub fn new(
        config: Arc<ConnectionConfig>,
        deflate: Option<PerMessageDeflate>,
        entropy: u64,
        now: Instant,
    ) -> Self {
        let role = match config.role {
            Role::Server => ws_close_manager::Role::Server,
            Role::Client => ws_close_manager::Role::Client,
        };
        Self {
            sizes: config.sizes,
            reading: Reading::default(),
            assembly: None,
            deflate,
            closing: CloseHandshake::new(role, config.close_timeout),
            heartbeat: config.heartbeat.map(|heartbeat| Heartbeat::new(heartbeat, now, entropy)),
            idle: config.idle_timeout.map(|timeout| Idle::new(timeout, now)),
            pings: config.ping_rate.as_ref().map(|rate| rate.new_state(now)),
            cause: None,
            abandoned: false,
            holds_close: false,
            config,
        }
    }

    /// The next moment at which [`Connection::handle_timeout`] has something to do.
    ///
    /// Messages never move it earlier; closing does. So a driver compares it with what is armed, and
    /// re-arms its timer when that has fired or is too late.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closing.is_closing() {
            return self.closing.poll_timeout();
        }
        let heartbeat = self.heartbeat.as_ref().and_then(Heartbeat::poll_timeout);
        let idle = self.idle.as_ref().map(Idle::poll_timeout);
        heartbeat.into_iter().chain(idle).min()
    }

    /// Acts on a deadline that has passed. Call until it answers `None`.
    pub fn handle_timeout(&mut self, out: &mut Vec<u8>, now: Instant) -> Option<Timeout> {
        if self.closing.is_closing() {
            let was_over = self.closing.must_close_transport();
            self.closing.handle_timeout(now);
            let overdue = self.closing.must_close_transport() && !was_over;
            // Also when both close frames have passed: whoever does not take our last bytes in time
            // is not waited for.
            self.abandoned |= overdue || self.closing.must_drop_transport();
            return overdue.then_some(Timeout::CloseOverdue);
        }
        match self.heartbeat.as_mut().and_then(|heartbeat| heartbeat.handle_timeout(now)) {
            Some(Action::SendPing(payload)) => {
                self.write_ping(&payload, out);
                return Some(Timeout::PingSent);
            }
            Some(Action::DeclareDead) => {
                let last_round_trip =
                    self.heartbeat_stats(now).and_then(|it| it.latency).map(|it| it.last);
                self.end(Cause::PongTimeout { last_round_trip });
                self.write_close(SendableCode::GOING_AWAY, "Connection timeout", out, now);
                // The frame leaves if it can; nobody is there to answer it.
                self.abandoned = true;
                return Some(Timeout::Dead);
            }
            None => {}
        }
        let timeout = self.config.idle_timeout?;
        if self.idle.as_mut()?.handle_timeout(timeout, now) {
            self.end(Cause::Idle);
            self.write_close(SendableCode::GOING_AWAY, "Idle timeout", out, now);
            return Some(Timeout::Idle);
        }
        None
    }

    /// The peer's side of the transport ended.
    pub fn handle_eof(&mut self, now: Instant) {
        self.end(Cause::EndOfStream);
        self.closing.handle_eof(now);
    }

    /// The transport failed.
    pub fn handle_io_error(&mut self, kind: std::io::ErrorKind, now: Instant) {
        self.end(Cause::Io(kind));
        self.abandoned = true;
        self.closing.handle_eof(now);
    }

    /// The peer took nothing of what is to be written for [as long as it
    /// may](ConnectionConfig::write_timeout). Nothing can be said to it any more.
    pub fn handle_write_timeout(&mut self, now: Instant) {
        self.end(Cause::WriteTimeout);
        self.abandoned = true;
        self.closing.handle_eof(now);
    }

    /// The peer's TCP took data after it had stopped taking any: a slow reader is not a dead one.
    pub fn handle_write_progress(&mut self, now: Instant) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.handle_frame(now);
        }
    }

    /// Our side did not look at what the peer sent: a peer that is not heard is not silent.
    pub fn handle_pause(&mut self, now: Instant) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.handle_frame(now);
        }
    }

    /// Makes [`Connection::poll_event`] stop before a close frame, or go on.
    ///
    /// For a driver that hands on all messages of a read before any of them is answered: no answer
    /// could follow the echo of a close frame that lies behind them.
    pub fn hold_close(&mut self, hold: bool) {
        self.holds_close = hold;
    }

    /// The driver was told to drop the transport.
    pub fn handle_kill(&mut self, now: Instant) {
        self.end(Cause::Killed);
        self.abandoned = true;
        self.closing.handle_eof(now);
    }

    /// What to do with the transport once the output is written.
    pub fn teardown(&self) -> Teardown {
        if self.abandoned {
            Teardown::Abandon
        } else if self.closing.must_close_transport() {
            Teardown::Close
        } else if matches!(self.cause, Some(Cause::Protocol(_))) {
            Teardown::ShutdownWrite
        } else {
            Teardown::KeepOpen
        }
    }

    /// Puts other limits on the messages to come than the configuration's: lower ones for a peer that
    /// has not said who it is.
    pub fn set_sizes(&mut self, sizes: SizeLimits) {
        self.sizes = sizes;
    }

    /// Whether a close frame was sent or received.
    pub fn is_closing(&self) -> bool {
        self.closing.is_closing()
    }

    /// Why the connection ended or is about to, once that is known. How long the peer was silent is
    /// for [the heartbeat](Connection::heartbeat_stats) to say, which wants to know the time.
    pub fn ended(&self) -> Option<End> {
        let acknowledged = self.closing.outcome().is_some_and(|outcome| outcome.is_clean());
        self.cause.map(|cause| End { cause, acknowledged, silent_for: None })
    }

    /// What the heartbeat has measured, if there is one.
    pub fn heartbeat_stats(&self, now: Instant) -> Option<HeartbeatStats> {
        self.heartbeat.as_ref().map(|heartbeat| heartbeat.stats(now))
    }

    /// Whether the peer has answered: no ping is overdue.
    pub fn is_healthy(&self) -> bool {
        self.heartbeat.as_ref().is_none_or(Heartbeat::is_healthy)
    }

    /// The configuration that this connection shares.
    pub fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    /// The first cause wins.
    pub(crate) fn end(&mut self, cause: Cause) {
        self.cause.get_or_insert(cause);
    }

    /// Fails the connection (RFC 6455 §7.1.7). The handshake is started and not failed, for the
    /// transport lingers: see [`Teardown::ShutdownWrite`].
    pub(crate) fn fail(
        &mut self,
        error: ProtocolError,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Event<'static> {
        self.reading = Reading::Discarding;
        self.assembly = None;
        self.end(Cause::Protocol(error));
        self.write_close(error.close_code(), error.close_reason(), out, now);
        Event::Failed(error)
    }
}
