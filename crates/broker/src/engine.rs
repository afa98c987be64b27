//! What an engine is asked to do.

use std::{borrow::Cow, fmt, future::Future, num::NonZeroU32, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;

/// An answer that may take a while. The question is on its way when the call returns, whether or not the
/// answer is awaited: two calls from one thread reach the engine in their order. The memory
/// engine answers at the first poll.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send>>;

/// Between nodes, and behind them: topics, logs and records.
///
/// Names of topics, logs and records are any text of up to 1,024 bytes; how they are spelled at a server
/// is the engine's own matter, and two names never meet there. Calls never block the thread.
///
/// What is under way is bounded: beyond that, calls fail with [`EngineError::Overloaded`]. While the
/// server is away, calls fail with [`EngineError::Unavailable`] at once and are not kept for later; one that
/// was on its way when the connection broke fails with [`EngineError::Unknown`]. The engine comes back by
/// itself, with jittered backoff, and follows again what it followed before it says [`Status::Up`].
pub trait Engine: Send + Sync + fmt::Debug + 'static {
    /// `memory`, `disk`, `redis`, `nats`: for logs, metrics and `/health`.
    fn kind(&self) -> &'static str;

    /// Whether there may be other nodes behind it.
    fn is_shared(&self) -> bool;

    /// How it is now.
    fn status(&self) -> Status;

    /// Where everything goes that comes; called once, before anything is followed.
    fn start(&self, listener: Arc<dyn Listener>);

    /// Takes messages of a topic from now on: those published after the answer are certain to
    /// come. Following twice is the same as once.
    fn subscribe(&self, topic: &str) -> Answer<()>;

    /// Takes no more messages of a topic; some may still come.
    fn unsubscribe(&self, topic: &str);

    /// Tells every node that is subscribed to the topic, perhaps this one as well. Messages of one node in one
    /// topic arrive in their order, each at most once. `Ok` means that it is on its way.
    ///
    /// # Errors
    ///
    /// It is not on its way, and will not be.
    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError>;

    /// Takes entries of a log as they are appended, from now on. Entries come in the order of their
    /// offsets, perhaps with gaps, and repetitions are possible; of two that nodes append at the same moment, the
    /// later may come first. [`Entry::previous`] tells.
    fn follow(&self, log: &Log<'_>) -> Answer<()>;

    /// Takes no more entries of a log; some may still come.
    fn unfollow(&self, log: &Log<'_>);

    /// Appends an entry. The answer means that it is kept as safely as this engine can, and that
    /// those who follow are being told.
    ///
    /// With `event`, an entry of that name that was appended within [`Keep::event_window`] is not
    /// appended again: the answer is the place of the first ([`Appended::is_repeated`]).
    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended>;

    /// Entries behind `after`, in their order, the oldest first, at most as many as the limits say. With
    /// limits of nothing, only where the log is.
    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page>;

    /// Takes single entries out of a log. What is not there is no error.
    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()>;

    /// What is in a record.
    fn get(&self, key: &str) -> Answer<Option<Record>>;

    /// Changes a record that is still as it was read: `expected` is its revision, `None` if there was
    /// none. `value` of `None` takes it away. Otherwise nothing changes, and the answer is what is there.
    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>>;

    /// The keys of all records whose keys begin with `prefix`, in no particular order. Takes long where there
    /// are many, and may miss what comes or goes meanwhile.
    fn keys(&self, prefix: &str) -> Answer<Vec<String>>;
}

/// Who is told what comes. Called from the engine's own tasks, one at a time for each topic and each log; it
/// must not block, and must not call an engine from within.
pub trait Listener: Send + Sync + 'static {
    /// Something was published in a topic.
    fn handle_message(&self, topic: &str, payload: Bytes);

    /// Something was appended to a log.
    fn handle_entry(&self, log: &str, entry: Entry);

    /// The engine is away, or is back: everything that was followed is followed again, and what
    /// came in between was missed. [`Status::Up`] is also said when the engine noticed that something may
    /// have been missed while it was up.
    fn handle_status(&self, status: &Status);
}

/// How an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Never reached so far.
    Starting,
    /// At work.
    Up,
    /// Not reached, for this reason. It is being tried.
    Down(Arc<str>),
}

/// Which log, and how much of it is kept. A log is one with its `Keep`: asked for with another, it may be
/// another log, or the same one that keeps more or less from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log<'a> {
    /// Its name.
    pub name: &'a str,
    /// How much of it is kept.
    pub keep: &'a Keep,
}

/// How much of a log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keep {
    /// At most so many entries.
    pub entries_max: NonZeroU32,
    /// None that is older.
    pub ttl: Duration,
    /// What becomes of an entry beyond `entries_max`.
    pub when_full: WhenFull,
    /// For how long the name of an event is remembered.
    pub event_window: Duration,
}

/// What becomes of an entry that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// The oldest goes.
    DropOldest,
    /// It is refused: [`EngineError::Full`].
    Refuse,
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Which life of the log: another one whenever the engine cannot vouch that nothing was lost. Less than
    /// 2^53, so that JavaScript can hold it.
    pub epoch: u64,
    /// The offset of the last entry; 0 before the first. Offsets grow, not always by one; less than 2^53.
    pub offset: u64,
}

/// What was appended to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// The offset of the one before it, also if that is not kept any more; 0 for the first. Known of entries
    /// that are followed; of those that were read, it is the offset of the one read before it, and `after` for
    /// the first.
    pub previous: u64,
    /// When it was appended, in ms since 1970, by the engine's clock.
    pub appended_ms: u64,
    /// What was appended.
    pub payload: Bytes,
}

/// What came of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the entry stands.
    pub position: Position,
    /// It was there already, under the same event.
    pub is_repeated: bool,
}

/// How much may be read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// At most so many entries.
    pub entries_max: u32,
    /// At most so many bytes of payload, but at least one entry.
    pub bytes_max: usize,
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the log was when it was read.
    pub head: Position,
    /// Whether it is certain that nothing is missing between `after` and the first of `entries`, or `head` if
    /// there are none because nothing came.
    pub is_complete: bool,
    /// The entries. More follow if the last one is before `head`.
    pub entries: Vec<Entry>,
}

/// What is in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was put there.
    pub value: Bytes,
    /// Of which change it is.
    pub revision: Revision,
}

/// One change of a record; no two of a key are the same, also if it was taken away in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision(pub u64);

/// A record was not as it was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What is there.
    pub current: Option<Record>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot be reached; nothing was done.
    #[error("the {kind} engine is not available: {reason}")]
    Unavailable {
        /// Which engine.
        kind: &'static str,
        /// Why.
        reason: Cow<'static, str>,
    },
    /// The connection broke, or no answer came in time: it may have been done.
    #[error("the {kind} engine did not answer, so that it is not known whether it was done")]
    Unknown {
        /// Which engine.
        kind: &'static str,
    },
    /// Too much is under way; nothing was done.
    #[error("too much waits for the {kind} engine")]
    Overloaded {
        /// Which engine.
        kind: &'static str,
    },
    /// The log is full and refuses more.
    #[error("it is full")]
    Full,
    /// The engine refuses this, and would again: a payload that is too large, a missing permission.
    #[error("the {kind} engine refuses it: {reason}")]
    Refused {
        /// Which engine.
        kind: &'static str,
        /// Why.
        reason: Cow<'static, str>,
    },
}

impl ReadLimits {
    /// Only where the log is.
    pub const NOTHING: Self = Self { entries_max: 0, bytes_max: 0 };
}
