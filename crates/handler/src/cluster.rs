//! This node among the others: what it says in topics, and where goes what comes.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use ws_broker::{Engine, EngineError, Entry, Listener, NodeId, Status};

use crate::{application::Application, handler::Shared, revoking};

mod control;
pub(crate) mod counting;
pub(crate) mod direct;
pub(crate) mod ends;
pub(crate) mod everywhere;
pub(crate) mod peers;
mod questions;
mod traced;

/// What an engine calls a channel: the topic of what is said in it and not kept.
const CHANNEL: &str = "ch:";
/// The log of what is kept of a channel.
const HISTORY: &str = "h:";
/// To all nodes.
pub(crate) const NODES: &str = "nodes";
/// To one node.
const NODE: &str = "node:";

/// Bytes before the body of a note: its kind, and who says it.
const HEAD_BYTES: usize = 9;

/// The engine, and who we are to the others behind it.
pub(crate) struct Cluster {
    pub(crate) engine: Arc<dyn Engine>,
    /// Our name: another one with each start.
    pub(crate) node: u64,
    /// Whether anybody else may hear what is said in topics. Nothing is put into words otherwise.
    pub(crate) is_shared: bool,
}

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Something was published in a channel that keeps nothing.
    Publication = 1,
    /// Who is in a channel.
    Presence = 2,
    /// Between nodes, and no client's matter as such.
    Control = 3,
    /// Somebody types.
    Typing = 4,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Publication, Self::Presence, Self::Control, Self::Typing];
}

/// What one node tells others.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) kind: Kind,
    pub(crate) node: u64,
    pub(crate) body: Bytes,
}

impl Note {
    fn parse(mut payload: Bytes) -> Option<Self> {
        let kind = *payload.first()?;
        let kind = Kind::ALL.into_iter().find(|&it| it as u8 == kind)?;
        let node = u64::from_be_bytes(payload.get(1..HEAD_BYTES)?.try_into().ok()?);
        Some(Self { kind, node, body: payload.split_off(HEAD_BYTES) })
    }
}

impl Cluster {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        let is_shared = engine.is_shared();
        Self { engine, node: NodeId::from_random(rand::random()).bits(), is_shared }
    }

    /// Tells the other nodes that follow a topic; nobody is told, and nothing written, where there are none.
    pub(crate) fn tell(
        &self,
        topic: &str,
        kind: Kind,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), EngineError> {
        if !self.is_shared {
            return Ok(());
        }
        let mut payload = Vec::with_capacity(256);
        payload.push(kind as u8);
        payload.extend_from_slice(&self.node.to_be_bytes());
        write(&mut payload);
        self.engine.publish(topic, payload.into())
    }
}

/// The topic of a channel.
pub(crate) fn channel_topic(channel: &str) -> String {
    [CHANNEL, channel].concat()
}

/// The log of a channel.
pub(crate) fn history_log(channel: &str) -> String {
    [HISTORY, channel].concat()
}

/// The topic of one node.
pub(crate) fn node_topic(node: u64) -> String {
    format!("{NODE}{node:016x}")
}

/// Hears what the engine brings, while the handler lives.
pub(crate) struct Ear<A>(pub(crate) Weak<Shared<A>>);

impl<A: Application> Listener for Ear<A> {
    fn handle_message(&self, topic: &str, payload: Bytes) {
        let Some(shared) = self.0.upgrade() else { return };
        let Some(note) = Note::parse(payload) else {
            tracing::warn!(topic, "what came from the engine is no note of a node; it is ignored");
            return;
        };
        if note.node == shared.cluster.node {
            return;
        }
        match (topic.strip_prefix(CHANNEL), note.kind) {
            (Some(channel), Kind::Publication) => {
                shared.hub.handle_publication(channel, &note.body);
            }
            (Some(channel), Kind::Presence) => {
                shared.hub.handle_presence(channel, note.node, &note.body);
            }
            (Some(channel), Kind::Typing) => shared.hub.handle_typing(channel, &note.body),
            (None, Kind::Control) => shared.take_note(note),
            (Some(_), Kind::Control)
            | (None, Kind::Publication | Kind::Presence | Kind::Typing) => {}
        }
    }

    fn handle_entry(&self, log: &str, entry: Entry) {
        let Some(shared) = self.0.upgrade() else { return };
        if let Some(channel) = log.strip_prefix(HISTORY) {
            shared.hub.handle_entry(channel, entry);
        } else if log == revoking::LOG {
            shared.revoking.note_news();
        }
    }

    fn handle_status(&self, status: &Status) {
        let Some(shared) = self.0.upgrade() else { return };
        shared.handle_engine_status(status);
        shared.revoking.handle_status(status);
        shared.note_engine();
        shared.hub.handle_status(status);
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("engine", &self.engine)
            .field("node", &format_args!("{:016x}", self.node))
            .finish_non_exhaustive()
    }
}
