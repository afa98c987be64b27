//! Following.

use std::{
    collections::hash_map::Entry as Place,
    sync::{Arc, atomic::Ordering},
};

use async_nats::{Message, header::NATS_LAST_SEQUENCE, header::NATS_SEQUENCE};
use ws_broker::{Answer, Entry, Listener, Log, Position};

use super::{APPENDED_AT, Logs};
use crate::{
    api::ApiFailure,
    clock::now_ms,
    link::{header, passed},
    streams::LogStream,
};

impl Logs {
    pub(crate) fn follow(
        self: &Arc<Self>,
        log: &Log<'_>,
        listener: Arc<dyn Listener>,
    ) -> Answer<()> {
        if let Err(error) = self.link.check_up() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let stream = self.streams.of(&self.link, log.keep);
        let subject = stream.names.feed(log.name);
        if let Place::Vacant(place) = self.following.lock().entry(subject.clone()) {
            let (logs, stream, name) =
                (Arc::downgrade(self), Arc::clone(&stream), log.name.to_owned());
            // Where the log was last, and since when nothing was missed.
            let mut last = (0, 0);
            let take = move |message: Message| {
                let Some(logs) = logs.upgrade() else { return };
                if let Some(mut entry) = entry_in(&stream, message) {
                    // The server names the last one that is still there. If the one that came last was
                    // taken out, it was nevertheless the one before, as nothing was missed.
                    let seams = logs.link.seams();
                    if last.1 == seams && last.0 < entry.position.offset {
                        entry.previous = entry.previous.max(last.0);
                    }
                    last = (entry.position.offset, seams);
                    logs.link.counts.followed.fetch_add(1, Ordering::Relaxed);
                    listener.handle_entry(&name, entry);
                }
            };
            match self.link.subscribe(subject, take) {
                Ok(following) => drop(place.insert(following)),
                Err(error) => return Box::pin(std::future::ready(Err(error))),
            }
        }
        let fence = self.link.fence();
        let logs = Arc::clone(self);
        Box::pin(async move {
            stream.there(&logs.link).await?;
            passed(fence).await?;
            if logs.link.is_clustered() {
                // The stream's leader sits at another server perhaps; that it answers says that it
                // heard of the subscription, too.
                let info = logs.link.led_stream_info(&stream.names.stream).await;
                info.map_err(ApiFailure::into_engine_error)?;
            }
            Ok(())
        })
    }

    pub(crate) fn unfollow(&self, log: &Log<'_>) {
        let subject = self.streams.of(&self.link, log.keep).names.feed(log.name);
        self.following.lock().remove(&subject);
    }
}

fn entry_in(stream: &LogStream, message: Message) -> Option<Entry> {
    let number = |name| message.headers.as_ref()?.get(name)?.as_str().parse::<u64>().ok();
    let offset = number(NATS_SEQUENCE)?;
    let previous = number(NATS_LAST_SEQUENCE).unwrap_or(0);
    let appended_ms = header(&message, APPENDED_AT).and_then(|at| at.parse().ok());
    Some(Entry {
        position: Position { epoch: stream.epoch(), offset },
        previous,
        appended_ms: appended_ms.unwrap_or_else(now_ms),
        payload: message.payload,
    })
}
