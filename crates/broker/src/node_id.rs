//! The name of a node.

use std::{fmt, num::NonZeroU64, str::FromStr};

/// The name of one process among those that work together. A process that starts again is another node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(NonZeroU64);

impl NodeId {
    /// A node's name from 64 random bits. Nothing makes sure that no other has it but that there are so
    /// many.
    pub fn from_random(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MAX))
    }

    /// The number behind it; never zero.
    pub fn bits(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no [`NodeId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node's id is expected: sixteen lower-case hexadecimal digits, not all of them zero")]
pub struct NodeIdError;

impl FromStr for NodeId {
    type Err = NodeIdError;

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let bits = u64::from_str_radix(text, 16).map_err(|_| NodeIdError)?;
        let id = Self(NonZeroU64::new(bits).ok_or(NodeIdError)?);
        (id.to_string() == text).then_some(id).ok_or(NodeIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_id_is_read_as_it_is_written_and_never_zero() {
        for bits in [0, 1, 0xab, u64::MAX] {
            let id = NodeId::from_random(bits);
            assert_ne!(id.bits(), 0);
            assert_eq!(id.to_string().len(), 16);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "0", "1", "0000000000000000", "00000000000000AB", "+0000000000000ab"] {
            assert_eq!(text.parse::<NodeId>(), Err(NodeIdError), "{text}");
        }
    }
}
