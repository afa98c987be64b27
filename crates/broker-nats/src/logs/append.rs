//! Appending.

use std::sync::{Arc, atomic::Ordering};

use async_nats::{HeaderMap, header::NATS_MESSAGE_ID};
use bytes::Bytes;
use tokio::sync::oneshot;
use ws_broker::{Answer, Appended, EngineError, Log, Position, WhenFull};

use super::{APPENDED_AT, Logs};
use crate::{
    api::{Ack, ApiFailure, ack_in, one_header},
    clock::{millis, now_ms},
    error::{refused, unknown},
    link::{Call, CallError, Reply, answered},
    names::message_id,
    streams::LogStream,
};

/// One entry, as often as it takes to append it.
struct Appending {
    logs: Arc<Logs>,
    stream: Arc<LogStream>,
    subject: String,
    headers: HeaderMap,
    entry: Bytes,
}

impl Logs {
    pub(crate) fn append(
        self: &Arc<Self>,
        log: &Log<'_>,
        entry: Bytes,
        event: Option<&str>,
    ) -> Answer<Appended> {
        if let Err(error) = self.link.check_up() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let stream = self.streams.of(&self.link, log.keep);
        let mut headers = one_header(APPENDED_AT, now_ms().to_string());
        if let Some(event) = event.filter(|_| !log.keep.event_window.is_zero()) {
            headers.insert(NATS_MESSAGE_ID, message_id(log.name, event));
        }
        let subject = stream.names.entry(log.name);
        let appending = Appending { logs: Arc::clone(self), stream, subject, headers, entry };
        let reply = appending.send();
        Box::pin(async move { appending.finish(reply).await })
    }
}

impl Appending {
    /// On its way when this returns, or as soon as the stream is there.
    fn send(&self) -> oneshot::Receiver<Reply> {
        let (answer, receiver) = oneshot::channel();
        let link = Arc::clone(&self.logs.link);
        let call = Call {
            subject: self.subject.clone(),
            headers: Some(self.headers.clone()),
            payload: self.entry.clone(),
            patience: link.config.timeout,
        };
        let bytes = call.payload.len() + call.subject.len();
        self.stream.when_there(&self.logs.link, bytes, move |found| match found {
            Ok(()) => link.write(call, answer),
            Err(error) => {
                let _ = answer.send(Err(CallError::Unsent(error)));
            }
        });
        receiver
    }

    async fn finish(self, reply: oneshot::Receiver<Reply>) -> Result<Appended, EngineError> {
        let mut said = self.outcome(reply).await;
        for _ in 0..20 {
            match &said {
                Err(ApiFailure::Said(error)) if error.is_store_full() => {
                    if !self.make_room().await? {
                        return Err(EngineError::Full);
                    }
                }
                Err(ApiFailure::Said(error)) if error.is_in_process() => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                _ => break,
            }
            said = self.outcome(self.send()).await;
        }
        match said {
            Ok(ack) if ack.seq > 0 => {
                self.logs.link.counts.appended.fetch_add(1, Ordering::Relaxed);
                let position = Position { epoch: self.stream.epoch(), offset: ack.seq };
                Ok(Appended { position, is_repeated: ack.duplicate })
            }
            // It was there, and the server does not say where.
            Ok(_) => Err(unknown()),
            Err(ApiFailure::Said(error)) if error.is_store_full() => Err(EngineError::Full),
            Err(failure) => Err(failure.into_engine_error()),
        }
    }

    async fn outcome(&self, reply: oneshot::Receiver<Reply>) -> Result<Ack, ApiFailure> {
        match answered(reply).await {
            Ok(message) => ack_in(&message),
            Err(error) => {
                match &error {
                    // It was deleted, or has no leader: whoever comes next asks for it first.
                    CallError::NoResponders => self.stream.forget(),
                    CallError::TimedOut => {
                        self.logs.link.counts.late.fetch_add(1, Ordering::Relaxed);
                    }
                    CallError::Broken | CallError::Unsent(_) => {}
                }
                Err(ApiFailure::Call(error))
            }
        }
    }

    /// Entries stay at the server beyond their time to live, and do not count. Whether there were any.
    async fn make_room(&self) -> Result<bool, EngineError> {
        if self.stream.keep.when_full == WhenFull::DropOldest {
            return Err(refused("the stream is full"));
        }
        let made = self.logs.drop_expired(&self.stream, &self.subject);
        made.await.map_err(ApiFailure::into_engine_error)
    }
}

/// Whether what was stored at this time, in µs, is beyond its time to live.
pub(super) fn is_expired(stream: &LogStream, at: u64) -> bool {
    now_ms().saturating_sub(at / 1000) > millis(stream.keep.ttl)
}
