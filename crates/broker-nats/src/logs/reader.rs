//! Entries from the server, a piece at a time.
//!
//! A reader is a consumer at the server that is asked for so many messages and so many bytes at once. It stays
//! for a while when a page was read and more is there, with the next piece under way: who reads page after
//! page waits for the wire alone, and no more than one piece is ever held.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{Message, StatusCode, Subject, Subscriber, message::OutboundMessage};
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::APPENDED_AT;
use crate::{
    api::ApiFailure,
    clock::nanos,
    link::{Call, CallError, Link, header},
};

/// At most so many entries are asked for at once …
const PIECE_ENTRIES: u32 = 2_000;
/// … and so many bytes.
const PIECE_BYTES: usize = 1 << 20;
/// What the server counts for each entry beyond its payload, about.
const OVERHEAD: usize = 256;
/// A consumer that is not used for so long is forgotten by the server.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
/// We do not use it again after so long.
const KEPT: Duration = Duration::from_secs(5);
/// The server waits so long for entries that are not there yet: it may be a little behind the leader.
const PATIENCE: Duration = Duration::from_millis(250);
const KEPT_MAX: usize = 64;

/// Readers that may go on.
#[derive(Debug, Default)]
pub(super) struct Readers {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    subject: String,
    /// It goes on behind this.
    after: u64,
    since: Instant,
    reader: Reader,
}

/// An entry as it came.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) sequence: u64,
    /// µs since 1970, by the server.
    pub(super) at: u64,
    pub(super) appended_ms: u64,
    pub(super) payload: Bytes,
    /// How many more there are at the consumer's server.
    pending: u64,
}

#[derive(Debug)]
pub(super) struct Reader {
    link: Arc<Link>,
    stream: String,
    consumer: String,
    inbox: String,
    subscriber: Subscriber,
    pieces: u64,
    asked: Option<Asked>,
    /// What came and was not handed out.
    rest: VecDeque<Raw>,
}

/// A piece that is under way.
#[derive(Debug)]
struct Asked {
    reply: String,
    missing: u32,
    is_bounded: bool,
}

impl Readers {
    pub(super) fn take(&self, subject: &str, after: u64) -> Option<Reader> {
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.since.elapsed() < KEPT);
        let at = kept.iter().position(|kept| kept.after == after && kept.subject == subject)?;
        kept.remove(at).map(|kept| kept.reader)
    }

    pub(super) fn keep(&self, subject: String, after: u64, reader: Reader) {
        let mut kept = self.kept.lock();
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Kept { subject, after, since: Instant::now(), reader });
    }

    pub(super) fn forget_all(&self) {
        self.kept.lock().clear();
    }
}

impl Reader {
    /// Begins with the first entry that is not before `from`.
    pub(super) async fn open(
        link: &Arc<Link>,
        stream: &str,
        subject: &str,
        from: u64,
    ) -> Result<Self, ApiFailure> {
        let forgotten_after = nanos(FORGOTTEN_AFTER);
        let consumer = link.create_consumer(stream, subject, from, forgotten_after).await?;
        let inbox = format!("_INBOX.r{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let subscriber = link
            .subscriber(format!("{inbox}.*"))
            .map_err(|error| ApiFailure::Call(CallError::Unsent(error)))?;
        Ok(Self {
            link: Arc::clone(link),
            stream: stream.to_owned(),
            consumer,
            inbox,
            subscriber,
            pieces: 0,
            asked: None,
            rest: VecDeque::new(),
        })
    }

    /// The next one of those that came.
    pub(super) fn peek(&self) -> Option<&Raw> {
        self.rest.front()
    }

    pub(super) fn pop(&mut self) -> Option<Raw> {
        self.rest.pop_front()
    }

    /// Asks for more, unless that is under way.
    pub(super) fn ask(&mut self, entries: u32, bytes: usize) -> Result<(), ApiFailure> {
        if self.asked.is_none() {
            let batch = entries.clamp(1, PIECE_ENTRIES);
            let bytes = bytes.min(PIECE_BYTES) + batch as usize * OVERHEAD;
            self.ask_for(batch, Some(bytes))?;
        }
        Ok(())
    }

    /// Waits for what was asked for. Whether anything came.
    pub(super) async fn collect(&mut self) -> Result<bool, ApiFailure> {
        let deadline = Instant::now() + self.link.config.timeout;
        let had = self.rest.len();
        while let Some(asked) = &mut self.asked {
            let next = timeout_at(deadline, self.subscriber.next()).await;
            let message = match next {
                Ok(Some(message)) => message,
                Ok(None) => return Err(ApiFailure::Call(CallError::Broken)),
                Err(_) => return Err(ApiFailure::Call(CallError::TimedOut)),
            };
            if message.status.is_some() {
                // What is said of an earlier piece, which was over when all had come, says nothing.
                if message.subject.as_str() != asked.reply {
                    continue;
                }
                let is_bounded = asked.is_bounded;
                self.asked = None;
                if is_too_large(&message) {
                    if is_bounded && self.rest.len() == had {
                        self.ask_for(1, None)?;
                    }
                } else if !is_end(&message) {
                    return Err(failure_in(&message));
                }
            } else if let Some(raw) = Raw::new(message) {
                // There may be more than were asked for: what came late for an earlier piece.
                asked.missing = asked.missing.saturating_sub(1);
                if asked.missing == 0 || raw.pending == 0 {
                    self.asked = None;
                }
                self.rest.push_back(raw);
            }
        }
        Ok(self.rest.len() > had)
    }

    fn ask_for(&mut self, batch: u32, bytes: Option<usize>) -> Result<(), ApiFailure> {
        self.pieces += 1;
        let reply = format!("{}.{}", self.inbox, self.pieces);
        let bound = bytes.map_or(String::new(), |bytes| format!(r#","max_bytes":{bytes}"#));
        let expires = nanos(PATIENCE);
        let body = format!(r#"{{"batch":{batch},"expires":{expires}{bound}}}"#);
        let sent = self.link.send(OutboundMessage {
            subject: self.subject("MSG.NEXT"),
            reply: Some(Subject::from(reply.as_str())),
            payload: body.into(),
            headers: None,
        });
        sent.map_err(|error| ApiFailure::Call(CallError::Unsent(error)))?;
        self.asked = Some(Asked { reply, missing: batch, is_bounded: bytes.is_some() });
        Ok(())
    }

    fn subject(&self, operation: &str) -> Subject {
        let (stream, consumer) = (&self.stream, &self.consumer);
        format!("$JS.API.CONSUMER.{operation}.{stream}.{consumer}").into()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The server would forget it anyway, a while later; nobody waits for its answer.
        let subject = self.subject("DELETE").as_str().to_owned();
        drop(self.link.ask(Call::new(subject, "", self.link.config.timeout)));
    }
}

impl Raw {
    /// What the server says of a message stands in its reply subject:
    /// `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<its number>.<ns since 1970>.<pending>`, in newer ones
    /// with a domain and an account before the stream, and more at the end.
    fn new(message: Message) -> Option<Self> {
        let reply = message.reply.as_ref()?;
        let mut said = reply.strip_prefix("$JS.ACK.")?.split('.');
        let skipped = if reply.split('.').count() > 9 { 5 } else { 3 };
        let sequence = said.nth(skipped)?.parse().ok()?;
        let nanos: u64 = said.nth(1)?.parse().ok()?;
        let pending = said.next()?.parse().ok()?;
        let stamp = header(&message, APPENDED_AT).and_then(|at| at.parse().ok());
        let appended_ms = stamp.unwrap_or(nanos / 1_000_000);
        Some(Self { sequence, at: nanos / 1000, appended_ms, pending, payload: message.payload })
    }
}

/// There are no more, or not so many.
fn is_end(message: &Message) -> bool {
    [StatusCode::NOT_FOUND, StatusCode::TIMEOUT].map(Some).contains(&message.status)
}

fn is_too_large(message: &Message) -> bool {
    message.description.as_deref().is_some_and(|text| text.contains("MaxBytes"))
}

fn failure_in(message: &Message) -> ApiFailure {
    let gone = message.status == Some(StatusCode::NO_RESPONDERS);
    match gone {
        true => ApiFailure::Call(CallError::NoResponders),
        false => ApiFailure::Odd(message.description.clone().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(reply: &str) -> Option<Raw> {
        Raw::new(Message {
            subject: "ws.l.a".into(),
            reply: Some(reply.into()),
            payload: "x".into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        })
    }

    #[test]
    fn old_and_new_servers_say_where_a_message_stands() {
        for reply in [
            "$JS.ACK.S.abc.1.17.2.1795288898081527128.3",
            "$JS.ACK._.hash.S.abc.1.17.2.1795288898081527128.3",
            "$JS.ACK._.hash.S.abc.1.17.2.1795288898081527128.3.token",
        ] {
            let raw = delivered(reply).unwrap();
            assert_eq!((raw.sequence, raw.pending), (17, 3), "{reply}");
            assert_eq!((raw.at, raw.appended_ms), (1_795_288_898_081_527, 1_795_288_898_081));
        }
        assert!(delivered("_INBOX.a").is_none());
    }
}
