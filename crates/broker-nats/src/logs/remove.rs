//! Taking entries out.

use std::sync::Arc;

use futures_util::future::try_join_all;
use ws_broker::{Answer, Log, WhenFull};

use super::{Logs, append::is_expired};
use crate::{api::ApiFailure, error::unknown, link::Ticket, streams::LogStream};

/// So many entries beyond their time are taken out at once.
const EXPIRED_MAX: u64 = 1000;

impl Logs {
    pub(crate) fn remove(self: &Arc<Self>, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        if let Err(error) = self.link.check_up() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let logs = Arc::clone(self);
        let stream = self.streams.of(&self.link, log.keep);
        let (subject, offsets) = (stream.names.entry(log.name), offsets.to_vec());
        let written = self.link.writes_done();
        let ticket = Ticket::new(&self.link);
        // On its way, whether or not anybody waits for it.
        let removing = self.link.runtime.spawn(async move {
            stream.there(&logs.link).await?;
            written.await;
            let removed = logs.remove_from(&stream, &subject, &offsets).await;
            drop(ticket);
            removed.map_err(ApiFailure::into_engine_error)
        });
        Box::pin(async move { removing.await.unwrap_or_else(|_| Err(unknown())) })
    }

    async fn remove_from(
        &self,
        stream: &LogStream,
        subject: &str,
        offsets: &[u64],
    ) -> Result<(), ApiFailure> {
        // All logs of a stream share its sequence: what stands there may be another's.
        let looked = offsets
            .iter()
            .filter(|offset| **offset > 0)
            .map(async |&offset| self.link.message_at(&stream.names.stream, offset).await);
        let found = try_join_all(looked).await?.into_iter().flatten();
        let own: Vec<u64> =
            found.filter(|entry| entry.subject == subject).map(|entry| entry.sequence).collect();
        if own.is_empty() {
            return Ok(());
        }
        // Where the log drops its oldest, how many there are tells nothing any more.
        let is_open = stream.keep.when_full == WhenFull::DropOldest;
        self.mark(stream, subject, is_open).await?;
        let deleting = own.iter().map(|&at| self.link.delete_message(&stream.names.stream, at));
        try_join_all(deleting).await.map(drop)
    }

    /// Takes entries out that are beyond their time to live. Whether there were any.
    pub(super) async fn drop_expired(
        &self,
        stream: &LogStream,
        subject: &str,
    ) -> Result<bool, ApiFailure> {
        let name = &stream.names.stream;
        let mut from = 1;
        let mut expired = 0;
        for _ in 0..EXPIRED_MAX {
            match self.link.next_of(name, subject, from).await? {
                Some(entry) if is_expired(stream, entry.at) => {
                    expired += 1;
                    from = entry.sequence + 1;
                }
                _ => break,
            }
        }
        if expired == 0 {
            return Ok(false);
        }
        self.mark(stream, subject, true).await?;
        self.link.purge_before(name, subject, from).await?;
        Ok(true)
    }
}
