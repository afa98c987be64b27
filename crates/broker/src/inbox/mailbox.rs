//! An inbox as one connection sees it.

use std::{collections::VecDeque, future::Future, sync::Arc};

use parking_lot::Mutex;

use super::{
    Inbox, Letter, decode,
    devices::{Acked, Bounds, Devices, bounded_name},
    log_name,
};
use crate::{EngineError, Log, Page, ReadLimits};

/// A user's inbox, as one connection of a device sees it: what is in it is handed out in its order, each
/// letter once, and what the device acknowledges is taken out when no other device waits for it.
#[derive(Debug)]
pub struct Mailbox {
    inbox: Arc<Inbox>,
    log: Box<str>,
    record: Box<str>,
    device: Box<str>,
    now_ms: u64,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Not before its first look.
    devices: Option<Devices>,
    /// Of which life of the log all offsets are; not known before the first look.
    epoch: Option<u64>,
    /// What the device had acknowledged before.
    acked: Acked,
    /// Handed out up to here.
    after: u64,
    /// What was handed out, from the first that is not acknowledged.
    out: VecDeque<Out>,
    /// Everything before `out` is acknowledged up to here.
    upto: u64,
    /// Acknowledged, and not written down.
    unwritten: Vec<u64>,
    is_writing: bool,
}

#[derive(Debug)]
struct Out {
    offset: u64,
    id: Box<str>,
    is_acked: bool,
}

impl Mailbox {
    pub(super) fn new(inbox: Arc<Inbox>, user: &str, device: &str, now_ms: u64) -> Self {
        Self {
            inbox,
            log: log_name(user).into(),
            record: format!("devices:{user}").into(),
            device: bounded_name(device),
            now_ms,
            looking: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// The letters behind those that were handed out, the oldest first, without those that the device has
    /// acknowledged. None: there is no more for now.
    pub fn next(
        self: &Arc<Self>,
        limits: ReadLimits,
    ) -> impl Future<Output = Result<Vec<Letter>, EngineError>> + Send + use<> {
        let mailbox = self.clone();
        async move {
            let _turn = mailbox.looking.lock().await;
            mailbox.be_known().await?;
            loop {
                let after = mailbox.state.lock().after;
                let log = Log { name: &mailbox.log, keep: &mailbox.inbox.keep };
                let page = mailbox.inbox.engine.read(&log, after, limits).await?;
                let Handed { letters, swept, is_last } = mailbox.hand_out(&page);
                if !swept.is_empty() {
                    mailbox.inbox.engine.remove(&log, &swept).await?;
                }
                if is_last || !letters.is_empty() {
                    return Ok(letters);
                }
            }
        }
    }

    /// The device has acknowledged a letter. `true`: somebody has to [`flush`](Self::flush) it. What is no
    /// letter that was handed out here is nothing to us.
    pub fn ack(&self, id: &str) -> bool {
        let mut state = self.state.lock();
        let Some(out) = state.out.iter_mut().find(|out| *out.id == *id && !out.is_acked) else {
            return false;
        };
        out.is_acked = true;
        let offset = out.offset;
        state.unwritten.push(offset);
        while let Some(first) = state.out.front().filter(|out| out.is_acked) {
            state.upto = first.offset;
            state.out.pop_front();
        }
        !state.is_writing
    }

    /// Writes down what was acknowledged, all of it together. After an error it is still to be written, with
    /// the next call.
    pub fn flush(self: &Arc<Self>) -> impl Future<Output = Result<(), EngineError>> + Send + use<> {
        let mailbox = self.clone();
        async move {
            if std::mem::replace(&mut mailbox.state.lock().is_writing, true) {
                return Ok(());
            }
            loop {
                let (epoch, upto, offsets) = {
                    let mut state = mailbox.state.lock();
                    let offsets = std::mem::take(&mut state.unwritten);
                    state.is_writing = !offsets.is_empty();
                    (state.epoch, state.upto, offsets)
                };
                let Some(epoch) = epoch.filter(|_| !offsets.is_empty()) else { return Ok(()) };
                if let Err(error) = mailbox.write(epoch, upto, &offsets).await {
                    let mut state = mailbox.state.lock();
                    if state.epoch == Some(epoch) {
                        state.unwritten.extend(offsets);
                    }
                    state.is_writing = false;
                    return Err(error);
                }
            }
        }
    }

    /// Makes the device one that is waited for.
    async fn be_known(&self) -> Result<(), EngineError> {
        if self.state.lock().devices.is_some() {
            return Ok(());
        }
        let engine = &self.inbox.engine;
        let mut record = engine.get(&self.record).await?;
        let devices = loop {
            let mut devices = read(record.as_ref());
            if !devices.see(&self.device, self.now_ms, self.bounds()) {
                break devices;
            }
            let expected = record.map(|record| record.revision);
            match engine.put(&self.record, Some(devices.encode()), expected).await? {
                Ok(_) => break devices,
                Err(conflict) => record = conflict.current,
            }
        };
        self.state.lock().devices = Some(devices);
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        let config = &self.inbox.config;
        let ttl_ms = u64::try_from(config.ttl.as_millis()).unwrap_or(u64::MAX);
        Bounds { ttl_ms, devices_max: config.devices_max }
    }

    fn hand_out(&self, page: &Page) -> Handed {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(devices) = &state.devices else { return Handed::nothing() };
        let epoch = page.head.epoch;
        if state.epoch != Some(epoch) {
            // What was known by offset is known no more. The first look is at the beginning anyway.
            let is_first = state.after == 0;
            state.epoch = Some(epoch);
            state.acked = devices.acked_by(&self.device, epoch);
            state.upto = state.acked.upto();
            (state.after, state.out) = (0, VecDeque::new());
            state.unwritten.clear();
            if !is_first {
                return Handed { is_last: false, ..Handed::nothing() };
            }
        }
        let (mut letters, mut swept) = (Vec::new(), Vec::new());
        for entry in &page.entries {
            let offset = entry.position.offset;
            state.after = offset;
            if state.acked.contains(offset) {
                // Whoever was to take it out has died over it.
                if devices.is_acked_by_all(offset, epoch) {
                    swept.push(offset);
                }
                continue;
            }
            match decode(&entry.payload) {
                Some(letter) => {
                    let id = letter.id.clone();
                    state.out.push_back(Out { offset, id, is_acked: false });
                    letters.push(letter);
                }
                // Written by nobody who knows how: it would be in the way for ever.
                None => swept.push(offset),
            }
        }
        let is_last = page.entries.is_empty() || state.after >= page.head.offset;
        Handed { letters, swept, is_last }
    }

    async fn write(&self, epoch: u64, upto: u64, offsets: &[u64]) -> Result<(), EngineError> {
        let engine = &self.inbox.engine;
        let log = Log { name: &self.log, keep: &self.inbox.keep };
        let mut record = engine.get(&self.record).await?;
        loop {
            let mut devices = read(record.as_ref());
            if devices.is_alone(&self.device) {
                return engine.remove(&log, offsets).await;
            }
            // It may have been given up meanwhile.
            devices.see(&self.device, self.now_ms, self.bounds());
            devices.ack(&self.device, epoch, upto, offsets);
            let expected = record.map(|record| record.revision);
            match engine.put(&self.record, Some(devices.encode()), expected).await? {
                Ok(_) => {
                    let is_done = |offset: &u64| devices.is_acked_by_all(*offset, epoch);
                    let done: Vec<u64> = offsets.iter().copied().filter(is_done).collect();
                    if done.is_empty() {
                        return Ok(());
                    }
                    return engine.remove(&log, &done).await;
                }
                Err(conflict) => record = conflict.current,
            }
        }
    }
}

/// What a look found.
struct Handed {
    letters: Vec<Letter>,
    swept: Vec<u64>,
    is_last: bool,
}

impl Handed {
    fn nothing() -> Self {
        Self { letters: Vec::new(), swept: Vec::new(), is_last: true }
    }
}

fn read(record: Option<&crate::Record>) -> Devices {
    record.map(|record| Devices::decode(&record.value)).unwrap_or_default()
}
