//! The scratch memory of a thread: what was read, what was inflated, what is being handed on.

use ws_frame_validator::SizeTally;

use crate::{
    assembly::{Assembly, KEEP_BYTES_MAX},
    event::Payload,
};

/// How much one read takes from a socket at most.
const READ_BYTES: usize = 64 * 1024;

/// Owned by a thread (or a test), lent to one connection at a time.
///
/// The driver reads into [`Workspace::read_buffer`], says how much with [`Workspace::filled`], and
/// calls [`Connection::poll_event`](crate::Connection::poll_event) until it answers `None`; then
/// the workspace is empty again and free for the next connection.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) read: Box<[u8]>,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The message that was inflated last.
    pub(crate) inflated: Vec<u8>,
    /// The message that was assembled last; the current event borrows from it.
    pub(crate) finished: Option<Box<Assembly>>,
    /// An empty one for the next connection that needs it.
    spare: Option<Box<Assembly>>,
    /// What passed through since the driver last took the tally.
    pub tally: Tally,
}

/// Counts of one thread's traffic; plain numbers, so that the message path shares nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes taken from sockets.
    pub bytes_received: u64,
    /// Frames of any kind.
    pub frames_received: u64,
    /// Sizes of complete text and binary messages, after inflating.
    pub sizes: SizeTally,
}

impl Workspace {
    /// Allocates the read buffer, once for each thread.
    pub fn new() -> Self {
        Self::with_read_bytes(READ_BYTES)
    }

    /// A workspace with a read buffer of another size; tests use tiny ones.
    pub fn with_read_bytes(bytes: usize) -> Self {
        Self {
            read: vec![0; bytes.max(1)].into_boxed_slice(),
            start: 0,
            end: 0,
            inflated: Vec::new(),
            finished: None,
            spare: None,
            tally: Tally::default(),
        }
    }

    /// Where the driver reads to. Whatever was in it is gone.
    pub fn read_buffer(&mut self) -> &mut [u8] {
        debug_assert_eq!(self.start, self.end, "the last read was worked off");
        (self.start, self.end) = (0, 0);
        &mut self.read
    }

    /// Says that the first `len` bytes of the read buffer were read.
    pub fn filled(&mut self, len: usize) {
        (self.start, self.end) = (0, len.min(self.read.len()));
        self.tally.bytes_received += self.end as u64;
    }

    /// Copies bytes in as if they had been read; returns how many fitted.
    pub fn load(&mut self, bytes: &[u8]) -> usize {
        let buffer = self.read_buffer();
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        // Not tallied: what was set aside was counted when it was read.
        (self.start, self.end) = (0, len);
        len
    }

    /// Takes what has not been worked off: for a driver that must stop between two events.
    pub fn take_rest(&mut self) -> &[u8] {
        let range = self.take(self.available());
        &self.read[range]
    }

    pub(crate) fn available(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn input(&self) -> &[u8] {
        &self.read[self.start..self.end]
    }

    /// The next `len` bytes, taken off the input.
    pub(crate) fn take(&mut self, len: usize) -> std::ops::Range<usize> {
        debug_assert!(len <= self.available());
        let from = self.start;
        self.start += len;
        from..self.start
    }

    pub(crate) fn discard(&mut self) {
        self.start = self.end;
    }

    /// Takes back what the last event borrowed.
    pub(crate) fn release(&mut self) {
        if let Some(finished) = self.finished.take() {
            self.keep(finished);
        }
        self.inflated.clear();
        if self.inflated.capacity() > KEEP_BYTES_MAX {
            self.inflated = Vec::new();
        }
    }

    pub(crate) fn keep(&mut self, assembly: Box<Assembly>) {
        if self.spare.is_none() {
            self.spare = assembly.recycle();
        }
    }

    pub(crate) fn assembly(&mut self) -> Box<Assembly> {
        self.spare.take().unwrap_or_default()
    }

    /// The bytes that `payload` stands for.
    pub(crate) fn resolve(&self, payload: &Payload) -> &[u8] {
        match payload {
            Payload::InPlace(range) => &self.read[range.clone()],
            Payload::Inflated => &self.inflated,
            Payload::Assembled => self.finished.as_deref().map_or(&[], |it| &it.bytes),
        }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}
