//! Telling what came of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    EngineError, Entry,
    disk::{
        exchange::{Command, Counts, Exchange},
        plan::Outcome,
    },
};

/// Everything is on the disk. Who follows is told first.
pub(super) fn deliver(shared: &Arc<Exchange>, outcomes: Vec<Outcome>) {
    let mut appends = 0;
    for outcome in outcomes {
        match outcome {
            Outcome::Appended { reply, result, told } => {
                if let Some((log, entry)) = told {
                    appends += 1;
                    tell(shared, &log, entry);
                }
                // Nobody may be waiting any more.
                let _ = reply.send(result);
            }
            Outcome::Removed { reply } => {
                let _ = reply.send(Ok(()));
            }
            Outcome::Put { reply, result } => {
                let _ = reply.send(result);
            }
            Outcome::Afterwards(work) => work(shared),
        }
    }
    Counts::add(&shared.counts.appends, appends);
}

fn tell(shared: &Arc<Exchange>, log: &Arc<str>, entry: Entry) {
    if !shared.followed.lock().contains_key(log) {
        return;
    }
    if let Some(listener) = shared.listener.get() {
        // A listener that panics does not end the writing.
        let _ = catch_unwind(AssertUnwindSafe(|| listener.handle_entry(log, entry)));
    }
}

/// Nothing of it is on the disk, or nobody knows.
pub(super) fn fail(shared: &Arc<Exchange>, outcomes: Vec<Outcome>, error: &EngineError) {
    for outcome in outcomes {
        match outcome {
            Outcome::Appended { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
            Outcome::Removed { reply } => {
                let _ = reply.send(Err(error.clone()));
            }
            Outcome::Put { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
            Outcome::Afterwards(work) => work(shared),
        }
    }
}

/// Nothing of it was tried.
pub(super) fn refuse(shared: &Arc<Exchange>, commands: Vec<Command>, error: &EngineError) {
    for command in commands {
        match command {
            Command::Append { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
            Command::Remove { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
            Command::Put { reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
            Command::Afterwards(work) => work(shared),
        }
    }
}

/// What a command takes in a frame, about.
pub(super) fn bytes(command: &Command) -> usize {
    match command {
        Command::Append { payload, .. } => payload.len(),
        Command::Remove { offsets, .. } => offsets.len() * 13,
        Command::Put { value, .. } => value.as_ref().map_or(0, bytes::Bytes::len),
        Command::Afterwards(_) => 0,
    }
}
