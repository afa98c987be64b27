//! The engine, and what it did: each call is counted by what became of it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use ws_broker::{
    Answer, Appended, Conflict, Engine, EngineError, Entry, Listener, Log, Page, ReadLimits,
    Record, Revision, Status,
};
use ws_handler::Counts;

/// An engine whose calls are counted.
#[derive(Debug)]
pub struct Metered {
    engine: Arc<dyn Engine>,
    counts: Arc<EngineCounts>,
}

/// What an engine did so far.
#[derive(Default)]
pub struct EngineCounts {
    calls: Counts<{ Call::LABELS.len() * CallOutcome::LABELS.len() }>,
    received: Counts<{ RECEIVED.len() }>,
    pending: AtomicUsize,
    reconnects: AtomicU64,
    /// Told of last.
    status: Mutex<Option<Status>>,
}

/// What comes from an engine.
const RECEIVED: [&str; 2] = ["message", "entry"];

/// What an engine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Publish,
    Append,
    Read,
    Record,
    Follow,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallOutcome {
    Done,
    /// An append of an event that was there already.
    Repeated,
    Unavailable,
    Unknown,
    Overloaded,
    Full,
    Refused,
}

impl Call {
    const LABELS: [&'static str; 5] = ["publish", "append", "read", "record", "follow"];
}

impl CallOutcome {
    const LABELS: [&'static str; 7] =
        ["done", "repeated", "unavailable", "unknown", "overloaded", "full", "refused"];
    /// From here on they are failures.
    const FAILURES: usize = Self::Unavailable as usize;

    fn of(error: &EngineError) -> Self {
        match error {
            EngineError::Unavailable { .. } => Self::Unavailable,
            EngineError::Unknown { .. } => Self::Unknown,
            EngineError::Overloaded { .. } => Self::Overloaded,
            EngineError::Full => Self::Full,
            EngineError::Refused { .. } => Self::Refused,
        }
    }
}

impl EngineCounts {
    /// Calls of one kind, by what became of them; without what cannot become of them.
    pub(crate) fn outcomes(&self, call: Call) -> Vec<(&'static str, u64)> {
        let all = self.calls.totals();
        let of_call = all.into_iter().skip(call as usize * CallOutcome::LABELS.len());
        let labelled = CallOutcome::LABELS.into_iter().zip(of_call);
        let can_be = |label: &str| call == Call::Append || !matches!(label, "repeated" | "full");
        labelled.filter(|(label, _)| can_be(label)).collect()
    }

    /// Failures of all calls, by their kind.
    pub(crate) fn failures(&self) -> Vec<(&'static str, u64)> {
        let all = self.calls.totals();
        let of = |outcome: usize| -> u64 {
            all.iter().skip(outcome).step_by(CallOutcome::LABELS.len()).sum()
        };
        let failures = CallOutcome::LABELS.iter().enumerate().skip(CallOutcome::FAILURES);
        failures.map(|(outcome, label)| (*label, of(outcome))).collect()
    }

    /// What came, by its kind.
    pub(crate) fn received(&self) -> Vec<(&'static str, u64)> {
        RECEIVED.into_iter().zip(self.received.totals()).collect()
    }

    /// Calls whose answers are awaited.
    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// How often the engine was back after it had been away.
    pub(crate) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    fn add(&self, call: Call, outcome: CallOutcome) {
        self.calls.add(call as usize * CallOutcome::LABELS.len() + outcome as usize);
    }
}

impl Metered {
    /// Counts what this one does.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, counts: Arc::default() }
    }

    /// What it did so far.
    pub fn counts(&self) -> Arc<EngineCounts> {
        self.counts.clone()
    }

    fn counted<T: Send + 'static>(
        &self,
        call: Call,
        answer: Answer<T>,
        outcome: impl Fn(&T) -> CallOutcome + Send + 'static,
    ) -> Answer<T> {
        let pending = Pending::new(self.counts.clone());
        Box::pin(async move {
            let answer = answer.await;
            let outcome = answer.as_ref().map_or_else(CallOutcome::of, outcome);
            pending.0.add(call, outcome);
            answer
        })
    }

    fn plain<T: Send + 'static>(&self, call: Call, answer: Answer<T>) -> Answer<T> {
        self.counted(call, answer, |_| CallOutcome::Done)
    }
}

/// One call whose answer is awaited.
struct Pending(Arc<EngineCounts>);

impl Pending {
    fn new(counts: Arc<EngineCounts>) -> Self {
        counts.pending.fetch_add(1, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine for Metered {
    fn kind(&self) -> &'static str {
        self.engine.kind()
    }

    fn is_shared(&self) -> bool {
        self.engine.is_shared()
    }

    fn status(&self) -> Status {
        self.engine.status()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        let counts = self.counts.clone();
        self.engine.start(Arc::new(Hearing { listener, counts }));
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        self.plain(Call::Follow, self.engine.subscribe(topic))
    }

    fn unsubscribe(&self, topic: &str) {
        self.engine.unsubscribe(topic);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        let published = self.engine.publish(topic, payload);
        let outcome = published.as_ref().map_or_else(CallOutcome::of, |()| CallOutcome::Done);
        self.counts.add(Call::Publish, outcome);
        published
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        self.plain(Call::Follow, self.engine.follow(log))
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.engine.unfollow(log);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        let answer = self.engine.append(log, entry, event);
        self.counted(Call::Append, answer, |appended| match appended.is_repeated {
            true => CallOutcome::Repeated,
            false => CallOutcome::Done,
        })
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        self.plain(Call::Read, self.engine.read(log, after, limits))
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        self.plain(Call::Record, self.engine.remove(log, offsets))
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        self.plain(Call::Record, self.engine.get(key))
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        self.plain(Call::Record, self.engine.put(key, value, expected))
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        self.plain(Call::Record, self.engine.keys(prefix))
    }
}

/// Hears what comes, and passes it on.
struct Hearing {
    listener: Arc<dyn Listener>,
    counts: Arc<EngineCounts>,
}

impl Listener for Hearing {
    fn handle_message(&self, topic: &str, payload: Bytes) {
        self.counts.received.add(0);
        self.listener.handle_message(topic, payload);
    }

    fn handle_entry(&self, log: &str, entry: Entry) {
        self.counts.received.add(1);
        self.listener.handle_entry(log, entry);
    }

    fn handle_status(&self, status: &Status) {
        let before = self.counts.status.lock().replace(status.clone());
        let was_down = matches!(before, Some(Status::Down(_)));
        // Engines say in the log what becomes of them.
        if was_down && *status == Status::Up {
            self.counts.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        self.listener.handle_status(status);
    }
}

impl fmt::Debug for EngineCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineCounts").field("pending", &self.pending).finish_non_exhaustive()
    }
}
