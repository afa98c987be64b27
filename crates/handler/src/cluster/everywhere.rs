//! What is done to all nodes, for an application or a back-end.

use std::sync::Arc;

use serde_json::value::RawValue;
use ws_close_manager::SendableCode;
use ws_connection::Prepared;
use ws_protocol::ServerMessage;
use ws_transport::SendError;

use super::{control::Control, peers::raw, questions::Answer};
use crate::{
    application::Application,
    channels::back_end::{PresenceInfo, direct},
    end_reason::EndReason,
    handler::{Shared, WebSocketHandler},
};

/// Who was reached on all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Connections, on all nodes that have answered.
    pub connections: usize,
    /// Whether all nodes have, that are not known to be gone.
    pub is_complete: bool,
}

impl Reached {
    fn add(self, (answers, is_complete): (Vec<Answer>, bool)) -> Self {
        let elsewhere: usize = answers.iter().map(|answer| answer.count).sum();
        Self { connections: self.connections + elsewhere, is_complete }
    }
}

impl<A: Application> WebSocketHandler<A> {
    /// Sends something to every connection of all nodes that has been let in.
    pub async fn broadcast_everywhere(&self, event: Option<&str>, data: &RawValue) -> Reached {
        let shared = &self.shared;
        let text = shared.put_into_words(&direct(event, data, None));
        let connections = shared.broadcast_here(Prepared::text(text.get()));
        let here = Reached { connections, is_complete: true };
        let Some(peers) = shared.peers() else { return here };
        let say = |topic: &str, question| {
            shared.cluster.say(topic, &Control::Broadcast { question, text: &text })
        };
        here.add(peers.ask(None, say).await)
    }

    /// Starts to close every connection of a user, on all nodes.
    pub async fn disconnect_user_everywhere(
        &self,
        user_id: &str,
        code: SendableCode,
        reason: &str,
    ) -> Reached {
        let shared = &self.shared;
        let connections = shared.disconnect_here(user_id, code, reason);
        let here = Reached { connections, is_complete: true };
        let Some(peers) = shared.peers() else { return here };
        let code = u16::from(code);
        let say = |topic: &str, question| {
            let (user, reason) = (user_id.into(), reason.into());
            let control = Control::Disconnect { question, user, code, reason };
            shared.cluster.say(topic, &control)
        };
        // All of them, not only those that are known to have the user: it may have come a moment ago.
        here.add(peers.ask(None, say).await)
    }

    /// How many users are in a channel, and at most `users_max` of them, on all nodes. Where nobody
    /// of this node is subscribed, the others are asked.
    pub async fn presence_everywhere(&self, channel: &str, users_max: usize) -> PresenceInfo {
        self.shared.clone().who_is_in(channel, users_max).await
    }
}

impl<A: Application> Shared<A> {
    /// Whether this node does not know who is in a channel.
    pub(crate) fn must_ask_who_is_in(&self, channel: &str) -> bool {
        self.peers().is_some_and(|peers| !peers.members.others().is_empty())
            && self.hub.feeds.get(channel).is_none()
    }

    pub(crate) async fn who_is_in(
        self: Arc<Self>,
        channel: &str,
        users_max: usize,
    ) -> PresenceInfo {
        let presence = &self.hub.presence;
        let own = PresenceInfo {
            count: presence.count(channel),
            users: presence.users(channel, users_max),
        };
        let Some(peers) = self.peers().filter(|_| self.must_ask_who_is_in(channel)) else {
            return own;
        };
        let say = |topic: &str, question| {
            let control = Control::Who { question, channel: channel.into(), users_max };
            self.cluster.say(topic, &control)
        };
        let (answers, _) = peers.ask(None, say).await;
        // Whoever has a subscriber knows of all; one who has just got it may not yet.
        let best = answers.into_iter().max_by_key(|answer| answer.count);
        best.filter(|best| best.count > own.count).map_or(own, |Answer { count, users, .. }| {
            PresenceInfo { count, users: users.into_iter().map(Arc::from).collect() }
        })
    }

    /// To every connection of this node that has been let in; answers to how many.
    pub(crate) fn broadcast_here(&self, message: Prepared) -> usize {
        let message = Arc::new(message);
        let (mut sent, mut slow) = (0, Vec::new());
        self.registry.for_each(|client| {
            if client.is_welcome() {
                match client.send(message.clone()) {
                    Ok(()) => sent += 1,
                    Err(SendError::Full(_)) => slow.push(client.clone()),
                    Err(SendError::Closed(_)) => {}
                }
            }
        });
        slow.iter().for_each(|client| self.hub.close_slow(client));
        sent
    }

    /// Starts to close the connections of a user to this node; answers how many.
    pub(crate) fn disconnect_here(&self, user_id: &str, code: SendableCode, reason: &str) -> usize {
        let clients = self.registry.of_user(user_id);
        clients.iter().for_each(|client| client.close_for(EndReason::Api, code, reason));
        clients.len()
    }

    /// As clients are to get it.
    pub(crate) fn put_into_words(&self, message: &ServerMessage<'_>) -> Box<RawValue> {
        let now = tokio::time::Instant::now().into_std();
        let mut text = Vec::with_capacity(256);
        message.encode(None, self.clock.wall_ms(now), &mut text);
        raw(text).unwrap_or_else(|| RawValue::NULL.to_owned())
    }
}
