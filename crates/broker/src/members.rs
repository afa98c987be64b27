//! Which nodes there are, and who looks after what a dead one leaves behind.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{Engine, EngineError, NodeId, Record, Revision, Status};

mod lease;
mod roster;
#[cfg(test)]
mod tests;
mod watching;

use lease::{Lease, State as LeaseState};
use roster::Roster;
use watching::{Judged, Watched};

/// The record with the names of all nodes.
const ROSTER: &str = "nodes";

/// How often a node says that it is there, and after how long nobody believes it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembersConfig {
    /// It says so, and looks at the others, this often.
    pub interval: Duration,
    /// Who has said nothing for this long is dead. Some intervals, so that a moment's delay kills nobody.
    pub lease: Duration,
}

impl Default for MembersConfig {
    /// Every 2 s, dead after 8 s.
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), lease: Duration::from_secs(8) }
    }
}

/// Which stretch of a node's life: the first, or one after it was given up for dead and came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(pub u64);

impl Life {
    /// As a node begins.
    pub const FIRST: Self = Self(1);
}

/// Who is told what becomes of nodes. Called from [`Members::run`]; must not block.
pub trait MembersListener: Send + Sync + 'static {
    /// This node is one of them, in this life; said again when the engine was away. Another life than before:
    /// it had been given up for dead, what it had written down is gone or going, and is to be written down again.
    fn handle_join(&self, life: Life);

    /// Another node is there, or there again.
    fn handle_arrival(&self, node: NodeId);

    /// Another node is gone, dead or not: each node is told once.
    fn handle_death(&self, node: NodeId);

    /// A node is dead, and this one is to settle what it left behind in this life, and then to
    /// [`conclude`](Members::conclude). Another node is told as well only if this one is given up for dead
    /// meanwhile.
    fn handle_estate(&self, node: NodeId, life: Life);
}

/// Which nodes there are.
///
/// Each has a record in which it counts on. One whose record has not changed for the length of a lease, by the clock
/// of whoever watches and while the engine answered all the time, is dead: one of the others claims its estate by
/// changing that record, settles it, and takes the record away. A claim is only as good as the claimant: where
/// that one is dead, another claims the same estate anew. So several may settle an estate at the same time, one of
/// them without knowing better, and everything that is done by way of settling must bear that.
pub struct Members {
    engine: Arc<dyn Engine>,
    id: NodeId,
    config: MembersConfig,
    listener: Arc<dyn MembersListener>,
    state: Mutex<State>,
    sooner: Notify,
}

#[derive(Default)]
struct State {
    own: Own,
    others: HashMap<NodeId, Watched>,
    /// The estates that this node settles.
    estates: HashSet<(NodeId, Life)>,
    /// When all of the others were last looked at.
    looked: Option<Instant>,
    has_left: bool,
}

/// This node's own record.
#[derive(Default)]
struct Own {
    life: u64,
    count: u64,
    revision: Option<Revision>,
    has_joined: bool,
    /// It has said so since the engine was away.
    is_confirmed: bool,
}

impl Members {
    /// A node that is to be one of them; [`Members::run`] makes it one.
    pub fn new(
        engine: Arc<dyn Engine>,
        id: NodeId,
        config: MembersConfig,
        listener: Arc<dyn MembersListener>,
    ) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { engine, id, config, listener, state, sooner: Notify::new() })
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Joins, says again and again that it is there, and watches the others, until [`Members::leave`]. To be spawned.
    pub async fn run(self: Arc<Self>) {
        while !self.state.lock().has_left {
            let mut pause = self.config.interval;
            // A failure is told by the engine's status; whoever cannot look judges nobody.
            if self.round().await.is_err() {
                self.state.lock().looked = None;
                // The others are waiting for a sign.
                pause /= 8;
            }
            let _ = tokio::time::timeout(pause, self.sooner.notified()).await;
        }
    }

    /// The engine's status has changed.
    pub fn handle_status(&self, status: &Status) {
        match status {
            Status::Up => self.sooner.notify_one(),
            // Silence while the engine is away says nothing.
            Status::Starting | Status::Down(_) => {
                let mut state = self.state.lock();
                state.looked = None;
                state.own.is_confirmed = false;
            }
        }
    }

    /// The other nodes that are not known to be dead.
    pub fn others(&self) -> Vec<NodeId> {
        let state = self.state.lock();
        let alive = state.others.iter().filter(|(_, watched)| watched.is_alive);
        alive.map(|(node, _)| *node).collect()
    }

    /// Whether this node has been one of them since it started.
    pub fn has_joined(&self) -> bool {
        self.state.lock().own.has_joined
    }

    /// An estate is settled: its node is forgotten, unless it is there again.
    ///
    /// # Errors
    ///
    /// The engine's; to be tried again.
    pub async fn conclude(&self, node: NodeId, life: Life) -> Result<(), EngineError> {
        let key = key_of(node);
        let record = self.engine.get(&key).await?;
        let lease = record.as_ref().and_then(|record| Lease::decode(&record.value));
        let is_ours = lease.is_none_or(|lease| {
            lease.life == life && lease.claimant().is_some_and(|(by, _)| by == self.id)
        });
        if is_ours {
            // The roster first: it is read by all, and who is in it without a record is waited for.
            self.strike(node).await?;
            if let Some(record) = record
                && let Err(conflict) = self.engine.put(&key, None, Some(record.revision)).await?
                && conflict.current.is_some()
            {
                // It came back at this very moment, and may have found itself in the roster.
                self.change_roster(|roster| roster.add(node)).await?;
            }
        }
        self.state.lock().estates.remove(&(node, life));
        Ok(())
    }

    /// Takes this node out, so that nobody waits for its lease to end. For a node that has written down nothing that
    /// would have to be settled; another is left to the others.
    pub async fn leave(&self) -> Result<(), EngineError> {
        let revision = {
            let mut state = self.state.lock();
            state.has_left = true;
            state.own.revision.take()
        };
        self.sooner.notify_one();
        if revision.is_some() {
            let _ = self.engine.put(&key_of(self.id), None, revision).await?;
        }
        self.strike(self.id).await
    }

    async fn round(&self) -> Result<(), EngineError> {
        self.beat().await?;
        let roster = self.enrol().await?;
        let nodes: Vec<NodeId> =
            roster.nodes().iter().copied().filter(|node| *node != self.id).collect();
        // All questions first: they are answered together.
        let asked: Vec<_> = nodes.iter().map(|node| self.engine.get(&key_of(*node))).collect();
        let mut records = Vec::with_capacity(nodes.len());
        for (node, record) in nodes.into_iter().zip(asked) {
            records.push((node, record.await?));
        }
        let Judged { dead, vanished } = self.judge(records, Instant::now());
        for (node, revision, lease) in dead {
            self.claim(node, revision, lease).await?;
        }
        for node in vanished {
            self.strike(node).await?;
        }
        Ok(())
    }

    /// Says that this node is there.
    async fn beat(&self) -> Result<(), EngineError> {
        let (mut life, count, mut revision) = {
            let mut state = self.state.lock();
            if state.has_left {
                return Ok(());
            }
            state.own.count += 1;
            (state.own.life.max(1), state.own.count, state.own.revision)
        };
        let key = key_of(self.id);
        let revision = loop {
            let lease = Lease { life: Life(life), count, state: LeaseState::Alive };
            match self.engine.put(&key, Some(lease.encode()), revision).await? {
                Ok(revision) => break revision,
                Err(conflict) => {
                    let current = conflict.current;
                    let found = current.as_ref().and_then(|record| Lease::decode(&record.value));
                    match found {
                        // An answer of ours was lost on its way.
                        Some(found) if found.is_alive() && found.life.0 >= life => {
                            life = found.life.0;
                        }
                        // Claimed, or settled, or forgotten by the engine.
                        _ if revision.is_some() => life += 1,
                        _ => life = life.max(found.map_or(0, |found| found.life.0) + 1),
                    }
                    revision = current.map(|record| record.revision);
                }
            }
        };
        let mut state = self.state.lock();
        let own = &mut state.own;
        let is_new = !own.is_confirmed || own.life != life;
        *own = Own { life, count, revision: Some(revision), has_joined: true, is_confirmed: true };
        drop(state);
        if is_new {
            self.listener.handle_join(Life(life));
        }
        Ok(())
    }

    /// Makes sure that this node is in the roster; answers who is.
    async fn enrol(&self) -> Result<Roster, EngineError> {
        self.change_roster(|roster| roster.add(self.id)).await
    }

    async fn strike(&self, node: NodeId) -> Result<(), EngineError> {
        self.change_roster(|roster| roster.remove(node)).await.map(drop)
    }

    async fn change_roster(
        &self,
        change: impl Fn(&mut Roster) -> bool,
    ) -> Result<Roster, EngineError> {
        let mut record = self.engine.get(ROSTER).await?;
        loop {
            let mut roster = read_roster(record.as_ref());
            if !change(&mut roster) {
                return Ok(roster);
            }
            let expected = record.map(|record| record.revision);
            match self.engine.put(ROSTER, Some(roster.encode()), expected).await? {
                Ok(_) => return Ok(roster),
                Err(conflict) => record = conflict.current,
            }
        }
    }

    /// Takes on the estate of a dead node, unless somebody else is faster.
    async fn claim(
        &self,
        node: NodeId,
        revision: Revision,
        lease: Lease,
    ) -> Result<(), EngineError> {
        let by = (self.id, Life(self.state.lock().own.life));
        if lease.claimant() != Some(by) {
            let claim = Lease { state: LeaseState::Claimed(by), ..lease };
            let put = self.engine.put(&key_of(node), Some(claim.encode()), Some(revision));
            if put.await?.is_err() {
                return Ok(());
            }
        }
        let (is_first, was_alive) = {
            let mut state = self.state.lock();
            let is_first = state.estates.insert((node, lease.life));
            let watched = state.others.get_mut(&node);
            (is_first, watched.is_some_and(|it| std::mem::replace(&mut it.is_alive, false)))
        };
        if was_alive {
            self.listener.handle_death(node);
        }
        if is_first {
            self.listener.handle_estate(node, lease.life);
        }
        Ok(())
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("id", &self.id).finish_non_exhaustive()
    }
}

fn key_of(node: NodeId) -> String {
    format!("node:{node}")
}

fn read_roster(record: Option<&Record>) -> Roster {
    record.map(|record| Roster::decode(&record.value)).unwrap_or_default()
}

/// What the records hold.
fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
