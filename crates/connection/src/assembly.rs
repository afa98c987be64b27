//! What a connection keeps between reads: a message or control frame that has not arrived in full.

use crate::{error::ProtocolError, text::TextAssembler};

/// A buffer kept for the next message is given back to the allocator above this size.
pub(crate) const KEEP_BYTES_MAX: usize = 256 * 1024;

/// Lives behind a `Box` in the connection, and only while something is unfinished: an idle
/// connection has none. Empty ones are recycled through the thread's workspace.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// The data message in progress, if any.
    pub(crate) message: Option<Progress>,
    /// The payload so far of a plain text message.
    pub(crate) text: TextAssembler,
    /// The payload so far of a binary or compressed message.
    pub(crate) bytes: Vec<u8>,
    /// The payload so far of a control frame that was cut by a read.
    pub(crate) control: Vec<u8>,
}

/// What the first frame of a message said, and how many have come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) text: bool,
    pub(crate) compressed: bool,
    pub(crate) fragments: u32,
}

impl Assembly {
    /// Bytes of the message in progress.
    pub(crate) fn message_len(&self) -> u64 {
        (self.text.len() + self.bytes.len()) as u64
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        match self.message {
            Some(Progress { text: true, compressed: false, .. }) => self.text.push(bytes),
            _ => {
                self.bytes.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Makes it ready for another connection, or says that it is too large to be kept.
    pub(crate) fn recycle(mut self: Box<Self>) -> Option<Box<Self>> {
        if self.text.capacity() + self.bytes.capacity() > KEEP_BYTES_MAX {
            return None;
        }
        self.message = None;
        self.text.clear();
        self.bytes.clear();
        self.control.clear();
        Some(self)
    }
}
