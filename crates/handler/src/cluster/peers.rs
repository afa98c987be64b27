//! The other nodes, which users they have, and what they ask.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{
    runtime::Handle,
    sync::mpsc::{Receiver, Sender, channel},
    task::{AbortHandle, JoinHandle},
};
use ws_broker::{
    Engine, Life, Members, MembersConfig, MembersListener, NodeId, OfflineCause, Status, Users,
    UsersConfig, UsersListener,
};
use ws_close_manager::SendableCode;
use ws_connection::Prepared;

use super::{
    Cluster, Ear, Kind, NODES, Note,
    control::Control,
    node_topic,
    questions::{Answer, Questions},
};
use crate::{application::Application, handler::Shared, moving::balance::Balance};

/// So many notes of other nodes may wait to be looked at.
const INBOUND_MAX: usize = 65_536;
/// What could not be followed is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// A node that goes waits so long for what it has to write down.
const PART_TIMEOUT: Duration = Duration::from_secs(5);

/// What a node knows of the others. There is none where there are no others.
pub(crate) struct Peers {
    pub(crate) members: Arc<Members>,
    pub(crate) users: Arc<Users>,
    pub(super) questions: Questions,
    /// How many connections the others have.
    pub(crate) balance: Mutex<Balance>,
    inbound: Sender<Note>,
    tasks: OnceLock<[AbortHandle; 3]>,
}

impl<A: Application> Shared<A> {
    /// Makes this node one of several, if there may be others. After the engine has its listener.
    pub(crate) fn join(self: &Arc<Self>) {
        if !self.cluster.is_shared {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return tracing::warn!("no runtime to work with other nodes in; this one is alone");
        };
        let node = NodeId::from_random(self.cluster.node);
        let ear = Arc::new(Ear(Arc::downgrade(self)));
        let engine = self.cluster.engine.clone();
        let counts = self.in_force().limits.connections_per_user_max.is_some();
        let users = UsersConfig { counts, ..UsersConfig::default() };
        let users = Users::new(engine.clone(), node, users, ear.clone());
        let members = Members::new(engine.clone(), node, MembersConfig::default(), ear);
        let (inbound, queue) = channel(INBOUND_MAX);
        let tasks = OnceLock::new();
        let questions = Questions::default();
        let balance = Mutex::default();
        let peers = Peers { members, users, questions, balance, inbound, tasks };
        if self.peers.set(peers).is_err() {
            return;
        }
        let Some(peers) = self.peers() else { return };
        self.catch_up_with_engine();
        let listening = {
            let members = peers.members.clone();
            // Who is known to others is asked by them.
            async move {
                listen(&*engine, node).await;
                members.run().await;
            }
        };
        // Not before there are peers to be found: a task may have its first word before the next line is
        // reached here, and that this node has joined is said only once.
        let tasks = [
            runtime.spawn(peers.users.clone().run()),
            runtime.spawn(serve(Arc::downgrade(self), queue)),
            runtime.spawn(listening),
        ];
        let _ = peers.tasks.set(tasks.each_ref().map(JoinHandle::abort_handle));
    }

    /// Hears of what was said of the engine before anybody was there to hear it.
    fn catch_up_with_engine(&self) {
        let mut status = self.cluster.engine.status();
        loop {
            self.handle_engine_status(&status);
            let now = self.cluster.engine.status();
            // Another may have been told in between, and must have the last word.
            if now == status {
                return;
            }
            status = now;
        }
    }

    /// The other nodes; none where there can be none.
    pub(crate) fn peers(&self) -> Option<&Peers> {
        self.peers.get()
    }

    /// The engine is away, or back.
    pub(super) fn handle_engine_status(&self, status: &Status) {
        if let Some(peers) = self.peers() {
            // The users first: a node that is confirmed in between is confirmed once more, and the word of that
            // is not undone.
            peers.users.handle_status(status);
            peers.members.handle_status(status);
        }
    }

    /// Something for this node. The engine's task is not to wait for us, and nothing may be asked of the
    /// engine in it.
    pub(super) fn take_note(&self, note: Note) {
        let Some(peers) = self.peers() else { return };
        if peers.inbound.try_send(note).is_err() {
            tracing::warn!("other nodes say more than this one can follow; some of it is dropped");
        }
    }

    fn handle_control(self: &Arc<Self>, note: &Note) {
        let Some(peers) = self.peers() else { return };
        let control = match serde_json::from_slice(&note.body) {
            Ok(control) => control,
            Err(error) => return tracing::warn!(%error, "another node is not understood"),
        };
        let mut ends = Vec::new();
        let (question, count, users) = match control {
            Control::Direct { question, user, text, traceparent } => {
                let message = Prepared::text(text.get());
                let count = self.arrived_for_user(traceparent.as_deref(), &user, message);
                if count == 0 {
                    // Who asks has read that the user is here.
                    peers.users.handle_doubt(&user);
                }
                (question, count, Vec::new())
            }
            Control::Broadcast { question, text } => {
                (question, self.broadcast_here(Prepared::text(text.get())), Vec::new())
            }
            Control::Disconnect { question, user, code, reason } => {
                let code = SendableCode::try_from(code);
                let code = code.unwrap_or(SendableCode::GOING_AWAY);
                (question, self.disconnect_here(&user, code, &reason), Vec::new())
            }
            Control::Who { question, channel, users_max } => {
                let users = self.hub.presence.users(&channel, users_max);
                let count = self.hub.presence.count(&channel);
                (question, count, users.iter().map(ToString::to_string).collect())
            }
            Control::Ends { question, user } => {
                ends = self.told_ends(&user);
                (question, ends.len(), Vec::new())
            }
            Control::Letters { user } => return self.tell_of_letters(&user),
            Control::Load { connections } => {
                let now = tokio::time::Instant::now().into_std();
                return peers.balance.lock().handle_load(note.node, connections, now);
            }
            Control::Answer { question, count, users, ends } => {
                let answer = Answer { node: note.node, count, users, ends };
                return peers.questions.handle_answer(question, answer);
            }
        };
        let answer = Control::Answer { question, count, users, ends };
        self.cluster.say(&node_topic(note.node), &answer);
    }

    /// Connections of a user look whether something was kept for it.
    pub(super) fn tell_of_letters(&self, user: &str) {
        for client in self.registry.of_user(user) {
            client.look_for_letters();
        }
    }

    /// Writes down what is left to be written, and goes: the others need not wait until it is missed.
    pub(crate) async fn part(&self) {
        let Some(peers) = self.peers() else { return };
        if self.cluster.engine.status() != Status::Up {
            return tracing::info!("the other nodes are not told, as the engine is away");
        }
        let parting = async {
            peers.users.written().await;
            peers.members.leave().await
        };
        match tokio::time::timeout(PART_TIMEOUT, parting).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "the other nodes will miss this one"),
            Err(_) => tracing::info!("the other nodes will settle what this one leaves behind"),
        }
    }
}

impl Cluster {
    /// Says something to other nodes; whether it is on its way.
    pub(super) fn say(&self, topic: &str, control: &Control<'_>) -> bool {
        let Ok(body) = serde_json::to_vec(control) else { return false };
        let told = self.tell(topic, Kind::Control, |out| out.extend_from_slice(&body));
        told.inspect_err(|error| tracing::debug!(topic, %error, "other nodes are not told")).is_ok()
    }

    /// Tells all others how many connections this node has; none: it goes.
    pub(crate) fn say_load(&self, connections: Option<usize>) {
        self.say(NODES, &Control::Load { connections });
    }
}

impl Peers {
    /// Asks some nodes, or all others where none are named; answers what they say, and whether all did.
    pub(super) async fn ask(
        &self,
        nodes: Option<&[NodeId]>,
        say: impl Fn(&str, u64) -> bool,
    ) -> (Vec<Answer>, bool) {
        let count = nodes.map_or_else(|| self.members.others().len(), <[NodeId]>::len);
        if count == 0 {
            return (Vec::new(), true);
        }
        let Some(question) = self.questions.open() else { return (Vec::new(), false) };
        let told = match nodes {
            None if say(NODES, question.number) => count,
            None => 0,
            Some(nodes) => {
                let topics = nodes.iter().map(|node| node_topic(node.bits()));
                topics.filter(|topic| say(topic, question.number)).count()
            }
        };
        let answers = question.answers(told).await;
        let is_complete = answers.len() == count;
        (answers, is_complete)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.tasks.get().into_iter().flatten().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("members", &self.members).finish_non_exhaustive()
    }
}

/// Hears what is said to all nodes, and to this one.
async fn listen(engine: &dyn Engine, node: NodeId) {
    for topic in [NODES, &node_topic(node.bits())] {
        while engine.subscribe(topic).await.is_err() {
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

async fn serve<A: Application>(shared: Weak<Shared<A>>, mut queue: Receiver<Note>) {
    while let Some(note) = queue.recv().await {
        let Some(shared) = shared.upgrade() else { return };
        shared.handle_control(&note);
    }
}

impl<A: Application> MembersListener for Ear<A> {
    fn handle_join(&self, life: Life) {
        let Some(shared) = self.0.upgrade() else { return };
        let Some(peers) = shared.peers() else { return };
        tracing::info!(node = %peers.members.id(), life = life.0, "one of the nodes");
        peers.users.handle_join(life);
        if life > Life::FIRST {
            // The others have forgotten who is here.
            shared.hub.restate_all();
        }
    }

    fn handle_arrival(&self, node: NodeId) {
        let Some(shared) = self.0.upgrade() else { return };
        tracing::info!(%node, "another node is there");
        shared.hub.believe_node(node.bits());
    }

    fn handle_death(&self, node: NodeId) {
        let Some(shared) = self.0.upgrade() else { return };
        tracing::info!(%node, "another node is gone");
        shared.hub.forget_node(node.bits());
        if let Some(peers) = shared.peers() {
            let now = tokio::time::Instant::now().into_std();
            peers.balance.lock().handle_load(node.bits(), None, now);
        }
    }

    fn handle_estate(&self, node: NodeId, life: Life) {
        let Some(shared) = self.0.upgrade() else { return };
        let Some(peers) = shared.peers() else { return };
        let (users, members) = (peers.users.clone(), peers.members.clone());
        tokio::spawn(async move {
            let settled = users.settle_estate(&members, node, life).await;
            tracing::info!(
                %node,
                users = settled.users,
                offline = settled.offline,
                "what a dead node left behind is settled"
            );
        });
    }
}

impl<A: Application> UsersListener for Ear<A> {
    fn handle_offline(&self, user: &str, cause: OfflineCause) {
        if let Some(shared) = self.0.upgrade() {
            shared.application.handle_user_offline(user, cause);
        }
    }
}

/// Reads what was written by [`ServerMessage::encode`](ws_protocol::ServerMessage::encode).
pub(super) fn raw(text: Vec<u8>) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(text).ok()?).ok()
}
