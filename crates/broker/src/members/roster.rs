//! The names of all nodes, in one record: records cannot be listed cheaply where there are millions.

use bytes::Bytes;

use super::json;
use crate::NodeId;

/// Who is there, or has died and is not settled yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster(Vec<NodeId>);

impl Roster {
    pub(super) fn nodes(&self) -> &[NodeId] {
        &self.0
    }

    /// Whether that changed anything.
    pub(super) fn add(&mut self, node: NodeId) -> bool {
        let is_new = !self.0.contains(&node);
        if is_new {
            self.0.push(node);
        }
        is_new
    }

    /// Whether that changed anything.
    pub(super) fn remove(&mut self, node: NodeId) -> bool {
        let before = self.0.len();
        self.0.retain(|it| *it != node);
        self.0.len() != before
    }

    pub(super) fn encode(&self) -> Bytes {
        json(&self.0.iter().map(NodeId::to_string).collect::<Vec<_>>())
    }

    /// What is no name of a node is left out: whoever lives writes its own name again.
    pub(super) fn decode(value: &[u8]) -> Self {
        let names: Vec<String> = serde_json::from_slice(value).unwrap_or_default();
        Self(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}
