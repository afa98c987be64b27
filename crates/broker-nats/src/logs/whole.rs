//! What is certainly whole.
//!
//! The server drops the oldest entries of a log when there are more than are kept, and the oldest of the whole
//! stream when they are too old. It never says what it dropped; but as the oldest always go first, what is
//! still there proves what did not go:
//!
//! - If the entry at the cursor is still there, or an older one of the same log, nothing behind it was dropped.
//! - Otherwise, if the stream's first message is not behind the one after the cursor, nothing behind the cursor grew
//!   too old. Then entries can only have been dropped because there were too many, so that there are as many now as
//!   are kept (unless some were taken out otherwise, which is marked) – or not at all, in logs that refuse.

use ws_broker::WhenFull;

use super::Logs;
use crate::{api::ApiFailure, streams::LogStream};

impl Logs {
    /// Whether all entries behind `after` were there at a moment before this call. `first` is the offset of
    /// the first one that was found.
    pub(super) async fn is_whole(
        &self,
        stream: &LogStream,
        name: &str,
        after: u64,
        first: Option<u64>,
    ) -> Result<bool, ApiFailure> {
        if first == after.checked_add(1) {
            return Ok(true);
        }
        let subject = stream.names.entry(name);
        let id = &stream.names.stream;
        if after > 0 {
            let there = self.link.message_at(id, after).await?;
            if there.is_some_and(|entry| entry.subject == subject) {
                return Ok(true);
            }
            let oldest = self.link.first_of(id, &subject).await?;
            if oldest.is_some_and(|entry| entry.sequence <= after) {
                return Ok(true);
            }
        }
        let info = self.link.stream_subjects(id, &subject, 0).await?;
        if after.saturating_add(1) < info.state.first_seq || after > info.state.last_seq {
            return Ok(false);
        }
        let subjects = info.state.subjects.unwrap_or_default();
        let count = subjects.get(&subject).copied().unwrap_or(0);
        let is_room = stream.keep.when_full == WhenFull::Refuse
            || count < u64::from(stream.keep.entries_max.get());
        if !is_room {
            return Ok(false);
        }
        let mark = self.mark_of(stream, name).await?;
        Ok(!mark.is_some_and(|mark| mark.is_open))
    }
}
