//! How the connections of a user ended, and where it is connected, as all nodes know it.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};
use ws_broker::NodeId;

use super::control::Control;
use crate::{
    application::Application,
    end_reason::EndReason,
    handler::{Shared, WebSocketHandler},
    past_ends::PastEnd,
};

/// So many ends are told at most, the last ones: eight of each of eight nodes.
const ENDS_MAX: usize = 64;

/// What all nodes know of the ends of a user's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndsEverywhere {
    /// The last ones, by the node that had the connection; the last one first.
    pub ends: Vec<(NodeId, PastEnd)>,
    /// Whether all nodes have answered, that are not known to be gone.
    pub is_complete: bool,
}

/// Where a user is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// The nodes, and how many connections of the user each has.
    pub nodes: Vec<(NodeId, u32)>,
    /// Whether the engine was asked; without it only this node is known.
    pub is_complete: bool,
}

/// An end as it is told to another node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ToldEnd {
    connection: String,
    address: IpAddr,
    reason: String,
    code: Option<u16>,
    rule: Option<String>,
    connected_at: u64,
    ended_at: u64,
    latency_micros: Option<u64>,
    silent_micros: Option<u64>,
    queued_bytes: usize,
}

impl<A: Application> WebSocketHandler<A> {
    /// How the last connections of a user ended on all nodes, as far as each keeps it.
    pub async fn ends_everywhere(&self, user_id: &str) -> EndsEverywhere {
        let shared = &self.shared;
        let own = NodeId::from_random(self.node());
        let mut ends: Vec<_> =
            shared.past_ends.of_user(user_id).into_iter().map(|end| (own, end)).collect();
        let mut is_complete = true;
        if let Some(peers) = shared.peers() {
            let say = |topic: &str, question| {
                shared.cluster.say(topic, &Control::Ends { question, user: user_id.into() })
            };
            // All of them: who is gone from a node is not known to have been there.
            let (answers, all) = peers.ask(None, say).await;
            is_complete = all;
            for answer in answers {
                let node = NodeId::from_random(answer.node);
                ends.extend(answer.ends.iter().filter_map(ToldEnd::end).map(|end| (node, end)));
            }
        }
        ends.sort_by_key(|(_, end)| std::cmp::Reverse(end.ended_at_ms));
        ends.truncate(ENDS_MAX);
        EndsEverywhere { ends, is_complete }
    }

    /// The nodes on which a user is connected, this one among them.
    pub async fn whereabouts(&self, user_id: &str) -> Whereabouts {
        let (shared, own) = (&self.shared, NodeId::from_random(self.node()));
        let here = u32::try_from(shared.registry.of_user(user_id).len()).unwrap_or(u32::MAX);
        let (mut nodes, is_complete) = match shared.peers() {
            None => (Vec::new(), true),
            Some(peers) => match peers.users.nodes_of(user_id).await {
                Ok(nodes) => (nodes, true),
                Err(error) => {
                    tracing::debug!(%error, "where a user is connected cannot be asked");
                    (Vec::new(), false)
                }
            },
        };
        // Of itself a node knows best.
        nodes.retain(|(node, count)| *node != own && *count > 0);
        if here > 0 {
            nodes.push((own, here));
        }
        nodes.sort_unstable();
        Whereabouts { nodes, is_complete }
    }
}

impl<A: Application> Shared<A> {
    pub(super) fn told_ends(&self, user_id: &str) -> Vec<ToldEnd> {
        self.past_ends.of_user(user_id).iter().map(ToldEnd::of).collect()
    }
}

impl ToldEnd {
    fn of(end: &PastEnd) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            connection: end.connection.to_string(),
            address: end.address,
            reason: end.reason.label().to_owned(),
            code: end.code,
            rule: end.rule.as_deref().map(str::to_owned),
            connected_at: end.connected_at_ms,
            ended_at: end.ended_at_ms,
            latency_micros: end.latency.map(micros),
            silent_micros: end.silent_for.map(micros),
            queued_bytes: end.queued_bytes,
        }
    }

    /// `None`: it ended for a reason that this version does not know.
    fn end(&self) -> Option<PastEnd> {
        Some(PastEnd {
            connection: self.connection.parse().ok()?,
            address: self.address,
            reason: EndReason::from_label(&self.reason)?,
            code: self.code,
            rule: self.rule.clone().map(Into::into),
            connected_at_ms: self.connected_at,
            ended_at_ms: self.ended_at.max(self.connected_at),
            latency: self.latency_micros.map(Duration::from_micros),
            silent_for: self.silent_micros.map(Duration::from_micros),
            queued_bytes: self.queued_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ConnectionId;

    #[test]
    fn an_end_that_was_told_is_the_same() {
        let end = PastEnd {
            connection: ConnectionId::random(),
            address: IpAddr::from([192, 0, 2, 1]),
            reason: EndReason::Protocol,
            code: Some(1002),
            rule: Some("reserved_bits".into()),
            connected_at_ms: 1,
            ended_at_ms: 5,
            latency: Some(Duration::from_micros(1500)),
            silent_for: None,
            queued_bytes: 7,
        };
        let told = serde_json::to_vec(&ToldEnd::of(&end)).unwrap();
        let heard: ToldEnd = serde_json::from_slice(&told).unwrap();
        assert_eq!(heard.end(), Some(end));
        assert_eq!(ToldEnd { reason: "of a later version".to_owned(), ..heard }.end(), None);
    }
}
