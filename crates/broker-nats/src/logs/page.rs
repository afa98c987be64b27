//! A page under way.

use ws_broker::{Entry, Position, ReadLimits};

use super::reader::{Raw, Reader};
use crate::{logs::append::is_expired, streams::LogStream};

/// What was read so far.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) entries: Vec<Entry>,
    limits: ReadLimits,
    bytes: usize,
    /// The offset of what was looked at last.
    pub(super) at: u64,
    /// The offset of the first one that was looked at.
    pub(super) first: Option<u64>,
    /// Whether some were left out, as they are beyond their time.
    pub(super) has_expired: bool,
    /// The offset before the next one.
    previous: u64,
}

impl Reading {
    pub(super) fn new(after: u64, limits: ReadLimits) -> Self {
        Self {
            entries: Vec::new(),
            limits,
            bytes: 0,
            at: after,
            first: None,
            has_expired: false,
            previous: after,
        }
    }

    /// Takes what came, as much as fits. Whether there is room for more.
    pub(super) fn take_from(&mut self, reader: &mut Reader, stream: &LogStream) -> bool {
        loop {
            let Some(next) = reader.peek() else { return self.has_room() };
            let is_old = is_expired(stream, next.at);
            if !is_old && !self.fits(next) {
                return false;
            }
            let Some(raw) = reader.pop() else { return true };
            self.first.get_or_insert(raw.sequence);
            self.at = raw.sequence;
            if is_old {
                self.has_expired = true;
            } else {
                self.push(raw, stream.epoch());
            }
        }
    }

    /// How many entries, and how many bytes, there is room for.
    pub(super) fn room(&self) -> (u32, usize) {
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let entries = self.limits.entries_max.saturating_sub(count);
        (entries, self.limits.bytes_max.saturating_sub(self.bytes))
    }

    fn has_room(&self) -> bool {
        let (entries, bytes) = self.room();
        entries > 0 && (bytes > 0 || self.entries.is_empty())
    }

    fn fits(&self, raw: &Raw) -> bool {
        let (entries, bytes) = self.room();
        entries > 0 && (raw.payload.len() <= bytes || self.entries.is_empty())
    }

    fn push(&mut self, raw: Raw, epoch: u64) {
        self.bytes = self.bytes.saturating_add(raw.payload.len());
        self.entries.push(Entry {
            position: Position { epoch, offset: raw.sequence },
            previous: self.previous,
            appended_ms: raw.appended_ms,
            payload: raw.payload,
        });
        self.previous = raw.sequence;
    }
}
