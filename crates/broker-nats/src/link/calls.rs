//! Questions that wait for their answers.
//!
//! One subscription takes all answers; a number in the subject says which question each is to. Tokens are
//! counted up and answers mostly come in their order, so that a ring holds those that wait.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{Message, StatusCode};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};
use ws_broker::EngineError;

use super::Link;
use crate::error::{overloaded, unavailable, unknown};

/// What became of a question.
pub(crate) type Reply = Result<Message, CallError>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Nobody listens where it was sent; nothing was done.
    NoResponders,
    /// It did not come in time.
    TimedOut,
    /// The connection broke.
    Broken,
    /// It was not sent.
    Unsent(EngineError),
}

#[derive(Debug)]
pub(crate) struct Calls {
    ring: Mutex<Ring>,
    /// What the subjects of answers begin with.
    inbox: String,
    waiting_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Ring {
    /// The token of the first.
    base: u64,
    calls: VecDeque<Option<Waiting>>,
    bytes: usize,
    /// Those who wait until all before a token have their answers.
    behind: Vec<(u64, oneshot::Sender<()>)>,
}

/// Something that takes several calls, and is waited for like one.
pub(crate) struct Ticket {
    link: Arc<Link>,
    token: u64,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Reply>,
    deadline: Instant,
    bytes: usize,
}

impl CallError {
    /// The same for who asked an engine.
    pub(crate) fn into_engine_error(self, nobody: &'static str) -> EngineError {
        match self {
            Self::NoResponders => unavailable(nobody),
            Self::TimedOut | Self::Broken => unknown(),
            Self::Unsent(error) => error,
        }
    }
}

impl Calls {
    pub(crate) fn new(inbox: String, waiting_max: usize, bytes_max: usize) -> Self {
        Self { ring: Mutex::default(), inbox, waiting_max, bytes_max }
    }

    /// The subjects of all answers.
    pub(crate) fn subject(&self) -> String {
        format!("{}*", self.inbox)
    }

    /// A place for an answer, and the subject that leads to it.
    pub(crate) fn open(
        &self,
        bytes: usize,
        patience: Duration,
        answer: oneshot::Sender<Reply>,
    ) -> Result<(u64, String), oneshot::Sender<Reply>> {
        let deadline = Instant::now() + patience;
        let token = {
            let mut ring = self.ring.lock();
            if ring.calls.len() >= self.waiting_max || ring.bytes + bytes > self.bytes_max {
                return Err(answer);
            }
            ring.bytes += bytes;
            ring.calls.push_back(Some(Waiting { answer, deadline, bytes }));
            ring.base + ring.calls.len() as u64 - 1
        };
        Ok((token, format!("{}{token}", self.inbox)))
    }

    /// Answers when all that waits now has its answer.
    pub(crate) fn all_before(&self) -> Option<oneshot::Receiver<()>> {
        let mut ring = self.ring.lock();
        if ring.calls.is_empty() {
            return None;
        }
        let token = ring.base + ring.calls.len() as u64;
        let (sender, receiver) = oneshot::channel();
        ring.behind.push((token, sender));
        Some(receiver)
    }

    pub(crate) fn handle_answer(&self, message: Message) {
        let token = message.subject.strip_prefix(self.inbox.as_str());
        let Some(token) = token.and_then(|token| token.parse().ok()) else { return };
        let Some(waiting) = self.ring.lock().take(token) else { return };
        let reply = match message.status {
            Some(StatusCode::NO_RESPONDERS) => Err(CallError::NoResponders),
            _ => Ok(message),
        };
        // Who asked may have gone.
        let _ = waiting.answer.send(reply);
    }

    /// Ends a call that was not sent.
    pub(crate) fn cancel(&self, token: u64, error: EngineError) {
        if let Some(waiting) = self.ring.lock().take(token) {
            let _ = waiting.answer.send(Err(CallError::Unsent(error)));
        }
    }

    /// The connection broke: what was asked may have been done.
    pub(crate) fn handle_break(&self) {
        let broken: Vec<Waiting> = {
            let mut ring = self.ring.lock();
            ring.base += ring.calls.len() as u64;
            ring.bytes = 0;
            let broken = std::mem::take(&mut ring.calls).into_iter().flatten().collect();
            ring.trim();
            broken
        };
        for waiting in broken {
            let _ = waiting.answer.send(Err(CallError::Broken));
        }
    }

    /// Ends what waited too long.
    pub(crate) fn handle_time(&self, now: Instant) {
        let mut late = Vec::new();
        {
            let mut ring = self.ring.lock();
            for index in 0..ring.calls.len() {
                let is_late =
                    ring.calls[index].as_ref().is_some_and(|waiting| waiting.deadline <= now);
                if is_late && let Some(waiting) = ring.calls[index].take() {
                    ring.bytes -= waiting.bytes;
                    late.push(waiting);
                }
            }
            ring.trim();
        }
        for waiting in late {
            let _ = waiting.answer.send(Err(CallError::TimedOut));
        }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.ring.lock().calls.len()
    }

    /// What it says when there are too many.
    pub(crate) fn refusal() -> CallError {
        CallError::Unsent(overloaded())
    }
}

impl Ticket {
    /// From now on, reads wait for what is being done.
    pub(crate) fn new(link: &Arc<Link>) -> Option<Self> {
        let patience = link.config.timeout;
        // Nobody waits for the answer itself.
        let opened = link.writes.open(0, patience, oneshot::channel().0);
        opened.ok().map(|(token, _)| Self { link: Arc::clone(link), token })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.link.writes.cancel(self.token, unknown());
    }
}

impl Ring {
    fn take(&mut self, token: u64) -> Option<Waiting> {
        let index = usize::try_from(token.checked_sub(self.base)?).ok()?;
        let waiting = self.calls.get_mut(index)?.take()?;
        self.bytes -= waiting.bytes;
        self.trim();
        Some(waiting)
    }

    /// Lets go of those in front that have their answers.
    fn trim(&mut self) {
        while let Some(None) = self.calls.front() {
            self.calls.pop_front();
            self.base += 1;
        }
        let base = self.base;
        for (_, waiting) in self.behind.extract_if(.., |(token, _)| *token <= base) {
            let _ = waiting.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn answer(subject: &str) -> Message {
        Message {
            subject: subject.into(),
            reply: None,
            payload: Bytes::new(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    fn ask(calls: &Calls, bytes: usize) -> Option<(String, oneshot::Receiver<Reply>)> {
        let (sender, receiver) = oneshot::channel();
        calls.open(bytes, PATIENCE, sender).ok().map(|(_, subject)| (subject, receiver))
    }

    #[tokio::test(start_paused = true)]
    async fn answers_find_their_questions_in_any_order() {
        let calls = Calls::new("_INBOX.a.".into(), 8, 1000);
        let mut asked: Vec<_> = (0..3).map(|_| ask(&calls, 10).unwrap()).collect();
        calls.handle_answer(answer(&asked[1].0));
        assert!(asked[1].1.try_recv().unwrap().is_ok());
        assert!(asked[0].1.try_recv().is_err(), "nobody answered this one");
        calls.handle_answer(answer(&asked[0].0));
        calls.handle_answer(answer(&asked[0].0));
        calls.handle_answer(answer("_INBOX.a.77"));
        assert!(asked[0].1.try_recv().unwrap().is_ok());
        assert_eq!(calls.waiting(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_or_too_large_are_refused_until_there_is_room() {
        let calls = Calls::new("i.".into(), 2, 100);
        let first = ask(&calls, 60).unwrap();
        assert!(ask(&calls, 41).is_none(), "too many bytes");
        let _second = ask(&calls, 40).unwrap();
        assert!(ask(&calls, 0).is_none(), "too many");
        calls.handle_answer(answer(&first.0));
        assert!(ask(&calls, 60).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn late_and_broken_ones_are_told() {
        let calls = Calls::new("i.".into(), 8, 100);
        let (_, mut late) = ask(&calls, 1).unwrap();
        tokio::time::advance(PATIENCE).await;
        let (_, mut early) = ask(&calls, 1).unwrap();
        calls.handle_time(Instant::now());
        assert_eq!(late.try_recv().unwrap().unwrap_err(), CallError::TimedOut);
        assert!(early.try_recv().is_err());
        calls.handle_break();
        assert_eq!(early.try_recv().unwrap().unwrap_err(), CallError::Broken);
        let (subject, mut after) = ask(&calls, 100).unwrap();
        calls.handle_answer(answer(&subject));
        assert!(after.try_recv().unwrap().is_ok(), "tokens go on behind those that broke");
    }
}
