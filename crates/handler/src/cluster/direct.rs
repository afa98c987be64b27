//! Messages to a user: to every connection on all nodes, or into the inbox.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;
use ws_broker::{InboxError, Letter, NodeId};
use ws_connection::Prepared;
use ws_traces::TraceContext;

use super::{control::Control, node_topic};
use crate::{
    application::Application,
    channels::back_end::direct,
    client::ConnectionId,
    handler::{Shared, WebSocketHandler},
};

/// What came of a message to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Connections that take it, on all nodes.
    pub connections: usize,
    /// Whether every node that has the user has answered.
    pub is_complete: bool,
    /// What became of it where no connection takes it.
    pub kept: Kept,
}

/// Whether a message is kept for a user who is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// There is a connection that takes it.
    NotNeeded,
    /// It is in the user's inbox.
    InInbox,
    /// The inbox is full: the message is gone.
    Full,
    /// The engine does not keep it, or did not say that it does.
    Unavailable,
    /// There are no inboxes: the message is gone.
    NotOffered,
}

/// A message to a user.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) user: Box<str>,
    /// As clients are to get it now.
    pub(crate) text: Box<RawValue>,
    /// As it is kept.
    pub(crate) letter: Letter,
    /// What it is a part of, where that is recorded.
    pub(crate) trace: Option<TraceContext>,
}

impl<A: Application> WebSocketHandler<A> {
    /// Sends something to every connection of a user on all nodes, or keeps it for the user where there is
    /// none and inboxes are offered.
    pub async fn send_to_user_everywhere(
        &self,
        user_id: &str,
        event: Option<&str>,
        data: &RawValue,
    ) -> Sent {
        let shared = &self.shared;
        let now = tokio::time::Instant::now().into_std();
        let id = ConnectionId::random().to_string();
        let text = shared.put_into_words(&direct(event, data, Some(&id)));
        let letter = Letter {
            id: id.into(),
            from: None,
            event: event.map(Box::from),
            message: data.to_owned(),
            timestamp_ms: shared.clock.wall_ms(now),
        };
        shared
            .clone()
            .deliver(Direct { user: user_id.into(), text, letter, trace: ws_traces::current() })
            .await
    }
}

impl<A: Application> Shared<A> {
    /// Sends a message to every connection of a user, or keeps it.
    pub(crate) async fn deliver(self: Arc<Self>, direct: Direct) -> Sent {
        let message = Prepared::text(direct.text.get());
        let own = self.deliver_to_user(direct.trace, &direct.user, message);
        let (elsewhere, is_complete) = self.send_elsewhere(&direct).await;
        let connections = own + elsewhere;
        let kept = match connections {
            // Perhaps it is somewhere: nobody can be asked.
            0 if !is_complete && self.inbox.is_none() => Kept::Unavailable,
            0 => self.keep(&direct).await,
            _ => Kept::NotNeeded,
        };
        Sent { connections, is_complete, kept }
    }

    async fn send_elsewhere(&self, direct: &Direct) -> (usize, bool) {
        let Some(peers) = self.peers() else { return (0, true) };
        let Ok(nodes) = self.nodes_elsewhere(&direct.user).await else { return (0, false) };
        if nodes.is_empty() {
            return (0, true);
        }
        let mut hop = self.hop_to_user(direct.trace);
        let recorded = hop.context().filter(TraceContext::is_sampled);
        let traceparent = recorded.map(|context| context.to_string());
        let say = |topic: &str, question| {
            let (user, text) = ((&*direct.user).into(), &*direct.text);
            let traceparent = traceparent.as_deref().map(Cow::Borrowed);
            self.cluster.say(topic, &Control::Direct { question, user, text, traceparent })
        };
        let (answers, is_complete) = peers.ask(Some(&nodes), say).await;
        if !is_complete {
            hop.fail("a node did not answer");
        }
        self.hub.end(hop);
        (answers.iter().map(|answer| answer.count).sum(), is_complete)
    }

    async fn nodes_elsewhere(&self, user: &str) -> Result<Vec<NodeId>, ws_broker::EngineError> {
        let Some(peers) = self.peers() else { return Ok(Vec::new()) };
        let nodes = peers.users.nodes_of(user).await?;
        let own = peers.members.id();
        Ok(nodes.into_iter().map(|(node, _)| node).filter(|node| *node != own).collect())
    }

    async fn keep(&self, direct: &Direct) -> Kept {
        let Some(inbox) = &self.inbox else { return Kept::NotOffered };
        match inbox.keep(&direct.user, &direct.letter, None).await {
            Ok(()) => {}
            Err(InboxError::Full) => return Kept::Full,
            Err(InboxError::Engine(error)) => {
                tracing::debug!(%error, "a message to a user who is away is not kept");
                return Kept::Unavailable;
            }
        }
        // Who has come meanwhile may have looked before it was there. Who comes later looks for itself.
        self.tell_of_letters(&direct.user);
        for node in self.nodes_elsewhere(&direct.user).await.unwrap_or_default() {
            let letters = Control::Letters { user: (&*direct.user).into() };
            self.cluster.say(&node_topic(node.bits()), &letters);
        }
        Kept::InInbox
    }
}
