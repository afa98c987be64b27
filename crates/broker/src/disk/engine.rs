//! The engine's calls, each turned into a command or a read.

use std::{future::ready, ops::Bound, sync::Arc};

use bytes::Bytes;
use futures_channel::oneshot;

use super::{
    Disk, KIND,
    exchange::{Command, Exchange, Reply, overloaded, refused, unavailable},
    format::{Kept, NAME_BYTES_MAX},
    queue::Refused,
    read::{self, Request},
};
use crate::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Page, ReadLimits, Record,
    Revision, Status,
};

impl Engine for Disk {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn status(&self) -> Status {
        self.shared.status.read().clone()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        // Called once; a second one would be a mistake that changes nothing.
        let _ = self.shared.listener.set(listener);
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        self.topics.lock().insert(topic.into());
        answered(Ok(()))
    }

    fn unsubscribe(&self, topic: &str) {
        self.topics.lock().remove(topic);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        // The lock is held so that messages of a topic come one at a time.
        let topics = self.topics.lock();
        if topics.contains(topic)
            && let Some(listener) = self.shared.listener.get()
        {
            listener.handle_message(topic, payload);
        }
        Ok(())
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        let state = self.shared.state.read();
        let mut followed = self.shared.followed.lock();
        if !followed.contains_key(log.name) {
            followed.insert(log.name.into(), state.new_epoch);
        }
        answered(Ok(()))
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.shared.followed.lock().remove(log.name);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        let names = [Some(log.name), event].into_iter().flatten();
        if let Err(error) = self.check(names, entry.len()) {
            return answered(Err(error));
        }
        let bytes = entry.len();
        let (log, kept) = (log.name.into(), Kept::from(log.keep));
        let event = event.map(Arc::from);
        self.ask(bytes, |reply| Command::Append { log, kept, payload: entry, event, reply })
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        let request = Request { log: log.name.into(), kept: Kept::from(log.keep), after, limits };
        let shared = &self.shared;
        let is_idle = shared.commands.is_idle();
        if is_idle && let Some(page) = read::page_without_reading(shared, &request) {
            return answered(Ok(page));
        }
        let (reply, answer) = oneshot::channel();
        if is_idle {
            hand_to_reader(shared, request, reply);
        } else {
            // What was asked before it comes first.
            let work =
                Box::new(move |shared: &Arc<Exchange>| hand_to_reader(shared, request, reply));
            if let Err(refused) = shared.commands.push(Command::Afterwards(work), 0) {
                return answered(Err(not_taken(refused)));
            }
        }
        waiting(answer, overloaded())
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        /// What is taken out at once goes into one frame.
        const OFFSETS_MAX: usize = 1_000_000;
        if offsets.len() > OFFSETS_MAX {
            return answered(Err(refused("more than 1,000,000 entries are taken out at once")));
        }
        let (log, offsets) = (log.name.into(), offsets.to_vec());
        self.ask(offsets.len() * 8, |reply| Command::Remove { log, offsets, reply })
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        let key: Box<str> = key.into();
        self.look(move |shared| {
            shared.state.read().records.get(&key).map(|stored| stored.record.clone())
        })
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        let bytes = value.as_ref().map_or(0, Bytes::len);
        if let Err(error) = self.check([key].into_iter(), bytes) {
            return answered(Err(error));
        }
        let key = key.into();
        self.ask(bytes, |reply| Command::Put { key, value, expected, reply })
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        let prefix: Box<str> = prefix.into();
        self.look(move |shared| {
            let state = shared.state.read();
            let from = (Bound::Included(&*prefix), Bound::Unbounded);
            let keys = state.records.range::<str, _>(from).map(|(key, _)| &**key);
            keys.take_while(|key| key.starts_with(&*prefix)).map(str::to_owned).collect()
        })
    }
}

impl Disk {
    fn check<'a>(
        &self,
        mut names: impl Iterator<Item = &'a str>,
        payload_bytes: usize,
    ) -> Result<(), EngineError> {
        if names.any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(refused("a name is longer than 1,024 bytes"));
        }
        if payload_bytes > self.shared.config.payload_bytes_max {
            return Err(refused("it is larger than an entry may be"));
        }
        Ok(())
    }

    /// Asks the writer.
    fn ask<T: Send + 'static>(
        &self,
        bytes: usize,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Answer<T> {
        if let Some(error) = self.shared.unavailable() {
            return answered(Err(error));
        }
        let (reply, answer) = oneshot::channel();
        match self.shared.commands.push(command(reply), bytes) {
            // The writer ended with it on its way.
            Ok(()) => waiting(answer, EngineError::Unknown { kind: KIND }),
            Err(refused) => answered(Err(not_taken(refused))),
        }
    }

    /// Looks something up in memory, behind what was asked before.
    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Exchange) -> T + Send + 'static,
    ) -> Answer<T> {
        if self.shared.commands.is_idle() {
            return answered(Ok(look(&self.shared)));
        }
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |shared: &Arc<Exchange>| {
            // Nobody may be waiting any more.
            let _ = reply.send(Ok(look(shared)));
        });
        match self.shared.commands.push(Command::Afterwards(work), 0) {
            Ok(()) => waiting(answer, overloaded()),
            Err(refused) => answered(Err(not_taken(refused))),
        }
    }
}

fn hand_to_reader(shared: &Arc<Exchange>, request: Request, reply: Reply<Page>) {
    let job = Box::new(move |shared: &Exchange| {
        // Nobody may be waiting any more.
        let _ = reply.send(read::page(shared, &request));
    });
    // If it is refused, the reply is dropped, and that is the answer.
    let _ = shared.reads.push_one(job);
}

fn answered<T: Send + 'static>(answer: Result<T, EngineError>) -> Answer<T> {
    Box::pin(ready(answer))
}

fn waiting<T: Send + 'static>(
    answer: oneshot::Receiver<Result<T, EngineError>>,
    if_dropped: EngineError,
) -> Answer<T> {
    Box::pin(async move { answer.await.unwrap_or(Err(if_dropped)) })
}

fn not_taken(refused: Refused) -> EngineError {
    match refused {
        Refused::Full => overloaded(),
        Refused::Closed => unavailable("it is being closed"),
    }
}
