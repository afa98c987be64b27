//! An engine whose answers take a while, as those of a server do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ws_broker::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Memory, Page, ReadLimits,
    Record, Revision, Status,
};

/// What is asked is done at once; the answer is what was so then, and comes later.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) memory: Arc<Memory>,
    pub(crate) reads: Duration,
    pub(crate) appends: Duration,
}

fn later<T: Send + 'static>(answer: Answer<T>, delay: Duration) -> Answer<T> {
    use futures_util::FutureExt;
    // Memory answers at the first poll.
    let answer = answer.now_or_never().unwrap_or(Err(EngineError::Unknown { kind: "slow" }));
    if delay.is_zero() {
        return Box::pin(std::future::ready(answer));
    }
    Box::pin(async move {
        tokio::time::sleep(delay).await;
        answer
    })
}

impl Engine for Slow {
    fn kind(&self) -> &'static str {
        self.memory.kind()
    }

    fn is_shared(&self) -> bool {
        self.memory.is_shared()
    }

    fn status(&self) -> Status {
        self.memory.status()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        self.memory.start(listener);
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        later(self.memory.subscribe(topic), self.reads)
    }

    fn unsubscribe(&self, topic: &str) {
        self.memory.unsubscribe(topic);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        self.memory.publish(topic, payload)
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        later(self.memory.follow(log), self.reads)
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.memory.unfollow(log);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        later(self.memory.append(log, entry, event), self.appends)
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        later(self.memory.read(log, after, limits), self.reads)
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        later(self.memory.remove(log, offsets), self.reads)
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        later(self.memory.get(key), self.reads)
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        later(self.memory.put(key, value, expected), self.reads)
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        later(self.memory.keys(prefix), self.reads)
    }
}
