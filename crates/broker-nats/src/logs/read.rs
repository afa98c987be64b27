//! Reading.

use std::sync::{Arc, atomic::Ordering};

use ws_broker::{Answer, Log, Page, Position, ReadLimits};

use super::{Logs, page::Reading, reader::Reader};
use crate::{api::ApiFailure, streams::LogStream};

/// A server of a cluster may be a little behind the leader that knows what the last entry is.
const BEHIND_TRIES: u32 = 8;

impl Logs {
    pub(crate) fn read(
        self: &Arc<Self>,
        log: &Log<'_>,
        after: u64,
        limits: ReadLimits,
    ) -> Answer<Page> {
        let logs = Arc::clone(self);
        let stream = self.streams.of(&self.link, log.keep);
        let name = log.name.to_owned();
        Box::pin(async move {
            logs.link.check_up()?;
            stream.there(&logs.link).await?;
            // What waited for the stream is on its way now.
            logs.link.writes_done().await;
            let read = logs.page(&stream, &name, after, limits).await;
            let page = match read {
                // Somebody deleted the stream: it is another one from now on.
                Err(failure) if failure.is_no_stream() => {
                    stream.forget();
                    stream.there(&logs.link).await?;
                    logs.page(&stream, &name, after, limits).await
                }
                read => read,
            };
            let page = page.map_err(ApiFailure::into_engine_error)?;
            logs.link.counts.read.fetch_add(page.entries.len() as u64, Ordering::Relaxed);
            Ok(page)
        })
    }

    async fn page(
        &self,
        stream: &LogStream,
        name: &str,
        after: u64,
        limits: ReadLimits,
    ) -> Result<Page, ApiFailure> {
        let subject = stream.names.entry(name);
        for _ in 0..BEHIND_TRIES {
            let last = self.link.last_of(&stream.names.stream, &subject).await?;
            match last.map_or(0, |last| last.sequence) {
                last if after < last && limits.entries_max > 0 => {
                    let read = self.entries(stream, name, &subject, after, last, limits).await?;
                    if let Some(page) = read {
                        return Ok(page);
                    }
                }
                last if after < last => {
                    let is_complete = self.is_whole(stream, name, after, None).await?;
                    return Ok(no_entries(stream, last, is_complete));
                }
                last if after == last && last > 0 => return Ok(no_entries(stream, last, true)),
                // Nothing was appended so far, or the last ones were taken out, or grew too old,
                // or the cursor is of another log.
                last => return self.nothing(stream, name, after, last).await,
            }
        }
        Err(ApiFailure::Odd("there is an entry that is not handed out".to_owned()))
    }

    /// Nothing is there behind the cursor.
    async fn nothing(
        &self,
        stream: &LogStream,
        name: &str,
        after: u64,
        last: u64,
    ) -> Result<Page, ApiFailure> {
        let mark = self.mark_of(stream, name).await?;
        let last = mark.map_or(last, |mark| last.max(mark.head));
        if after == last && last > 0 {
            return Ok(no_entries(stream, last, true));
        }
        let info = self.link.stream_info(&stream.names.stream).await?;
        let is_complete =
            after <= info.state.last_seq && self.is_whole(stream, name, after, None).await?;
        let head = match last {
            _ if is_complete => last.max(after),
            // What was there is not known. Whoever goes on from the stream's end misses nothing from
            // now on.
            0 => info.state.last_seq,
            last => last,
        };
        Ok(no_entries(stream, head, is_complete))
    }

    /// Entries up to `last`; none if the last ones were taken out meanwhile, or are not where they
    /// are read yet.
    async fn entries(
        &self,
        stream: &LogStream,
        name: &str,
        subject: &str,
        after: u64,
        last: u64,
        limits: ReadLimits,
    ) -> Result<Option<Page>, ApiFailure> {
        let mut reader = match self.readers.take(subject, after) {
            Some(reader) => reader,
            None => Reader::open(&self.link, &stream.names.stream, subject, after + 1).await?,
        };
        let mut reading = Reading::new(after, limits);
        while reading.take_from(&mut reader, stream) && reading.at < last {
            let (entries, bytes) = reading.room();
            reader.ask(entries, bytes)?;
            if !reader.collect().await? {
                break;
            }
        }
        if reading.first.is_none() {
            return Ok(None);
        }
        let is_complete =
            !reading.has_expired && self.is_whole(stream, name, after, reading.first).await?;
        if reading.at < last {
            reader.ask(limits.entries_max, limits.bytes_max)?;
            self.readers.keep(subject.to_owned(), reading.at, reader);
        }
        let head = Position { epoch: stream.epoch(), offset: last.max(reading.at) };
        Ok(Some(Page { head, is_complete, entries: reading.entries }))
    }
}

fn no_entries(stream: &LogStream, head: u64, is_complete: bool) -> Page {
    let head = Position { epoch: stream.epoch(), offset: head };
    Page { head, is_complete, entries: Vec::new() }
}
