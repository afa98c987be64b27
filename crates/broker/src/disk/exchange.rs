//! What the callers, the writer and the readers share.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use ahash::RandomState;
use bytes::Bytes;
use futures_channel::oneshot;
use parking_lot::{Mutex, RwLock};

use super::{
    KIND, clock::Clock, config::DiskConfig, format::Kept, queue::Queue, read::ReadJob, state::State,
};
use crate::{Appended, Conflict, EngineError, Listener, Revision, Status};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

pub(super) struct Exchange {
    /// What is on the disk for certain, and nothing else. Written by the writer alone, and never while it
    /// waits for the disk.
    pub(super) state: RwLock<State>,
    pub(super) commands: Queue<Command>,
    pub(super) reads: Queue<ReadJob>,
    pub(super) config: DiskConfig,
    pub(super) clock: Clock,
    pub(super) listener: OnceLock<Arc<dyn Listener>>,
    /// Logs that are followed, and the epoch that was named if the log was not there yet.
    pub(super) followed: Mutex<HashMap<Arc<str>, u64, RandomState>>,
    pub(super) status: RwLock<Status>,
    pub(super) counts: Counts,
}

/// What was done since the folder was opened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) commits: AtomicU64,
    pub(super) appends: AtomicU64,
    /// The files, as they are.
    pub(super) bytes: AtomicU64,
    /// Entries that were carried to a later file, so that an earlier one could go.
    pub(super) carried: AtomicU64,
    /// Entries that were not as they were written when they were read.
    pub(super) damaged: AtomicU64,
}

/// What waits until something is on the disk.
pub(super) type Work = Box<dyn FnOnce(&Arc<Exchange>) + Send>;

/// What the writer is asked.
pub(super) enum Command {
    Append {
        log: Arc<str>,
        kept: Kept,
        payload: Bytes,
        event: Option<Arc<str>>,
        reply: Reply<Appended>,
    },
    Remove {
        log: Arc<str>,
        offsets: Vec<u64>,
        reply: Reply<()>,
    },
    Put {
        key: Box<str>,
        value: Option<Bytes>,
        expected: Option<Revision>,
        reply: Reply<Result<Revision, Conflict>>,
    },
    /// To be done when all that was asked before is on the disk.
    Afterwards(Work),
}

impl Exchange {
    pub(super) fn unavailable(&self) -> Option<EngineError> {
        match &*self.status.read() {
            Status::Down(reason) => Some(unavailable(reason)),
            _ => None,
        }
    }

    pub(super) fn set_status(&self, status: &Status) {
        let is_news = {
            let mut current = self.status.write();
            let is_news = *current != *status;
            *current = status.clone();
            is_news
        };
        if is_news && let Some(listener) = self.listener.get() {
            listener.handle_status(status);
        }
    }

    /// The epoch of a log that is not there yet.
    pub(super) fn epoch_to_be(&self, log: &str, state: &State) -> u64 {
        self.followed.lock().get(log).copied().unwrap_or(state.new_epoch)
    }
}

impl Counts {
    pub(super) fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("status", &self.status).finish_non_exhaustive()
    }
}

pub(super) fn unavailable(reason: &str) -> EngineError {
    EngineError::Unavailable { kind: KIND, reason: reason.to_owned().into() }
}

pub(super) fn refused(reason: &'static str) -> EngineError {
    EngineError::Refused { kind: KIND, reason: reason.into() }
}

pub(super) fn overloaded() -> EngineError {
    EngineError::Overloaded { kind: KIND }
}
