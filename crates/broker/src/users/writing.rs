//! From what is so to what is written.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    OfflineCause, State, Users, key_of,
    local::{Local, Written},
    record::Entries,
};
use crate::{EngineError, Life, NodeId, Record, Revision};

/// A record as it was read, or as it must be if nobody has changed it.
#[derive(Clone, Debug, Default)]
struct Found {
    entries: Entries,
    revision: Option<Revision>,
}

/// What comes next for a user.
enum Step {
    /// The record is to be read.
    Read,
    /// The record is to be changed.
    Put { value: Option<Bytes>, expected: Option<Revision>, change: Change },
    /// Nothing is to be done.
    Done { is_offline: bool },
}

/// What a change says.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Our count, as it is from then on.
    count: u32,
    /// No other node is in the record.
    is_alone: bool,
    /// It takes our count out.
    is_removal: bool,
    /// It makes the record.
    is_first: bool,
}

impl Users {
    /// Makes a user's record say what is so, and goes on until it does.
    pub(super) async fn write(&self, user: &Arc<str>) {
        let key = key_of(user);
        let mut found = None;
        loop {
            match self.step(user, found.take()) {
                Step::Read => match self.engine.get(&key).await {
                    Ok(record) => found = Some(Found::of(record)),
                    Err(error) => return self.put_off(user, &error, None),
                },
                Step::Put { value, expected, change } => {
                    match self.engine.put(&key, value, expected).await {
                        Ok(Ok(revision)) => self.conclude(user, change, revision),
                        Ok(Err(conflict)) => found = Some(Found::of(conflict.current)),
                        Err(error) => return self.put_off(user, &error, Some(change)),
                    }
                }
                Step::Done { is_offline } => {
                    if is_offline {
                        self.listener.handle_offline(user, OfflineCause::Left);
                    }
                    return self.let_go(user);
                }
            }
        }
    }

    fn step(&self, user: &str, found: Option<Found>) -> Step {
        const NOTHING: Step = Step::Done { is_offline: false };
        let mut state = self.state.lock();
        let Some(life) = state.life else { return NOTHING };
        let Some(local) = state.users.get_mut(user) else { return NOTHING };
        let Some(found) = found.or_else(|| local.written.assume(self.node, life)) else {
            return Step::Read;
        };
        // What is assumed names no other node: who is turned away by that is one too many here alone.
        let count = local.foresee(found.entries.others_than(self.node));
        let count = if self.config.counts { count } else { count.min(1) };
        let own = found.entries.of(self.node);
        let is_unsure = matches!(local.written, Written::Unsure { .. });
        if own != (count > 0).then_some((life, count)) || is_unsure && own.is_some() {
            let mut entries = found.entries;
            entries.set(self.node, life, count);
            let is_alone = entries.others_than(self.node) == 0;
            let is_first = found.revision.is_none();
            let change = Change { count, is_alone, is_removal: count == 0, is_first };
            return Step::Put { value: entries.encode(), expected: found.revision, change };
        }
        local.judge();
        let was_last = local.written == Written::Unsure { was_last: true } && count == 0;
        let is_alone = found.entries.others_than(self.node) == 0;
        local.note(found.revision, count, is_alone);
        // Between the verdicts and this, nobody has come or gone: the lock is held.
        Step::Done { is_offline: was_last && found.entries.is_empty() }
    }

    fn conclude(&self, user: &Arc<str>, change: Change, revision: Revision) {
        let Change { count, is_alone, is_removal, .. } = change;
        {
            let mut state = self.state.lock();
            let Some(local) = state.users.get_mut(user) else { return };
            local.judge();
            local.note(Some(revision), count, is_alone);
        }
        if is_removal && is_alone {
            self.listener.handle_offline(user, OfflineCause::Left);
        }
    }

    /// It did not come to an end, and is tried again in a while.
    fn put_off(&self, user: &Arc<str>, error: &EngineError, change: Option<Change>) {
        let mut state = self.state.lock();
        state.is_troubled = true;
        let is_away = !state.can_write() || matches!(error, EngineError::Unavailable { .. });
        if let Some(local) = state.users.get_mut(user) {
            if let (EngineError::Unknown { .. }, Some(change)) = (error, change) {
                let was_last = change.is_removal && change.is_alone;
                local.written = Written::Unsure { was_last };
                local.is_haunted |= change.is_first;
            }
            if is_away {
                local.judge_here();
            }
        }
        state.requeue(user);
        state.release(user);
        drop(state);
        self.paced_work.notify_one();
        self.quiet.notify_waiters();
    }

    /// It is as it should be, unless something has happened meanwhile.
    fn let_go(&self, user: &Arc<str>) {
        let mut state = self.state.lock();
        state.release(user);
        let Some(local) = state.users.get_mut(user) else { return };
        if local.is_done_with() && std::mem::take(&mut local.is_haunted) {
            local.written = Written::Stale;
            state.part_later(user, self.config.parting_delay);
            self.paced_work.notify_one();
        } else if local.is_done_with() && !local.is_urgent {
            state.users.remove(user);
        } else if !local.waiting.is_empty() || !is_written(local, self.config.counts) {
            self.queue(&mut state, user.clone());
        }
        let is_quiet = state.is_quiet();
        drop(state);
        if is_quiet {
            self.quiet.notify_waiters();
        }
    }
}

impl State {
    fn release(&mut self, user: &str) {
        if let Some(local) = self.users.get_mut(user) {
            local.is_busy = false;
        }
        self.busy -= 1;
    }
}

impl Local {
    /// So it stands now, as far as we know.
    fn note(&mut self, revision: Option<Revision>, count: u32, is_alone: bool) {
        self.written = match revision {
            // Something has happened meanwhile that makes everything doubtful.
            _ if self.is_paced => Written::Stale,
            _ if count == 0 => Written::Nothing,
            Some(revision) => Written::Standing { revision, count, is_alone },
            None => Written::Stale,
        };
    }
}

impl Written {
    /// What the record says if nobody else has changed it, where that is known.
    fn assume(self, node: NodeId, life: Life) -> Option<Found> {
        match self {
            Self::Nothing => Some(Found::default()),
            Self::Standing { revision, count, is_alone: true } => {
                let mut entries = Entries::default();
                entries.set(node, life, count);
                Some(Found { entries, revision: Some(revision) })
            }
            Self::Standing { is_alone: false, .. } | Self::Stale | Self::Unsure { .. } => None,
        }
    }
}

impl Found {
    fn of(record: Option<Record>) -> Self {
        let Some(record) = record else { return Self::default() };
        let entries = Entries::decode(&record.value);
        Self { entries, revision: Some(record.revision) }
    }
}

fn is_written(local: &Local, counts: bool) -> bool {
    let count = if counts { local.connected } else { local.connected.min(1) };
    match local.written {
        Written::Nothing => count == 0,
        Written::Standing { count: written, .. } => count == written,
        // Somebody has put it into the queue.
        Written::Stale | Written::Unsure { .. } => true,
    }
}
