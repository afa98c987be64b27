//! An engine in good order, and one thing that it gets wrong.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use ws_broker::{
    Answer, Appended, Conflict, Engine, EngineError, Entry, Keep, Listener, Log, Memory, Page,
    ReadLimits, Record, Revision, Status, WhenFull,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    LosesMessages,
    DoublesMessages,
    SwapsMessages,
    NeverLeaves,
    CountsSubscriptions,
    TellsFromManyThreads,
    IgnoresEvents,
    TrimsEvents,
    IgnoresCase,
    CutsNames,
    AlwaysComplete,
    NeverComplete,
    IgnoresLimits,
    ManyEpochs,
    ForgetsWhatWasBefore,
    LosesEntries,
    KeepsMore,
    KeepsForEver,
    NeverRefuses,
    RemovesNothing,
    PutsBlindly,
    RevisionsOfValues,
    KeysByPattern,
    AsksWhenAwaited,
    KeepsForLater,
    SwallowsWhileAway,
    FollowsOnce,
    LosesLogsInOutages,
}

#[derive(Debug)]
pub(crate) struct Faulty {
    engine: Arc<Memory>,
    fault: Fault,
    count: AtomicU64,
    kept_back: Mutex<Vec<(String, Bytes)>>,
    followed: Mutex<HashMap<String, usize>>,
    was_away: Arc<AtomicBool>,
    /// What names were, where they are changed.
    spelled: Arc<Mutex<HashMap<String, String>>>,
}

impl Faulty {
    pub(crate) fn new(engine: Arc<Memory>, fault: Fault) -> Self {
        Self {
            engine,
            fault,
            count: AtomicU64::new(0),
            kept_back: Mutex::default(),
            followed: Mutex::default(),
            was_away: Arc::default(),
            spelled: Arc::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn spell(&self, name: &str) -> String {
        let spelled = match self.fault {
            Fault::IgnoresCase => name.to_lowercase(),
            Fault::CutsNames => name.chars().take(255).collect(),
            _ => return name.to_owned(),
        };
        self.spelled.lock().entry(spelled.clone()).or_insert_with(|| name.to_owned());
        spelled
    }

    fn keep(&self, keep: &Keep) -> Keep {
        let mut keep = keep.clone();
        match self.fault {
            Fault::KeepsMore => keep.entries_max = keep.entries_max.saturating_add(1),
            Fault::KeepsForEver => keep.ttl = Duration::MAX,
            Fault::NeverRefuses => keep.when_full = WhenFull::DropOldest,
            _ => {}
        }
        keep
    }

    /// One in so many.
    fn is_unlucky(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % 7 == 6
    }

    /// Whether this was the last of as many leavings as there were followings.
    fn leaves(&self, name: &str) -> bool {
        if self.has(Fault::NeverLeaves) {
            return false;
        }
        let mut followed = self.followed.lock();
        let count = followed.entry(name.to_owned()).or_default();
        *count = count.saturating_sub(1);
        *count == 0 || !self.has(Fault::CountsSubscriptions)
    }
}

impl Engine for Faulty {
    fn kind(&self) -> &'static str {
        self.engine.kind()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn status(&self) -> Status {
        self.engine.status()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        let ear = Ear {
            listener,
            fault: self.fault,
            was_away: Arc::clone(&self.was_away),
            spelled: Arc::clone(&self.spelled),
        };
        self.engine.start(Arc::new(ear));
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        *self.followed.lock().entry(format!("topic {topic}")).or_default() += 1;
        self.engine.subscribe(&self.spell(topic))
    }

    fn unsubscribe(&self, topic: &str) {
        if self.leaves(&format!("topic {topic}")) {
            self.engine.unsubscribe(&self.spell(topic));
        }
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        let topic = &self.spell(topic);
        let is_away = self.status() != Status::Up;
        match self.fault {
            Fault::LosesMessages if self.is_unlucky() => return Ok(()),
            Fault::DoublesMessages => self.engine.publish(topic, payload.clone())?,
            Fault::SwapsMessages if self.is_unlucky() => {
                self.kept_back.lock().push((topic.clone(), payload));
                return Ok(());
            }
            Fault::KeepsForLater if is_away => {
                self.kept_back.lock().push((topic.clone(), payload));
                return self.engine.publish(topic, Bytes::new());
            }
            Fault::SwallowsWhileAway if is_away => return Ok(()),
            _ => {}
        }
        if self.has(Fault::KeepsForLater) {
            for (topic, payload) in self.kept_back.lock().drain(..) {
                self.engine.publish(&topic, payload)?;
            }
        }
        self.engine.publish(topic, payload)?;
        if self.has(Fault::SwapsMessages) {
            for (topic, payload) in self.kept_back.lock().extract_if(.., |kept| kept.0 == *topic) {
                self.engine.publish(&topic, payload)?;
            }
        }
        Ok(())
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        *self.followed.lock().entry(format!("log {}", log.name)).or_default() += 1;
        self.engine.follow(&Log { name: &self.spell(log.name), ..*log })
    }

    fn unfollow(&self, log: &Log<'_>) {
        if self.leaves(&format!("log {}", log.name)) {
            self.engine.unfollow(&Log { name: &self.spell(log.name), ..*log });
        }
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        let (name, keep) = (self.spell(log.name), self.keep(log.keep));
        let event = match self.fault {
            Fault::IgnoresEvents => None,
            Fault::TrimsEvents => event.map(str::trim),
            _ => event,
        };
        if self.has(Fault::AsksWhenAwaited) {
            let (engine, event) = (Arc::clone(&self.engine), event.map(str::to_owned));
            return Box::pin(async move {
                engine.append(&Log { name: &name, keep: &keep }, entry, event.as_deref()).await
            });
        }
        let log = Log { name: &name, keep: &keep };
        let appended = self.engine.append(&log, entry, event);
        let is_lost = self.has(Fault::LosesEntries) && self.is_unlucky();
        let engine = Arc::clone(&self.engine);
        Box::pin(async move {
            let appended = appended.await?;
            if is_lost {
                let log = Log { name: &name, keep: &keep };
                engine.remove(&log, &[appended.position.offset]).await?;
            }
            Ok(appended)
        })
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        let (name, keep) = (self.spell(log.name), self.keep(log.keep));
        let limits = match self.fault {
            Fault::IgnoresLimits => ReadLimits { entries_max: 1000, bytes_max: usize::MAX },
            _ => limits,
        };
        let page = self.engine.read(&Log { name: &name, keep: &keep }, after, limits);
        let (fault, was_away) = (self.fault, self.was_away.load(Ordering::Relaxed));
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let mut page = page.await?;
            match fault {
                Fault::AlwaysComplete => page.is_complete = true,
                Fault::NeverComplete => page.is_complete = false,
                Fault::ManyEpochs => page.head.epoch += count,
                Fault::LosesLogsInOutages if was_away => page.entries.truncate(3),
                _ => {}
            }
            Ok(page)
        })
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        let offsets = if self.has(Fault::RemovesNothing) { &[] } else { offsets };
        self.engine.remove(&Log { name: &self.spell(log.name), ..*log }, offsets)
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        let record = self.engine.get(&self.spell(key));
        let fault = self.fault;
        Box::pin(async move { Ok(record.await?.map(|record| told(fault, record))) })
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        let (engine, key, fault) = (Arc::clone(&self.engine), self.spell(key), self.fault);
        Box::pin(async move {
            let there = engine.get(&key).await?;
            let expected = match fault {
                Fault::PutsBlindly => there.map(|record| record.revision),
                Fault::RevisionsOfValues => match there {
                    Some(there) if Some(of_value(&there.value)) == expected => Some(there.revision),
                    Some(there) => {
                        return Ok(Err(Conflict { current: Some(told(fault, there)) }));
                    }
                    None => expected,
                },
                _ => expected,
            };
            let put = engine.put(&key, value.clone(), expected).await?;
            Ok(match fault {
                Fault::RevisionsOfValues => put.map(|_| of_value(&value.unwrap_or_default())),
                _ => put,
            })
        })
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        let prefix = match self.fault {
            Fault::KeysByPattern => prefix.trim_end_matches(['*', '?', '[']),
            _ => prefix,
        };
        self.engine.keys(prefix)
    }
}

fn told(fault: Fault, record: Record) -> Record {
    match fault {
        Fault::RevisionsOfValues => Record { revision: of_value(&record.value), ..record },
        _ => record,
    }
}

fn of_value(value: &Bytes) -> Revision {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    Revision(hasher.finish())
}

/// Between the engine and who listens.
struct Ear {
    listener: Arc<dyn Listener>,
    fault: Fault,
    was_away: Arc<AtomicBool>,
    spelled: Arc<Mutex<HashMap<String, String>>>,
}

impl Ear {
    fn is_deaf(&self) -> bool {
        self.fault == Fault::FollowsOnce && self.was_away.load(Ordering::Relaxed)
    }

    fn name(&self, spelled: &str) -> String {
        self.spelled.lock().get(spelled).cloned().unwrap_or_else(|| spelled.to_owned())
    }
}

impl Listener for Ear {
    fn handle_message(&self, topic: &str, payload: Bytes) {
        if !self.is_deaf() {
            self.listener.handle_message(&self.name(topic), payload);
        }
    }

    fn handle_entry(&self, log: &str, mut entry: Entry) {
        if self.fault == Fault::ForgetsWhatWasBefore {
            entry.previous = 0;
        }
        if self.fault == Fault::TellsFromManyThreads {
            let (listener, log) = (Arc::clone(&self.listener), log.to_owned());
            thread::spawn(move || listener.handle_entry(&log, entry));
        } else if !self.is_deaf() {
            self.listener.handle_entry(&self.name(log), entry);
        }
    }

    fn handle_status(&self, status: &Status) {
        self.was_away.store(true, Ordering::Relaxed);
        self.listener.handle_status(status);
    }
}
