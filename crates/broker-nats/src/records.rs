//! Records, in a key-value bucket: `nats kv get <prefix> user.bob` shows one.
//!
//! A record that is taken away leaves a note first, as only what is written can be conditional; then the note is
//! deleted. A note that stays, because a node died in between, means the same as nothing.

use std::{sync::Arc, time::Duration};

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use bytes::Bytes;
use tokio::sync::oneshot;
use ws_broker::{Answer, Conflict, EngineError, Record, Revision};

use crate::{
    api::{ApiFailure, Stored, StreamConfig, ack_in, one_header},
    clock::nanos,
    error::{unavailable, unknown},
    link::{Call, CallError, Link, Reply, Ticket, answered},
    streams::{basic_config, found_or_made, taking},
};

/// As NATS' own clients write it.
const OPERATION: &str = "KV-Operation";
const DELETED: &str = "DEL";
/// How often a note may turn up before a record that was expected not to be there.
const TRIES: usize = 8;

#[derive(Debug)]
pub(crate) struct Records {
    link: Arc<Link>,
    stream: String,
}

/// A record that is being changed.
struct Change {
    records: Arc<Records>,
    subject: String,
    value: Option<Bytes>,
    expected: Option<Revision>,
}

impl Records {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { stream: link.names.record_stream(), link }
    }

    /// Finds the bucket, or makes it.
    pub(crate) async fn look_after(&self) -> Result<(), ApiFailure> {
        let config = StreamConfig {
            name: self.stream.clone(),
            subjects: vec![self.link.names.records("")],
            max_msgs_per_subject: 1,
            discard: "new".to_owned(),
            duplicate_window: nanos(Duration::from_secs(120)),
            allow_rollup_hdrs: true,
            ..basic_config(&self.link)
        };
        found_or_made(&self.link, &config).await?;
        // No record is spelled so.
        taking(&self.link, &format!("$KV.{}.=nothing", self.link.names.prefix())).await
    }

    pub(crate) fn get(self: &Arc<Self>, key: &str) -> Answer<Option<Record>> {
        let (records, subject) = (Arc::clone(self), self.link.names.record(key));
        let written = self.link.writes_done();
        Box::pin(async move {
            records.link.check_up()?;
            written.await;
            let found = records.current(&subject).await?;
            Ok(found.and_then(live))
        })
    }

    pub(crate) fn put(
        self: &Arc<Self>,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        let (records, subject) = (Arc::clone(self), self.link.names.record(key));
        if let Err(error) = self.link.check_up() {
            return Box::pin(std::future::ready(Err(error)));
        }
        // On its way before this returns, so that changes of one thread are made in their order.
        let expected_at = expected.map_or(0, |revision| revision.0);
        let (answer, receiver) = oneshot::channel();
        self.link.write(self.change(&subject, value.as_ref(), expected_at), answer);
        let ticket = Ticket::new(&self.link);
        let change = Change { records, subject, value, expected };
        let changing = self.link.runtime.spawn(async move {
            let changed = change.finish(receiver).await;
            drop(ticket);
            changed
        });
        Box::pin(async move { changing.await.unwrap_or_else(|_| Err(unknown())) })
    }

    pub(crate) fn keys(self: &Arc<Self>, start: &str) -> Answer<Vec<String>> {
        let (records, start) = (Arc::clone(self), start.to_owned());
        let written = self.link.writes_done();
        Box::pin(async move {
            records.link.check_up()?;
            written.await;
            let names = &records.link.names;
            let filter = names.records(&start);
            let (mut keys, mut seen) = (Vec::new(), 0);
            loop {
                let asked = records.link.stream_subjects(&records.stream, &filter, seen).await;
                let info = asked.map_err(ApiFailure::into_engine_error)?;
                let subjects = info.state.subjects.unwrap_or_default();
                seen += subjects.len();
                let found = subjects.keys().filter_map(|subject| names.record_of(subject));
                keys.extend(found.filter(|key| key.starts_with(&start)));
                if subjects.len() < SUBJECTS_AT_ONCE {
                    return Ok(keys);
                }
            }
        })
    }

    fn change(&self, subject: &str, value: Option<&Bytes>, expected: u64) -> Call {
        let mut headers = one_header("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        debug_assert!(headers.get(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE).is_some());
        if expected > 0 {
            // Before 2.10, the leader of a replicated bucket compares with what it has stored, and not with
            // what is on its way to be stored: of two changes at once, both could pass. No server
            // stores two messages of one id.
            headers.insert(NATS_MESSAGE_ID, format!("{subject}@{expected}"));
        }
        if value.is_none() {
            headers.insert(OPERATION, DELETED);
        }
        Call {
            subject: subject.to_owned(),
            headers: Some(headers),
            payload: value.cloned().unwrap_or_default(),
            patience: self.link.config.timeout,
        }
    }

    async fn current(&self, subject: &str) -> Result<Option<Stored>, EngineError> {
        let last = self.link.last_of(&self.stream, subject).await;
        last.map_err(ApiFailure::into_engine_error)
    }

    /// Deletes a note. If that fails, it stays and means the same.
    async fn sweep(&self, note: u64) {
        if let Err(failure) = self.link.delete_message(&self.stream, note).await {
            let is_broken = failure == ApiFailure::Call(CallError::Broken);
            tracing::debug!(is_broken, reason = failure.reason(), "a note of a record stays");
        }
    }
}

impl Change {
    async fn finish(
        self,
        first: oneshot::Receiver<Reply>,
    ) -> Result<Result<Revision, Conflict>, EngineError> {
        let Self { records, subject, value, expected } = self;
        let mut reply = answered(first).await;
        for _ in 0..TRIES {
            let acked = match reply {
                Ok(message) => ack_in(&message),
                Err(error) => Err(ApiFailure::Call(error)),
            };
            match acked {
                Ok(ack) if !ack.duplicate => {
                    if value.is_none() {
                        records.sweep(ack.seq).await;
                    }
                    return Ok(Ok(Revision(ack.seq)));
                }
                // Somebody else was faster.
                Ok(_) => {}
                Err(ApiFailure::Said(error))
                    if error.is_wrong_last_sequence() || error.is_in_process() => {}
                Err(failure) => return Err(failure.into_engine_error()),
            }
            let note = match records.current(&subject).await? {
                Some(stored) if !is_note(&stored) => {
                    return Ok(Err(Conflict { current: live(stored) }));
                }
                note => note,
            };
            if expected.is_some() {
                return Ok(Err(Conflict { current: None }));
            }
            let at = note.map_or(0, |note| note.sequence);
            reply = records.link.answer_to(records.change(&subject, value.as_ref(), at)).await;
        }
        Err(unavailable("the record is changed all the time"))
    }
}

/// So many subjects a server tells of at once.
const SUBJECTS_AT_ONCE: usize = 100_000;

fn is_note(stored: &Stored) -> bool {
    !stored.headers.is_empty() && stored.has_header(OPERATION, DELETED)
}

fn live(stored: Stored) -> Option<Record> {
    (!is_note(&stored))
        .then(|| Record { revision: Revision(stored.sequence), value: stored.payload })
}
