//! What follows the end of a connection, or of an attempt.

use std::time::{Duration, Instant};

use ws_close_manager::{ComeBack, comes_back};

use super::{End, Failure, Machine, Phase, after};
use crate::{client::ClientEvent, error::Stopped, network::NextAttempt};

/// When the next attempt is made.
enum Next {
    /// Never.
    Stop(Stopped),
    /// Now, if that was not tried already since the last good connection.
    Hurry,
    /// By the growing delays, and not before so long.
    Later(Duration),
    /// After exactly so long: the server has spread it.
    After(Duration),
}

impl Machine {
    /// There is no socket: the attempt failed.
    pub(crate) fn handle_failure(&mut self, failure: &Failure, now: Instant) {
        if !matches!(self.phase, Phase::Dialing { .. }) {
            return;
        }
        self.counts.errors += 1;
        let next = match failure {
            Failure::Refused { status, retry_after, sentence } => {
                self.note(ClientEvent::Refused { status: *status, message: sentence.clone() });
                self.after_status(*status, *retry_after, sentence)
            }
            Failure::Passing => Next::Later(Duration::ZERO),
            Failure::Hopeless(sentence) => {
                Next::Stop(Stopped { code: None, reason: sentence.clone() })
            }
        };
        let is_hopeless = matches!(failure, Failure::Hopeless(_));
        self.come_back(next, now);
        self.is_healthy_end &= !is_hopeless;
    }

    /// The connection is over.
    pub(crate) fn handle_end(&mut self, end: &End, now: Instant) {
        match self.phase {
            Phase::Closing { .. } => self.phase = Phase::Resting,
            Phase::Greeting { .. } | Phase::Live { .. } => {
                if self.backoff_was_reset(now) {
                    self.was_hurried = false;
                }
                self.control.clear();
                self.book.handle_lost();
                self.return_unanswered();
                let next = self.after_end(end);
                self.come_back(next, now);
            }
            Phase::Resting | Phase::Waiting { .. } | Phase::Dialing { .. } => {}
        }
    }

    fn backoff_was_reset(&mut self, now: Instant) -> bool {
        self.backoff.handle_lost(now);
        self.backoff.attempts() == 0
    }

    fn after_end(&mut self, end: &End) -> Next {
        let End::Closed { code, reason } = end else {
            self.counts.errors += 1;
            let goodbye = self.goodbye.take();
            return goodbye.map_or(Next::Later(Duration::ZERO), Next::After);
        };
        if *code != 1000 {
            self.counts.errors += 1;
        }
        let goodbye = self.goodbye.take();
        match comes_back(*code) {
            ComeBack::Never => {
                let said = self.last_refusal.as_ref().map(|it| it.message.clone());
                let reason =
                    if reason.is_empty() { said.unwrap_or_default() } else { reason.clone() };
                Next::Stop(Stopped { code: Some(*code), reason })
            }
            _ if goodbye.is_some() => Next::After(goodbye.unwrap_or_default()),
            ComeBack::WithFreshToken => Next::Hurry,
            ComeBack::AtOnce => Next::Later(Duration::ZERO),
            ComeBack::Later => Next::Later(self.config.backoff.base),
        }
    }

    fn after_status(&mut self, status: u16, retry_after: Option<Duration>, sentence: &str) -> Next {
        let stop = || Next::Stop(Stopped { code: Some(status), reason: sentence.to_owned() });
        match status {
            401 if self.config.has_token && !self.was_unauthorized => {
                self.was_unauthorized = true;
                Next::After(Duration::ZERO)
            }
            408 | 425 | 429 | 500.. => Next::Later(retry_after.unwrap_or_default()),
            _ => stop(),
        }
    }

    fn come_back(&mut self, next: Next, now: Instant) {
        self.phase = Phase::Resting;
        if let Next::Stop(stopped) = next {
            self.end_all(stopped);
            return;
        }
        let random = (self.config.random)();
        // Counted whatever the delay is, so that a server which does this for ever is not asked for ever
        // at this pace.
        let by_delays = match self.network.next_attempt(&mut self.backoff, random) {
            NextAttempt::After(delay) => delay,
            NextAttempt::NetworkBack => Duration::ZERO,
            NextAttempt::Never => {
                let reason = "as many attempts as may be were in vain".to_owned();
                self.end_all(Stopped { code: None, reason });
                self.is_healthy_end = false;
                return;
            }
        };
        let delay = match next {
            Next::Hurry if !std::mem::replace(&mut self.was_hurried, true) => {
                self.network.delay_min()
            }
            Next::After(delay) => delay,
            Next::Later(at_least) => by_delays.max(at_least),
            _ => by_delays,
        };
        self.counts.attempts = self.counts.attempts.saturating_add(1);
        self.phase = Phase::Waiting { until: after(now, delay) };
    }
}
