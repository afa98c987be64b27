//! The tail of one direction's messages: all that context takeover needs between two of them.

use std::collections::VecDeque;

/// The last `capacity_bytes` that went through one direction (RFC 7692 §7.2.1, §7.2.2: the LZ77
/// window that is taken over).
///
/// A connection remembers this instead of a whole zlib context. The contexts stay in the pool, and
/// the history is given to one as its dictionary. So takeover costs what the window holds, not the
/// 46 KiB of an inflater or the 245 to 371 KiB of a deflater, and grows only as far as was sent.
#[derive(Debug)]
pub(crate) struct History {
    bytes: VecDeque<u8>,
    capacity_bytes: usize,
}

impl History {
    /// Owns no memory until something is pushed.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity_bytes }
    }

    pub(crate) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    /// The remembered bytes in order, in two pieces.
    pub(crate) fn pieces(&self) -> [&[u8]; 2] {
        let (first, second) = self.bytes.as_slices();
        [first, second]
    }

    /// Appends a message and forgets what lies further back than the capacity.
    pub(crate) fn push(&mut self, message: &[u8]) {
        let tail = &message[message.len().saturating_sub(self.capacity_bytes)..];
        let excess = (self.bytes.len() + tail.len()).saturating_sub(self.capacity_bytes);
        self.bytes.drain(..excess);
        let needed = self.bytes.len() + tail.len();
        if needed > self.bytes.capacity() {
            let target = needed.next_power_of_two().min(self.capacity_bytes);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend(tail);
        debug_assert!(self.bytes.len() <= self.capacity_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::History;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_tail_of_everything_pushed(
            capacity in 0_usize..40,
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..12),
        ) {
            let mut history = History::new(capacity);
            let mut everything = Vec::new();
            for message in &messages {
                history.push(message);
                everything.extend_from_slice(message);
                let expected = &everything[everything.len().saturating_sub(capacity)..];
                prop_assert_eq!(history.pieces().concat(), expected);
            }
        }
    }
}
