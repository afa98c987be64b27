//! What a group of commands comes to, before any of it is done: the items to be written, and the answers for
//! when they are on the disk.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ahash::RandomState;
use bytes::Bytes;

use super::{
    exchange::{Command, Exchange, Reply, Work, overloaded, refused},
    format::{Frame, Item, Kept},
    log::{LogState, Slot},
    state::State,
};
use crate::{Appended, Conflict, EngineError, Entry, Position, Record, Revision};

/// What was asked sees what was asked before it in the same group; the state does not have that yet.
pub(super) struct Plan<'a> {
    shared: &'a Arc<Exchange>,
    state: &'a State,
    frame: &'a mut Frame,
    now_ms: u64,
    ids: HashMap<Arc<str>, u32, RandomState>,
    logs: HashMap<u32, Touched, RandomState>,
    events: HashMap<(u32, Arc<str>), u64, RandomState>,
    records: HashMap<Box<str>, Option<Record>, RandomState>,
    last_log_id: u32,
    last_revision: u64,
    new_bytes: u64,
    pub(super) outcomes: Vec<Outcome>,
}

/// A log as it will be.
struct Touched {
    epoch: u64,
    head: u64,
    kept: Kept,
    entries: usize,
    bytes: u64,
    last_ms: u64,
    removed: HashSet<u64, RandomState>,
}

/// What is told when everything is on the disk.
pub(super) enum Outcome {
    Appended {
        reply: Reply<Appended>,
        result: Result<Appended, EngineError>,
        told: Option<(Arc<str>, Entry)>,
    },
    Removed {
        reply: Reply<()>,
    },
    Put {
        reply: Reply<Result<Revision, Conflict>>,
        result: Result<Result<Revision, Conflict>, EngineError>,
    },
    Afterwards(Work),
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        shared: &'a Arc<Exchange>,
        state: &'a State,
        frame: &'a mut Frame,
        now_ms: u64,
    ) -> Self {
        Self {
            shared,
            state,
            frame,
            now_ms,
            ids: HashMap::default(),
            logs: HashMap::default(),
            events: HashMap::default(),
            records: HashMap::default(),
            last_log_id: state.last_log_id,
            last_revision: state.last_revision,
            new_bytes: 0,
            outcomes: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, command: Command) {
        let outcome = match command {
            Command::Append { log, kept, payload, event, reply } => {
                let planned = self.append(&log, kept, &payload, event);
                let told = match &planned {
                    Ok((appended, appended_ms)) if !appended.is_repeated => {
                        let position = appended.position;
                        let previous = position.offset - 1;
                        let appended_ms = *appended_ms;
                        Some((log, Entry { position, previous, appended_ms, payload }))
                    }
                    _ => None,
                };
                let result = planned.map(|(appended, _)| appended);
                Outcome::Appended { reply, result, told }
            }
            Command::Remove { log, offsets, reply } => {
                self.remove(&log, &offsets);
                Outcome::Removed { reply }
            }
            Command::Put { key, value, expected, reply } => {
                Outcome::Put { reply, result: self.put(&key, value, expected) }
            }
            Command::Afterwards(work) => Outcome::Afterwards(work),
        };
        self.outcomes.push(outcome);
    }

    fn append(
        &mut self,
        name: &Arc<str>,
        kept: Kept,
        payload: &Bytes,
        event: Option<Arc<str>>,
    ) -> Result<(Appended, u64), EngineError> {
        let id = self.log(name, kept);
        if let Some(event) = &event
            && let Some(offset) = self.offset_of(id, event)
        {
            let position = Position { epoch: self.logs[&id].epoch, offset };
            return Ok((Appended { position, is_repeated: true }, 0));
        }
        let bytes = (super::format::ENTRY_OVERHEAD + payload.len()) as u64;
        self.admit(id, bytes, event.is_some())?;
        let Some(log) = self.logs.get_mut(&id) else { return Err(refused("no such log")) };
        log.head += 1;
        log.entries += 1;
        log.bytes += bytes;
        log.last_ms = log.last_ms.max(self.now_ms);
        let (offset, appended_ms) = (log.head, log.last_ms);
        let position = Position { epoch: log.epoch, offset };
        self.new_bytes += bytes;
        self.frame.push(&Item::Entry { id, offset, appended_ms, event: event.as_deref(), payload });
        if let Some(event) = event {
            self.events.insert((id, event), offset);
        }
        Ok((Appended { position, is_repeated: false }, appended_ms))
    }

    /// Whether there is room for one more entry.
    fn admit(&self, id: u32, bytes: u64, has_event: bool) -> Result<(), EngineError> {
        let (config, totals) = (&self.shared.config, &self.state.totals);
        let log = &self.logs[&id];
        if has_event && totals.events + self.events.len() as u64 >= config.events_max {
            return Err(overloaded());
        }
        let is_refused = log.kept.refuses
            && (log.entries >= log.kept.entries_max as usize
                || log.bytes + bytes > config.log_bytes_max
                || totals.entries >= config.entries_max
                || totals.pinned_bytes + self.new_bytes + bytes > config.pinned_bytes_max());
        if is_refused { Err(EngineError::Full) } else { Ok(()) }
    }

    /// The log of a name, made if there is none, and told how much it keeps.
    fn log(&mut self, name: &Arc<str>, kept: Kept) -> u32 {
        let known = self.ids.get(name).or_else(|| self.state.ids.get(name)).copied();
        let id = known.unwrap_or_else(|| {
            self.last_log_id += 1;
            self.ids.insert(Arc::clone(name), self.last_log_id);
            self.last_log_id
        });
        let (shared, state, now_ms) = (self.shared, self.state, self.now_ms);
        let touched = self.logs.entry(id).or_insert_with(|| match state.logs.get(&id) {
            Some(log) => Touched::of(log, now_ms),
            None => Touched::new(shared.epoch_to_be(name, state), kept),
        });
        if known.is_none() || touched.kept != kept {
            touched.kept = kept;
            let dropped = self.state.logs.get(&id).map_or(0, |log| log.dropped);
            let (epoch, head) = (touched.epoch, touched.head);
            self.frame.push(&Item::Log { id, epoch, head, dropped, kept, name });
        }
        id
    }

    fn offset_of(&self, id: u32, event: &Arc<str>) -> Option<u64> {
        let planned = self.events.get(&(id, Arc::clone(event))).copied();
        let known = || Some(self.state.logs.get(&id)?.event(event, self.now_ms)?.0);
        planned.or_else(known)
    }

    fn remove(&mut self, name: &Arc<str>, offsets: &[u64]) {
        let known = self.ids.get(name).or_else(|| self.state.ids.get(name));
        let Some(id) = known.copied() else { return };
        let (log, now_ms) = (self.state.logs.get(&id), self.now_ms);
        for offset in offsets.iter().copied() {
            // What is too old is gone already, by its age.
            let is_there =
                |log: &&LogState, slot: &Slot| slot.appended_ms >= log.kept.old_ms(now_ms);
            let slot = log.and_then(|log| log.slot(offset).filter(|slot| is_there(&log, slot)));
            let touched = match (self.logs.get_mut(&id), log) {
                (Some(touched), _) => touched,
                (None, Some(log)) => self.logs.entry(id).or_insert(Touched::of(log, self.now_ms)),
                (None, None) => return,
            };
            let is_planned = offset > log.map_or(0, |log| log.head) && offset <= touched.head;
            if (slot.is_some() || is_planned) && touched.removed.insert(offset) {
                touched.entries = touched.entries.saturating_sub(1);
                touched.bytes =
                    touched.bytes.saturating_sub(slot.map_or(0, |slot| slot.bytes() as u64));
                self.frame.push(&Item::Removal { id, offset });
            }
        }
    }

    fn put(
        &mut self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Result<Result<Revision, Conflict>, EngineError> {
        let current = match self.records.get(key) {
            Some(planned) => planned.clone(),
            None => self.state.records.get(key).map(|stored| stored.record.clone()),
        };
        if current.as_ref().map(|record| record.revision) != expected {
            return Ok(Err(Conflict { current }));
        }
        let added = value.as_ref().map_or(0, |value| value.len() + key.len()) as u64;
        let pinned = self.state.totals.pinned_bytes + self.new_bytes + added;
        let is_larger = value.as_ref().map_or(0, Bytes::len)
            > current.as_ref().map_or(0, |record| record.value.len());
        if is_larger && pinned > self.shared.config.pinned_bytes_max() {
            return Err(refused(
                "the records and logs that keep everything fill their part of the disk",
            ));
        }
        self.new_bytes += added;
        self.last_revision += 1;
        let revision = self.last_revision;
        match &value {
            Some(value) => self.frame.push(&Item::Put { key, revision, value }),
            None => self.frame.push(&Item::Deletion { key, revision }),
        }
        let revision = Revision(revision);
        self.records.insert(key.into(), value.map(|value| Record { value, revision }));
        Ok(Ok(revision))
    }
}

impl Touched {
    fn new(epoch: u64, kept: Kept) -> Self {
        let (entries, bytes, removed) = (0, 0, HashSet::default());
        Self { epoch, head: 0, kept, entries, bytes, last_ms: 0, removed }
    }

    fn of(log: &LogState, now_ms: u64) -> Self {
        let expired = log.expired(log.kept.old_ms(now_ms));
        Self {
            epoch: log.epoch,
            head: log.head,
            kept: log.kept,
            entries: log.slots().len() - expired,
            bytes: log.slots_bytes(),
            last_ms: log.last_ms,
            removed: HashSet::default(),
        }
    }
}
