//! For tests: nodes with members and users on one engine, in virtual time.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::{
    Engine, Entry, Life, Listener, Members, MembersConfig, MembersListener, MemoryCluster, NodeId,
    OfflineCause, Status, Users, UsersConfig, UsersListener,
    unsteady::{Departures, Unsteady},
};

/// What happened, on all nodes, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Joined { node: u64, life: u64 },
    Arrived { at: u64, node: u64 },
    Died { at: u64, node: u64 },
    Estate { at: u64, node: u64 },
    Entered { user: String },
    Offline { at: u64, user: String, cause: OfflineCause },
}

pub(crate) type Journal = Arc<Mutex<Vec<Seen>>>;

/// One engine.
pub(crate) struct Stage {
    pub(crate) cluster: MemoryCluster,
    pub(crate) journal: Journal,
    departures: Departures,
    seed: u64,
    delay_ms_max: u64,
}

/// A process.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) engine: Arc<Unsteady>,
    pub(crate) members: Arc<Members>,
    pub(crate) users: Arc<Users>,
    listener: Arc<Ears>,
}

/// Who hears everything.
struct Ears {
    id: u64,
    journal: Journal,
    parts: OnceLock<(Arc<Members>, Arc<Users>)>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Stage {
    pub(crate) fn new(seed: u64, delay_ms_max: u64) -> Self {
        let (journal, departures) = (Journal::default(), Departures::default());
        Self { cluster: MemoryCluster::new(), journal, departures, seed, delay_ms_max }
    }

    pub(crate) fn node(&self, number: u64) -> Node {
        let (memory, seed) = (self.cluster.node(), self.seed * 31 + number);
        let engine = Unsteady::new(memory, seed, self.delay_ms_max, self.departures.clone());
        let id = NodeId::from_random(number);
        let ears = Arc::new(Ears {
            id: number,
            journal: self.journal.clone(),
            parts: OnceLock::new(),
            tasks: Mutex::default(),
        });
        engine.start(ears.clone());
        let members = Members::new(engine.clone(), id, MembersConfig::default(), ears.clone());
        let users = Users::new(engine.clone(), id, UsersConfig::default(), ears.clone());
        assert!(ears.parts.set((members.clone(), users.clone())).is_ok());
        ears.spawn(members.clone().run());
        ears.spawn(users.clone().run());
        Node { id, engine, members, users, listener: ears }
    }

    pub(crate) fn seen(&self, is_meant: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        self.journal.lock().iter().filter(|seen| is_meant(seen)).cloned().collect()
    }

    pub(crate) fn offline(&self) -> Vec<String> {
        let journal = self.journal.lock();
        let told = journal.iter().filter_map(|seen| match seen {
            Seen::Offline { user, .. } => Some(user.clone()),
            _ => None,
        });
        told.collect()
    }

    /// Each time that somebody had no connection left, nobody was told of it twice; answers how often nobody
    /// was told at all.
    pub(crate) fn check_told_once(&self) -> usize {
        let mut departures = self.departures.lock().clone();
        for user in self.offline() {
            let left = departures.get_mut(&format!("user:{user}")).filter(|left| **left > 0);
            *left.unwrap_or_else(|| panic!("{user} was told of twice")) -= 1;
        }
        departures.iter().filter(|(key, _)| key.starts_with("user:")).map(|(_, left)| left).sum()
    }
}

impl Node {
    pub(crate) async fn enter(&self, user: &str, max: Option<usize>) -> bool {
        let max = max.and_then(std::num::NonZeroUsize::new);
        let entered = self.users.enter(user, max).await.is_ok();
        if entered {
            self.listener.note(Seen::Entered { user: user.to_owned() });
        }
        entered
    }

    /// The process ends, from one moment to the next.
    pub(crate) fn kill(self) {
        self.listener.tasks.lock().drain(..).for_each(|task| task.abort());
        self.engine.memory.set_down("killed");
    }
}

impl Ears {
    fn note(&self, seen: Seen) {
        self.journal.lock().push(seen);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().push(tokio::spawn(task));
    }

    #[expect(clippy::expect_used, reason = "set before anything happens")]
    fn parts(&self) -> &(Arc<Members>, Arc<Users>) {
        self.parts.get().expect("a node has its parts")
    }
}

impl Listener for Ears {
    fn handle_message(&self, _: &str, _: Bytes) {}

    fn handle_entry(&self, _: &str, _: Entry) {}

    fn handle_status(&self, status: &Status) {
        let (members, users) = self.parts();
        users.handle_status(status);
        members.handle_status(status);
    }
}

impl MembersListener for Ears {
    fn handle_join(&self, life: Life) {
        self.note(Seen::Joined { node: self.id, life: life.0 });
        self.parts().1.handle_join(life);
    }

    fn handle_arrival(&self, node: NodeId) {
        self.note(Seen::Arrived { at: self.id, node: node.bits() });
    }

    fn handle_death(&self, node: NodeId) {
        self.note(Seen::Died { at: self.id, node: node.bits() });
    }

    fn handle_estate(&self, node: NodeId, life: Life) {
        self.note(Seen::Estate { at: self.id, node: node.bits() });
        let (members, users) = self.parts().clone();
        self.spawn(async move {
            users.settle_estate(&members, node, life).await;
        });
    }
}

impl UsersListener for Ears {
    fn handle_offline(&self, user: &str, cause: OfflineCause) {
        self.note(Seen::Offline { at: self.id, user: user.to_owned(), cause });
    }
}

/// Lets time pass.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
