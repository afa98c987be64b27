//! Which user is connected to which nodes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{Engine, EngineError, Life, NodeId, Status};

mod entering;
mod local;
mod queues;
mod record;
mod settling;
#[cfg(test)]
mod tests;
mod writing;

pub use entering::{Entered, TooMany};
use local::Local;
use record::Entries;
pub use settling::Settled;

/// What the names of users' records begin with.
const USER: &str = "user:";
/// What the directory may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersConfig {
    /// Up to so many records are being changed at the same moment, and as many looked at for a dead node.
    pub in_flight_max: NonZeroUsize,
    /// After an outage, so many users of this node are written down again each second.
    pub asserts_per_second: NonZeroU32,
    /// After an outage, users who went meanwhile are written off this much later than those who are there are written
    /// down: they may have gone to another node, which has yet to say so.
    pub parting_delay: Duration,
    /// Who enters waits this long for the other nodes' counts; then this node's own decides.
    pub enter_timeout: Duration,
    /// Whether each connection is counted, as a limit needs it. Otherwise a record changes only with the first
    /// and the last.
    pub counts: bool,
}

impl Default for UsersConfig {
    /// 64 at a time, 5,000 a second, 10 s later, 5 s, counted.
    fn default() -> Self {
        Self {
            in_flight_max: const { NonZeroUsize::new(64).unwrap() },
            asserts_per_second: const { NonZeroU32::new(5000).unwrap() },
            parting_delay: Duration::from_secs(10),
            enter_timeout: Duration::from_secs(5),
            counts: true,
        }
    }
}

/// How a user's last connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfflineCause {
    /// It ended, and its node has noticed.
    Left,
    /// Its node is dead.
    NodeLost,
}

/// Who is told that a user is offline. Must not block.
pub trait UsersListener: Send + Sync + 'static {
    /// The last connection of a user, on any node, is gone. Of all nodes one is told, once.
    fn handle_offline(&self, user: &str, cause: OfflineCause);
}

/// Which user is connected to which nodes, and how often.
///
/// Each user has a record that says of each node how many connections the user has there. A node changes its own
/// count alone, by compare-and-set, and always to what it is at that moment: what comes and goes in between
/// is never written. Who takes the last count out of a record is who tells that the user is offline, so that
/// nobody else does; that node being killed between the answer that says so and the telling is the one way for a user's end
/// to be forgotten. The answer itself may be lost. Then the record shows what became of it, for a
/// node alone takes its count out, or whoever settles its estate; only where both may have done it, nobody
/// tells: rather never than twice.
///
/// While the engine is away, nothing is told; it is made up for when it is back.
pub struct Users {
    engine: Arc<dyn Engine>,
    node: NodeId,
    config: UsersConfig,
    listener: Arc<dyn UsersListener>,
    state: Mutex<State>,
    /// There is something to write.
    work: Notify,
    /// There is something to write again, or it may be written now.
    paced_work: Notify,
    /// Nothing is left to be written.
    quiet: Notify,
    /// Names for what is told by way of settling.
    tokens: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Nothing is written before this node is one of the members.
    life: Option<Life>,
    is_up: bool,
    /// This node is known to be believed alive: it has said so since the engine was away.
    is_confirmed: bool,
    /// A change has failed: what is put back waits longer.
    is_troubled: bool,
    users: HashMap<Arc<str>, Local>,
    /// To be written at once.
    urgent: VecDeque<Arc<str>>,
    /// To be written at a pace.
    paced: VecDeque<Arc<str>>,
    /// To be written at a pace, when nothing else is and a while has passed.
    parting: VecDeque<Arc<str>>,
    parting_from: Option<Instant>,
    /// Records that are being changed.
    busy: usize,
    /// Told by nobody as far as is known: the answer was lost.
    untold: HashSet<Box<str>>,
}

impl Users {
    /// The directory as this node sees it; [`Users::run`] does the work.
    pub fn new(
        engine: Arc<dyn Engine>,
        node: NodeId,
        config: UsersConfig,
        listener: Arc<dyn UsersListener>,
    ) -> Arc<Self> {
        let state = State { is_up: engine.status() == Status::Up, ..State::default() };
        Arc::new(Self {
            engine,
            node,
            config,
            listener,
            state: Mutex::new(state),
            work: Notify::new(),
            paced_work: Notify::new(),
            quiet: Notify::new(),
            tokens: AtomicU64::new(0),
        })
    }

    /// Writes what is to be written, for ever. To be spawned.
    pub async fn run(self: Arc<Self>) {
        let workers = (0..self.config.in_flight_max.get()).map(|_| self.work());
        let workers = futures_util::future::join_all(workers);
        futures_util::future::join(workers, self.keep_pace()).await;
    }

    /// One more connection of a user, if it has fewer than `max` on all nodes together. Where the engine
    /// cannot be asked, this node's own count decides. Each [`Entered`] is to be followed by one
    /// [`leave`](Self::leave).
    ///
    /// # Errors
    ///
    /// The user has as many.
    pub async fn enter(&self, user: &str, max: Option<NonZeroUsize>) -> Result<Entered, TooMany> {
        self.enter_by(user, max).await
    }

    /// One connection of a user is gone.
    pub fn leave(&self, user: &str) {
        let mut state = self.state.lock();
        let Some((user, local)) = state.users.get_key_value(user) else {
            return debug_assert!(false, "nobody leaves without having entered");
        };
        let (user, is_busy) = (user.clone(), local.is_busy);
        if let Some(local) = state.users.get_mut(&user) {
            local.connected = local.connected.saturating_sub(1);
        }
        if !is_busy {
            self.queue(&mut state, user);
        }
    }

    /// The nodes that a user is connected to, with the number of connections.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub async fn nodes_of(&self, user: &str) -> Result<Vec<(NodeId, u32)>, EngineError> {
        let record = self.engine.get(&key_of(user)).await?;
        Ok(record.map(|record| Entries::decode(&record.value).counts()).unwrap_or_default())
    }

    /// This node is a member, in this life: to be said when it becomes one, and again when the engine
    /// was away. Nothing is written before, for another node may have settled what this one had written.
    pub fn handle_join(&self, life: Life) {
        let mut state = self.state.lock();
        let known = state.life.replace(life);
        state.is_confirmed = true;
        state.doubt_all(known != Some(life));
        state.parting_from = Some(Instant::now() + self.config.parting_delay);
        drop(state);
        self.paced_work.notify_one();
    }

    /// The engine's status has changed. To be said here before it is said to [`Members`](crate::Members), which
    /// may answer with [`handle_join`](Self::handle_join).
    pub fn handle_status(&self, status: &Status) {
        let mut state = self.state.lock();
        state.is_up = *status == Status::Up;
        if !state.is_up {
            state.is_confirmed = false;
        }
        drop(state);
        // An answer from before an outage may have confirmed this node during it.
        self.paced_work.notify_one();
    }

    /// What this node's record of a user says may be wrong: another node has asked for a connection of the user,
    /// and there is none.
    pub fn handle_doubt(&self, user: &str) {
        let mut state = self.state.lock();
        if !state.users.contains_key(user) {
            let user: Arc<str> = user.into();
            state.users.insert(user.clone(), Local::doubtful());
            state.requeue(&user);
            drop(state);
            self.paced_work.notify_one();
        }
    }

    /// Waits until nothing is left to be written: before a node leaves. May take as long as the engine is
    /// away.
    pub async fn written(&self) {
        loop {
            let quiet = self.quiet.notified();
            if self.state.lock().is_quiet() {
                return;
            }
            quiet.await;
        }
    }

    /// Users whom this node has, or has to write down that it has not.
    pub fn len(&self) -> usize {
        self.state.lock().users.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn token(&self) -> Box<str> {
        let number = self.tokens.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.node).into()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("node", &self.node).finish_non_exhaustive()
    }
}

fn key_of(user: &str) -> String {
    format!("{USER}{user}")
}
