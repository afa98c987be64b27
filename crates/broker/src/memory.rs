//! The engine that lives in this process.

use std::{fmt, future, sync::Arc};

use bytes::Bytes;

use self::{hub::Hub, link::Link, link::Passage};
use crate::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Page, ReadLimits, Record,
    Revision, Status,
};

pub use self::{
    cluster::MemoryCluster,
    stats::{LogStats, MemoryStats},
};

mod clock;
mod cluster;
mod feed;
mod hub;
mod link;
mod log;
mod records;
mod shard;
mod stats;
#[cfg(test)]
mod tests;

const KIND: &str = "memory";

/// The default engine: everything in memory, nothing outlives the process.
///
/// [`Memory::new`] is alone ([`is_shared`](Engine::is_shared) says so); a [`MemoryCluster`] has several nodes. All
/// calls are done when they return, and their answers are there at the first poll. Listeners are
/// called by whoever appends or publishes, one at a time for each log and topic, and no lock is held while they
/// are: what others append to the same log meanwhile is queued behind, and they go on.
///
/// An entry is kept as the [`Bytes`] that were handed in. A slice of a larger buffer keeps that
/// buffer; the bound counts the slice.
///
/// Logs together take [`MemoryConfig::logs_bytes_max`] at most: beyond that the log that is silent for the
/// longest loses its entries. Its position is still known, so that who has read all of it is told that
/// nothing is missing. Entries expire when their log is used, and some of those that are due with each
/// append to any other.
pub struct Memory {
    hub: Arc<Hub>,
    link: Arc<Link>,
    is_shared: bool,
}

/// How much a [`Memory`] engine holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// The memory of all logs. Default 256 MiB. Positions of logs whose entries are gone may take an
    /// eighth of it on top.
    pub logs_bytes_max: usize,
    /// The memory of all records; beyond that, changes that need more are refused. Default 256 MiB.
    pub records_bytes_max: usize,
    /// What may wait for the listeners of one log or one topic, because somebody is telling them
    /// something else; beyond that, calls are [`EngineError::Overloaded`]. Default 65,536.
    pub waiting_max: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { logs_bytes_max: 256 << 20, records_bytes_max: 256 << 20, waiting_max: 65_536 }
    }
}

impl Memory {
    /// Alone in this process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(MemoryConfig::default())
    }

    /// Alone in this process, with other bounds.
    #[must_use]
    pub fn with_config(config: MemoryConfig) -> Self {
        Self::behind(Arc::new(Hub::new(config)), false)
    }

    fn behind(hub: Arc<Hub>, is_shared: bool) -> Self {
        Self { hub, link: Arc::default(), is_shared }
    }

    /// What the engine holds, and what it did; of all nodes together. Walks through all logs.
    #[must_use]
    pub fn stats(&self) -> MemoryStats {
        self.hub.stats()
    }
}

/// Switches for tests: what can happen to a node of an engine that is behind a network.
impl Memory {
    /// The engine is away: calls fail, what others say is missed, the listener is told.
    pub fn set_down(&self, reason: &str) {
        self.link.set_down(reason);
    }

    /// The engine is back: all that was followed is, and the listener is told. Also said to a node that was
    /// up: then something may have been missed.
    pub fn set_up(&self) {
        self.link.set_up();
    }

    /// Messages and entries on their way to this node get lost from now on, or no longer.
    pub fn set_losing(&self, is_losing: bool) {
        self.link.set_losing(is_losing);
    }

    /// Messages and entries wait on their way to this node, until they are [released](Self::release).
    pub fn hold(&self) {
        self.link.hold();
    }

    /// What was held arrives, and all that comes later.
    pub fn release(&self) {
        self.link.release();
    }

    /// The next appends and changes of records are not done, and answered with [`EngineError::Unknown`].
    pub fn lose_calls(&self, count: u32) {
        self.link.lose_calls(count);
    }

    /// The next appends and changes of records are done, and answered with [`EngineError::Unknown`].
    pub fn lose_answers(&self, count: u32) {
        self.link.lose_answers(count);
    }

    /// Does what changes something, if it gets through.
    fn change<T>(&self, change: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        match self.link.pass_change()? {
            Passage::Open => change(),
            Passage::AnswerIsLost => {
                change()?;
                Err(EngineError::Unknown { kind: KIND })
            }
        }
    }
}

impl Engine for Memory {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn status(&self) -> Status {
        self.link.status()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        self.link.start(listener);
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        let passed = self.link.pass();
        ready(passed.map(|()| self.hub.subscribe(topic, &self.link)))
    }

    fn unsubscribe(&self, topic: &str) {
        self.hub.unsubscribe(topic, &self.link);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        self.link.pass()?;
        self.hub.publish(topic, payload)
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        let passed = self.link.pass();
        ready(passed.map(|()| self.hub.follow(log.name, &self.link)))
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.hub.unfollow(log.name, &self.link);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        ready(self.change(|| self.hub.append(log, entry, event)))
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        let passed = self.link.pass();
        ready(passed.map(|()| self.hub.read(log, after, limits)))
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        let passed = self.link.pass();
        ready(passed.map(|()| self.hub.remove(log.name, offsets)))
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        let passed = self.link.pass();
        ready(passed.map(|()| self.hub.records.get(key)))
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        let bytes_max = self.hub.config.records_bytes_max;
        ready(self.change(|| self.hub.records.put(key, value, expected, bytes_max)))
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        let passed = self.link.pass();
        ready(passed.map(|()| self.hub.records.keys(prefix)))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Memory {
    /// The other nodes go on without it.
    fn drop(&mut self) {
        if self.is_shared {
            self.hub.forget(&self.link);
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("is_shared", &self.is_shared).finish_non_exhaustive()
    }
}

fn ready<T: Send + 'static>(outcome: Result<T, EngineError>) -> Answer<T> {
    Box::pin(future::ready(outcome))
}
