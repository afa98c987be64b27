//! What is said to the server.

use std::time::{Duration, Instant};

use super::{Due, Machine, Phase, after};
use crate::{
    book::quoted,
    calls::{Answer, Call, Naming},
    error::Error,
    queue::{Confirm, Key, Next, Priority, Refused},
};

/// How a call goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) priority: Priority,
    pub(crate) confirm: Confirm,
    /// Whether it may be sent again when nobody knows whether it has arrived.
    pub(crate) is_repeatable: bool,
    /// For all of it, waiting in the queue included.
    pub(crate) timeout: Option<Duration>,
}

impl Machine {
    /// Queues it. What is only of the moment is not kept for later.
    pub(crate) fn call(&mut self, call: Call, manner: Manner, now: Instant) {
        if let Some(stopped) = &self.stopped {
            let error = Error::Closed(stopped.clone());
            call.finish(Err(error));
            return;
        }
        let Manner { priority, confirm, is_repeatable, timeout } = manner;
        match self.queue.push(priority, call.bytes(), confirm, is_repeatable, call) {
            Ok(key) => {
                if let Some(timeout) = timeout {
                    self.set_outcome_deadline(key, after(now, timeout));
                }
            }
            Err(call) => call.finish(Err(Error::QueueFull)),
        }
    }

    /// Whether what is only of the moment would be said now.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    /// Says what is only of the moment: it waits behind nothing, and is gone with the connection.
    pub(crate) fn say_now_or_never(&mut self, text: String) {
        if self.is_live() {
            self.say(text);
        }
    }

    /// A fresh token, for the connection that lives.
    pub(crate) fn handle_token(&mut self, token: &str) {
        if self.is_live() {
            self.say_token(token);
        }
    }

    pub(super) fn say_token(&mut self, token: &str) {
        let session = self.config.session_id.as_deref().map(quoted);
        let session = session.map(|it| format!(r#","sessionId":{it}"#)).unwrap_or_default();
        let token = quoted(token);
        self.say(format!(r#"{{"type":"auth","id":"a","token":{token}{session}}}"#));
    }

    /// The application has taken a letter.
    pub(crate) fn handle_letter_taken(&mut self, id: &std::sync::Arc<str>, now: Instant) {
        let ack = self.letters.handle_taken(id, now);
        // Otherwise it comes again, and is acked then.
        if self.is_live() {
            self.say(ack);
        }
    }

    /// What is to be sent next, if anything.
    pub(crate) fn poll_text(&mut self, now: Instant) -> Option<String> {
        let text = match self.phase {
            // What was said already goes before the close frame: acks, above all.
            Phase::Greeting { .. } | Phase::Closing { .. } => self.control.pop_front(),
            Phase::Live { .. } => {
                let first = self.control.pop_front().or_else(|| self.book.poll_text(now));
                // Who publishes where it listens is to hear itself: questions go first, however many.
                first.or_else(|| if self.book.is_asking() { None } else { self.next_call(now) })
            }
            _ => None,
        };
        self.counts.sent += u64::from(text.is_some());
        text
    }

    fn next_call(&mut self, now: Instant) -> Option<String> {
        match self.queue.pop(now)? {
            Next::Kept { key, value } => {
                let text = value.text(key.get());
                let timeout = match value.naming {
                    Naming::RequestId => self.config.request_timeout,
                    Naming::Id | Naming::None => self.config.ack_timeout,
                };
                let at = after(now, timeout);
                value.answer_by = Some(at);
                self.deadlines.insert((at, key, Due::Answer));
                Some(text)
            }
            Next::Done { key, value } => {
                let text = value.text(key.get());
                self.finish(key, value, Ok(Answer::default()));
                Some(text)
            }
        }
    }

    /// There is an outcome.
    pub(super) fn settle(&mut self, key: Key, outcome: Result<Answer, Error>) {
        if let Some(call) = self.queue.settle(key) {
            self.finish(key, call, outcome);
        }
    }

    pub(super) fn finish(&mut self, key: Key, call: Call, outcome: Result<Answer, Error>) {
        for (at, due) in [(call.answer_by, Due::Answer), (call.outcome_by, Due::Outcome)] {
            if let Some(at) = at {
                self.deadlines.remove(&(at, key, due));
            }
        }
        call.finish(outcome);
    }

    pub(super) fn forget_answer_deadline(&mut self, key: Key) {
        if let Some(at) = self.queue.get_mut(key).and_then(|call| call.answer_by.take()) {
            self.deadlines.remove(&(at, key, Due::Answer));
        }
    }

    fn set_outcome_deadline(&mut self, key: Key, at: Instant) {
        if let Some(call) = self.queue.get_mut(key) {
            call.outcome_by = Some(at);
            self.deadlines.insert((at, key, Due::Outcome));
        }
    }

    /// Answers that did not come, and calls whose time is over.
    pub(super) fn handle_deadlines(&mut self, now: Instant) {
        while let Some((at, key, due)) = self.deadlines.first().copied().filter(|it| it.0 <= now) {
            self.deadlines.remove(&(at, key, due));
            if due == Due::Outcome {
                self.settle(key, Err(Error::TimedOut));
                continue;
            }
            let Some(call) = self.queue.get_mut(key) else { continue };
            call.answer_by = None;
            if call.naming == Naming::RequestId {
                self.settle(key, Err(Error::TimedOut));
            } else if let Refused::Exhausted(call) = self.queue.repeat(key) {
                self.finish(key, call, Err(Error::Unconfirmed));
            }
        }
    }

    /// What was sent and not answered goes again if it may, and has failed if not.
    pub(super) fn return_unanswered(&mut self) {
        // What comes back has no deadline any more; what goes again gets another.
        let is_answer = |(_, _, due): &(Instant, Key, Due)| *due == Due::Answer;
        let unanswered: Vec<_> = self.deadlines.iter().copied().filter(is_answer).collect();
        for (at, key, due) in unanswered {
            self.deadlines.remove(&(at, key, due));
            if let Some(call) = self.queue.get_mut(key) {
                call.answer_by = None;
            }
        }
        for call in self.queue.handle_lost() {
            call.finish(Err(Error::Unconfirmed));
        }
    }
}
