//! Marks: what was taken out of a log otherwise than from the oldest on.
//!
//! They are messages of the same stream, written before anything is taken out, so that a mark is there for as long
//! as anything that it tells of could matter.

use async_nats::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Logs;
use crate::{
    api::{ApiFailure, ack_in, one_header},
    link::{Call, answered},
    streams::LogStream,
};

/// How often nodes may be in each other's way.
const TRIES: usize = 16;

/// What is known of a log out of which something was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Where the log was, at least.
    pub(super) head: u64,
    /// Whether entries that nobody asked to take out may be gone, so that their number tells nothing.
    pub(super) is_open: bool,
}

impl Logs {
    pub(super) async fn mark_of(
        &self,
        stream: &LogStream,
        name: &str,
    ) -> Result<Option<Mark>, ApiFailure> {
        self.mark_at(stream, &stream.names.mark(name)).await.map(|(mark, _)| mark)
    }

    /// Marks the log of an entry's subject.
    pub(super) async fn mark(
        &self,
        stream: &LogStream,
        entry: &str,
        is_open: bool,
    ) -> Result<(), ApiFailure> {
        let rest = entry.strip_prefix(stream.names.entries.as_str()).unwrap_or(entry);
        let subject = format!("{}{rest}", stream.names.marks);
        for _ in 0..TRIES {
            let last = self.link.last_of(&stream.names.stream, entry).await?;
            let (before, at) = self.mark_at(stream, &subject).await?;
            let head = last.map_or(0, |last| last.sequence);
            let mark = before.map_or(Mark { head, is_open }, |before| Mark {
                head: before.head.max(head),
                is_open: before.is_open || is_open,
            });
            if before == Some(mark) {
                return Ok(());
            }
            match self.write_mark(&subject, mark, at).await {
                Err(ApiFailure::Said(error)) if error.is_wrong_last_sequence() => {}
                // As many marks as there may be entries, in a log that refuses: the older ones go.
                Err(ApiFailure::Said(error)) if error.is_store_full() => {
                    self.link.purge_before(&stream.names.stream, &subject, at).await?;
                    if stream.keep.entries_max.get() == 1 {
                        self.link.delete_message(&stream.names.stream, at).await?;
                    }
                }
                written => return written,
            }
        }
        Err(ApiFailure::Odd("a mark is written all the time".to_owned()))
    }

    async fn mark_at(
        &self,
        stream: &LogStream,
        subject: &str,
    ) -> Result<(Option<Mark>, u64), ApiFailure> {
        let found = self.link.last_of(&stream.names.stream, subject).await?;
        Ok(found.map_or((None, 0), |stored| {
            let mark = serde_json::from_slice(&stored.payload).ok();
            // One that is not understood says the least that a mark says.
            (mark.or(Some(Mark { head: 0, is_open: true })), stored.sequence)
        }))
    }

    async fn write_mark(&self, subject: &str, mark: Mark, at: u64) -> Result<(), ApiFailure> {
        let headers: HeaderMap = one_header("Nats-Expected-Last-Subject-Sequence", at.to_string());
        let call = Call {
            subject: subject.to_owned(),
            headers: Some(headers),
            payload: serde_json::to_vec(&mark).unwrap_or_default().into(),
            patience: self.link.config.timeout,
        };
        let (answer, receiver) = oneshot::channel();
        self.link.write(call, answer);
        let message = answered(receiver).await.map_err(ApiFailure::Call)?;
        ack_in(&message).map(drop)
    }
}
