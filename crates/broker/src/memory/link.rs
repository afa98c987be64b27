//! The way from the engine to one node, and what can be wrong with it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{EngineError, Entry, Listener, Status};

use super::KIND;

/// What listeners are told.
pub(super) trait Told: Clone {
    fn tell(self, listener: &dyn Listener, name: &str);
    fn hold(self, name: &str) -> Held;
}

/// What came while what comes was held.
#[derive(Debug)]
pub(super) enum Held {
    Message(Arc<str>, Bytes),
    Entry(Arc<str>, Entry),
}

/// One node, as the others see it.
#[derive(Default)]
pub(super) struct Link {
    listener: OnceLock<Arc<dyn Listener>>,
    /// Whether `trouble` says anything: one load for each message of those who never have any.
    is_troubled: AtomicBool,
    trouble: Mutex<Trouble>,
}

/// Nothing, for a node in good order.
#[derive(Debug, Default)]
struct Trouble {
    down: Option<Arc<str>>,
    is_losing: bool,
    held: Option<VecDeque<Held>>,
    calls_to_lose: u32,
    answers_to_lose: u32,
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Open,
    /// It is done, and nobody learns of it.
    AnswerIsLost,
}

impl Link {
    pub(super) fn start(&self, listener: Arc<dyn Listener>) {
        // Called once; a second one would be a mistake that changes nothing.
        let _ = self.listener.set(listener);
    }

    pub(super) fn tell(&self, name: &str, news: impl Told) {
        let Some(listener) = self.listener.get() else { return };
        if self.is_troubled.load(Ordering::Acquire) {
            let mut trouble = self.trouble.lock();
            if trouble.down.is_some() || trouble.is_losing {
                return;
            }
            if let Some(held) = &mut trouble.held {
                held.push_back(news.hold(name));
                return;
            }
        }
        news.tell(&**listener, name);
    }

    pub(super) fn status(&self) -> Status {
        if !self.is_troubled.load(Ordering::Acquire) {
            return Status::Up;
        }
        self.trouble.lock().down.clone().map_or(Status::Up, Status::Down)
    }

    /// Whether a call gets through.
    pub(super) fn pass(&self) -> Result<(), EngineError> {
        match self.status() {
            Status::Down(reason) => Err(unavailable(&reason)),
            _ => Ok(()),
        }
    }

    /// Whether a call that changes something gets through.
    pub(super) fn pass_change(&self) -> Result<Passage, EngineError> {
        if !self.is_troubled.load(Ordering::Acquire) {
            return Ok(Passage::Open);
        }
        let mut trouble = self.trouble.lock();
        if let Some(reason) = &trouble.down {
            return Err(unavailable(reason));
        }
        if let Some(left) = trouble.calls_to_lose.checked_sub(1) {
            trouble.calls_to_lose = left;
            return Err(EngineError::Unknown { kind: KIND });
        }
        if let Some(left) = trouble.answers_to_lose.checked_sub(1) {
            trouble.answers_to_lose = left;
            return Ok(Passage::AnswerIsLost);
        }
        Ok(Passage::Open)
    }

    pub(super) fn set_down(&self, reason: &str) {
        let reason: Arc<str> = reason.into();
        let went_down = self.change(|trouble| {
            trouble.held = trouble.held.take().map(|_| VecDeque::new());
            trouble.down.replace(Arc::clone(&reason)).is_none()
        });
        if went_down {
            self.say(&Status::Down(reason));
        }
    }

    /// Also said to a node that was up: it may have missed something.
    pub(super) fn set_up(&self) {
        self.change(|trouble| trouble.down = None);
        self.say(&Status::Up);
    }

    pub(super) fn set_losing(&self, is_losing: bool) {
        self.change(|trouble| trouble.is_losing = is_losing);
    }

    pub(super) fn lose_calls(&self, count: u32) {
        self.change(|trouble| trouble.calls_to_lose = count);
    }

    pub(super) fn lose_answers(&self, count: u32) {
        self.change(|trouble| trouble.answers_to_lose = count);
    }

    pub(super) fn hold(&self) {
        self.change(|trouble| {
            trouble.held.get_or_insert_default();
        });
    }

    /// Tells what was held, and ends the holding when nothing is left: what comes meanwhile queues behind.
    pub(super) fn release(&self) {
        loop {
            let mut trouble = self.trouble.lock();
            let Some(held) = &mut trouble.held else { return };
            let Some(news) = held.pop_front() else {
                trouble.held = None;
                return;
            };
            drop(trouble);
            if let Some(listener) = self.listener.get() {
                match news {
                    Held::Message(topic, payload) => listener.handle_message(&topic, payload),
                    Held::Entry(log, entry) => listener.handle_entry(&log, entry),
                }
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Trouble) -> T) -> T {
        let mut trouble = self.trouble.lock();
        // Once there was trouble, it is asked each time: that only tests pay.
        self.is_troubled.store(true, Ordering::Release);
        change(&mut trouble)
    }

    fn say(&self, status: &Status) {
        if let Some(listener) = self.listener.get() {
            listener.handle_status(status);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

impl Told for Bytes {
    fn tell(self, listener: &dyn Listener, topic: &str) {
        listener.handle_message(topic, self);
    }

    fn hold(self, topic: &str) -> Held {
        Held::Message(topic.into(), self)
    }
}

impl Told for Entry {
    fn tell(self, listener: &dyn Listener, log: &str) {
        listener.handle_entry(log, self);
    }

    fn hold(self, log: &str) -> Held {
        Held::Entry(log.into(), self)
    }
}

fn unavailable(reason: &Arc<str>) -> EngineError {
    EngineError::Unavailable { kind: KIND, reason: reason.to_string().into() }
}
