//! What a user's record holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Life, NodeId};

/// The connections of a user, by node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entries {
    /// By the node's name: in which of its lives, how many.
    #[serde(default)]
    nodes: BTreeMap<Box<str>, (u64, u32)>,
    /// Nobody is left, and it is being told under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Box<str>>,
}

impl Entries {
    /// What cannot be read is taken for nothing: nodes write their own counts again.
    pub(super) fn decode(value: &[u8]) -> Self {
        serde_json::from_slice(value).unwrap_or_default()
    }

    /// Nothing where there is nothing to say.
    pub(super) fn encode(&self) -> Option<Bytes> {
        if self.nodes.is_empty() && self.told.is_none() {
            return None;
        }
        serde_json::to_vec(self).ok().map(Bytes::from)
    }

    /// That it is being told that nobody is left.
    pub(super) fn telling(token: &str) -> Self {
        Self { nodes: BTreeMap::new(), told: Some(token.into()) }
    }

    pub(super) fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn of(&self, node: NodeId) -> Option<(Life, u32)> {
        let (life, count) = *self.nodes.get(&*node.to_string())?;
        Some((Life(life), count))
    }

    pub(super) fn others_than(&self, node: NodeId) -> u64 {
        let own = node.to_string();
        let others = self.nodes.iter().filter(|(name, _)| ***name != *own);
        others.map(|(_, (_, count))| u64::from(*count)).sum()
    }

    pub(super) fn set(&mut self, node: NodeId, life: Life, count: u32) {
        let name = node.to_string().into_boxed_str();
        if count == 0 {
            self.nodes.remove(&name);
        } else {
            self.nodes.insert(name, (life.0, count));
            // Somebody is there again.
            self.told = None;
        }
    }

    /// Takes out what a node has said in this life or an earlier one, and what it was about to tell. Whether there was
    /// anything.
    pub(super) fn take_out(&mut self, node: NodeId, life: Life) -> TakenOut {
        let name = node.to_string();
        let had_count = self.of(node).is_some_and(|(said_in, _)| said_in <= life);
        if had_count {
            self.nodes.remove(&*name);
        }
        let is_teller = |told: &str| told.split_once('-').is_some_and(|(by, _)| by == name);
        let had_told = self.told.as_deref().is_some_and(is_teller);
        if had_told {
            self.told = None;
        }
        TakenOut { count: had_count, told: had_told }
    }

    pub(super) fn counts(&self) -> Vec<(NodeId, u32)> {
        let named = self.nodes.iter();
        named.filter_map(|(name, (_, count))| Some((name.parse().ok()?, *count))).collect()
    }
}

/// What was taken out of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TakenOut {
    pub(super) count: bool,
    pub(super) told: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_was_set_and_is_none_when_nothing_is_left() {
        let (a, b) = (NodeId::from_random(1), NodeId::from_random(2));
        let mut entries = Entries::default();
        entries.set(a, Life(1), 2);
        entries.set(b, Life(3), 1);
        let entries = Entries::decode(&entries.encode().unwrap());
        assert_eq!(entries.counts(), [(a, 2), (b, 1)]);
        assert_eq!((entries.others_than(a), entries.of(b)), (1, Some((Life(3), 1))));
        let mut left = entries.clone();
        assert!(!left.take_out(b, Life(2)).count, "of an earlier life");
        assert!(left.take_out(b, Life(3)).count);
        left.set(a, Life(1), 0);
        assert!(left.is_empty());
        assert_eq!(left.encode(), None);
    }

    #[test]
    fn who_comes_back_ends_a_telling_and_so_does_the_end_of_the_teller() {
        let (a, b) = (NodeId::from_random(1), NodeId::from_random(2));
        let telling = Entries::telling(&format!("{a}-17"));
        assert!(telling.is_empty());
        assert!(telling.encode().is_some());
        let mut back = telling.clone();
        back.set(b, Life(1), 1);
        assert_eq!(back.told(), None);
        let mut settled = telling.clone();
        assert!(!settled.take_out(b, Life(9)).told);
        assert!(settled.take_out(a, Life(1)).told);
        assert_eq!(settled.encode(), None);
    }
}
