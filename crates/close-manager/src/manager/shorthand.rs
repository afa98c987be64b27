//! Single closes by the names of their codes.

use std::{hash::Hash, time::Instant};

use crate::{CloseReason, GracefulCloseManager, SendableCode};

/// [`close`](GracefulCloseManager::close) by the names of the codes.
impl<K: Clone + Eq + Hash> GracefulCloseManager<K> {
    /// Closes one connection with 1000: done.
    pub fn close_normal(&mut self, key: K, reason: impl Into<CloseReason>, now: Instant) -> bool {
        self.close(key, SendableCode::NORMAL, reason, now)
    }

    /// Closes one connection with 1001: a timeout, or going away.
    pub fn close_going_away(
        &mut self,
        key: K,
        reason: impl Into<CloseReason>,
        now: Instant,
    ) -> bool {
        self.close(key, SendableCode::GOING_AWAY, reason, now)
    }

    /// Closes one connection with 1002: the peer broke the protocol.
    pub fn close_protocol_error(
        &mut self,
        key: K,
        reason: impl Into<CloseReason>,
        now: Instant,
    ) -> bool {
        self.close(key, SendableCode::PROTOCOL_ERROR, reason, now)
    }

    /// Closes one connection with 1008: not authorized, too many connections, abuse.
    pub fn close_policy(&mut self, key: K, reason: impl Into<CloseReason>, now: Instant) -> bool {
        self.close(key, SendableCode::POLICY, reason, now)
    }

    /// Closes one connection with 1009: a message too large.
    pub fn close_too_big(&mut self, key: K, reason: impl Into<CloseReason>, now: Instant) -> bool {
        self.close(key, SendableCode::TOO_BIG, reason, now)
    }

    /// Closes one connection with 1011: our fault.
    pub fn close_internal_error(
        &mut self,
        key: K,
        reason: impl Into<CloseReason>,
        now: Instant,
    ) -> bool {
        self.close(key, SendableCode::INTERNAL_ERROR, reason, now)
    }

    /// Closes one connection with 1012: this server restarts, come back.
    pub fn close_restart(&mut self, key: K, reason: impl Into<CloseReason>, now: Instant) -> bool {
        self.close(key, SendableCode::RESTART, reason, now)
    }
}
