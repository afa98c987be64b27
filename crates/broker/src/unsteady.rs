//! For tests: an engine whose answers take their time, so that what nodes do interleaves, and that loses some
//! of them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Memory, Page, ReadLimits,
    Record, Revision, Status,
};

/// A node's way to the engine.
#[derive(Debug)]
pub(crate) struct Unsteady {
    pub(crate) memory: Arc<Memory>,
    random: Mutex<u64>,
    delay_ms_max: u64,
    /// Of so many changes, one answer is lost, after the change or before it.
    one_lost_of: Mutex<Option<u64>>,
    /// The next change of a user's record is called unknown, and done after this.
    late_next: Mutex<Option<Duration>>,
    is_paused: Arc<AtomicBool>,
    puts: AtomicU64,
    departures: Departures,
}

/// How often users' records were emptied, by key.
pub(crate) type Departures = Arc<Mutex<HashMap<String, usize>>>;

impl Unsteady {
    pub(crate) fn new(
        memory: Arc<Memory>,
        seed: u64,
        delay_ms_max: u64,
        departures: Departures,
    ) -> Arc<Self> {
        let random = Mutex::new(seed.wrapping_mul(2).wrapping_add(1));
        Arc::new(Self {
            memory,
            random,
            delay_ms_max,
            one_lost_of: Mutex::new(None),
            late_next: Mutex::new(None),
            is_paused: Arc::default(),
            puts: AtomicU64::new(0),
            departures,
        })
    }

    /// Nothing goes through until it is no longer so: as with a process that is stopped.
    pub(crate) fn set_paused(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    pub(crate) fn delay_next(&self, late: Duration) {
        *self.late_next.lock() = Some(late);
    }

    /// How often a record was to be changed.
    pub(crate) fn puts(&self) -> u64 {
        self.puts.load(Ordering::Relaxed)
    }

    pub(crate) fn lose_one_of(&self, one_lost_of: Option<u64>) {
        *self.one_lost_of.lock() = one_lost_of;
    }

    fn roll(&self, sides: u64) -> u64 {
        let mut random = self.random.lock();
        // Marsaglia's xorshift.
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random % sides.max(1)
    }

    fn delayed<T: Send + 'static>(
        &self,
        is_change: bool,
        ask: impl FnOnce(&Arc<Memory>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.delayed_by(is_change, None, ask)
    }

    fn delayed_by<T: Send + 'static>(
        &self,
        is_change: bool,
        forced: Option<Duration>,
        ask: impl FnOnce(&Arc<Memory>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let wait = |it: &Self| Duration::from_millis(it.roll(it.delay_ms_max + 1));
        let (before, after) = (wait(self), wait(self));
        let one_lost_of = self.one_lost_of.lock().filter(|_| is_change);
        let is_lost = forced.is_some() || one_lost_of.is_some_and(|of| self.roll(of) == 0);
        let is_done = !is_lost || forced.is_none() && self.roll(3) == 0;
        // It may arrive when it has been given up for lost.
        let late = forced.or_else(|| {
            (is_lost && !is_done && self.roll(2) == 0)
                .then(|| Duration::from_millis(1 + self.roll(8 * (self.delay_ms_max + 1))))
        });
        let (memory, is_paused) = (self.memory.clone(), self.is_paused.clone());
        Box::pin(async move {
            pass(before).await;
            while is_paused.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let answer = match late {
                None if is_done => Some(ask(&memory).await),
                None => None,
                Some(late) => {
                    tokio::spawn(async move {
                        tokio::time::sleep(late).await;
                        let _ = ask(&memory).await;
                    });
                    None
                }
            };
            pass(after).await;
            match answer {
                Some(answer) if !is_lost => answer,
                _ => Err(EngineError::Unknown { kind: "unsteady" }),
            }
        })
    }
}

/// No time takes no time: a timer would.
async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

impl Engine for Unsteady {
    fn kind(&self) -> &'static str {
        "unsteady"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn status(&self) -> Status {
        self.memory.status()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        self.memory.start(listener);
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        self.memory.subscribe(topic)
    }

    fn unsubscribe(&self, topic: &str) {
        self.memory.unsubscribe(topic);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        self.memory.publish(topic, payload)
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        self.memory.follow(log)
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.memory.unfollow(log);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        let (name, keep) = (log.name.to_owned(), log.keep.clone());
        let event = event.map(str::to_owned);
        self.delayed(true, move |memory| {
            memory.append(&Log { name: &name, keep: &keep }, entry, event.as_deref())
        })
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        let (name, keep) = (log.name.to_owned(), log.keep.clone());
        self.delayed(false, move |memory| {
            memory.read(&Log { name: &name, keep: &keep }, after, limits)
        })
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        let (name, keep, offsets) = (log.name.to_owned(), log.keep.clone(), offsets.to_vec());
        self.delayed(true, move |memory| memory.remove(&Log { name: &name, keep: &keep }, &offsets))
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        let key = key.to_owned();
        self.delayed(false, move |memory| memory.get(&key))
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        let key = key.to_owned();
        let departures = self.departures.clone();
        let forced = self.late_next.lock().take_if(|_| key.starts_with("user:"));
        self.delayed_by(true, forced, move |memory| {
            let memory = memory.clone();
            Box::pin(async move {
                let is_telling = |value: &Option<Bytes>| {
                    value.as_ref().is_some_and(|value| value.windows(6).any(|it| it == b"\"told\""))
                };
                let before = memory.get(&key).await?.map(|record| record.value);
                let is_departure = is_telling(&value) || value.is_none() && !is_telling(&before);
                let put = memory.put(&key, value, expected).await?;
                if is_departure && put.is_ok() {
                    *departures.lock().entry(key).or_default() += 1;
                }
                Ok(put)
            })
        })
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        let prefix = prefix.to_owned();
        self.delayed(false, move |memory| memory.keys(&prefix))
    }
}
