//! A node's record.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Life, json};
use crate::NodeId;

/// What a node's record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) life: Life,
    /// Grows while the node lives.
    pub(super) count: u64,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Alive,
    /// Dead: this node, in this life of its own, settles what is left.
    Claimed((NodeId, Life)),
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    life: u64,
    count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_in: Option<u64>,
}

impl Lease {
    pub(super) fn is_alive(self) -> bool {
        self.state == State::Alive
    }

    pub(super) fn claimant(self) -> Option<(NodeId, Life)> {
        match self.state {
            State::Alive => None,
            State::Claimed(by) => Some(by),
        }
    }

    pub(super) fn encode(self) -> Bytes {
        let claimant = self.claimant();
        json(&Written {
            life: self.life.0,
            count: self.count,
            claimed_by: claimant.map(|(node, _)| node.to_string()),
            claimed_in: claimant.map(|(_, life)| life.0),
        })
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let Written { life, count, claimed_by, claimed_in } = serde_json::from_slice(value).ok()?;
        let state = match (claimed_by, claimed_in) {
            (Some(node), Some(life)) => State::Claimed((node.parse().ok()?, Life(life))),
            _ => State::Alive,
        };
        Some(Self { life: Life(life), count, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_as_it_was_written() {
        let by = (NodeId::from_random(7), Life(2));
        for state in [State::Alive, State::Claimed(by)] {
            let lease = Lease { life: Life(3), count: 17, state };
            assert_eq!(Lease::decode(&lease.encode()), Some(lease));
        }
        assert_eq!(Lease::decode(b"nonsense"), None);
    }
}
