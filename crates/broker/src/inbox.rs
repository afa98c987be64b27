//! What is kept for users who are not there.

use std::{collections::HashMap, future::Future, num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Engine, EngineError, Keep, Log, ReadLimits, WhenFull};

mod devices;
mod mailbox;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use mailbox::Mailbox;

/// Of so many users it is remembered how full their inboxes are.
const KNOWN_MAX: usize = 4096;
/// An inbox is looked through in parts of this size.
const PART: ReadLimits = ReadLimits { entries_max: 256, bytes_max: 256 * 1024 };

/// How much is kept for a user, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxConfig {
    /// Up to so many letters; one more is refused.
    pub entries_max: NonZeroU32,
    /// Up to so many bytes of all letters together. Letters that several nodes keep for a user at the same
    /// moment may exceed it by as many.
    pub bytes_max: usize,
    /// For this long. A device that did not come for as long is not waited for any more, either.
    pub ttl: Duration,
    /// Up to so many devices of a user are waited for; of more, the one that has been away the longest is
    /// not. It is given what is still there when it comes.
    pub devices_max: usize,
}

impl Default for InboxConfig {
    /// 100 letters, 256 KiB, a week, eight devices.
    fn default() -> Self {
        Self {
            entries_max: const { NonZeroU32::new(100).unwrap() },
            bytes_max: 256 * 1024,
            ttl: Duration::from_secs(7 * 24 * 3600),
            devices_max: 8,
        }
    }
}

/// A message to a user.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its name, by which it is acknowledged.
    pub id: Box<str>,
    /// Which user wrote it; none if a back-end did.
    pub from: Option<Box<str>>,
    /// What kind of thing it is, if it says.
    pub event: Option<Box<str>>,
    /// The thing, as JSON.
    pub message: Box<RawValue>,
    /// When it was written, in ms since 1970.
    pub timestamp_ms: u64,
}

/// A letter as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept<'l> {
    id: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Box<str>>,
    at: u64,
    #[serde(borrow)]
    message: &'l RawValue,
}

/// Why a letter is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// The user's inbox takes no more, or never as much as this.
    #[error("the inbox is full")]
    Full,
    /// The engine does not keep it, or did not say that it does.
    #[error(transparent)]
    Engine(EngineError),
}

/// Keeps letters for users who are not there, until each device of theirs that is known has acknowledged
/// them, or their time is up.
///
/// Each user has a log of letters, and once there is a device with a name, a record of what each device has
/// acknowledged. A letter is delivered at least once to each device that is known when it is kept: what was
/// acknowledged and not written down yet when a node dies is delivered again.
///
/// A device without a name is waited for beside those that have one only from its first visit after
/// one of those was there: as long as nobody has a name, nothing is written down.
#[derive(Debug)]
pub struct Inbox {
    engine: Arc<dyn Engine>,
    config: InboxConfig,
    keep: Keep,
    /// How full inboxes were when they were last looked at.
    known: Mutex<HashMap<Box<str>, Fill>>,
}

/// How full an inbox was.
#[derive(Clone, Copy, Debug, Default)]
struct Fill {
    epoch: u64,
    /// Counted up to here.
    offset: u64,
    bytes: usize,
}

impl Inbox {
    /// Inboxes behind this engine.
    pub fn new(engine: Arc<dyn Engine>, config: InboxConfig) -> Arc<Self> {
        let keep = Keep {
            entries_max: config.entries_max,
            ttl: config.ttl,
            when_full: WhenFull::Refuse,
            event_window: Duration::from_secs(120),
        };
        Arc::new(Self { engine, config, keep, known: Mutex::default() })
    }

    /// Keeps a letter. Who publishes it to nodes where the user may have come meanwhile looks for those
    /// nodes after this: then either the user's first look into the inbox sees the letter, or that look-up sees the user.
    ///
    /// With `event`, a letter of that name that was kept a moment ago is not kept again.
    pub fn keep(
        self: &Arc<Self>,
        user: &str,
        letter: &Letter,
        event: Option<&str>,
    ) -> impl Future<Output = Result<(), InboxError>> + Send + use<> {
        let inbox = self.clone();
        let (user, event) = (Box::<str>::from(user), event.map(Box::<str>::from));
        let payload = encode(letter);
        async move {
            let name = log_name(&user);
            let log = Log { name: &name, keep: &inbox.keep };
            inbox.make_sure_of_room(&user, &log, payload.len()).await?;
            let appended = inbox.engine.append(&log, payload, event.as_deref()).await;
            appended.map(drop).map_err(|error| match error {
                EngineError::Full => InboxError::Full,
                error => InboxError::Engine(error),
            })
        }
    }

    /// The inbox of a user as one connection of a device sees it; `device` is empty where it has no
    /// name. Nothing is asked of the engine yet. `now_ms` is the wall time.
    pub fn open(self: &Arc<Self>, user: &str, device: &str, now_ms: u64) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(self.clone(), user, device, now_ms))
    }

    async fn make_sure_of_room(
        &self,
        user: &str,
        log: &Log<'_>,
        len: usize,
    ) -> Result<(), InboxError> {
        if len > self.config.bytes_max {
            return Err(InboxError::Full);
        }
        let known = self.known.lock().get(user).copied();
        let mut fill = self.look(log, known.unwrap_or_default()).await?;
        // What has been taken out since is still counted in.
        if fill.bytes + len > self.config.bytes_max && known.is_some() {
            fill = self.look(log, Fill::default()).await?;
        }
        self.remember(user, fill);
        if fill.bytes + len > self.config.bytes_max { Err(InboxError::Full) } else { Ok(()) }
    }

    /// Adds what has come since.
    async fn look(&self, log: &Log<'_>, mut fill: Fill) -> Result<Fill, InboxError> {
        loop {
            let page =
                self.engine.read(log, fill.offset, PART).await.map_err(InboxError::Engine)?;
            if page.head.epoch != fill.epoch {
                let is_new = fill.offset == 0;
                fill = Fill { epoch: page.head.epoch, ..Fill::default() };
                if !is_new {
                    continue;
                }
            }
            fill.bytes += page.entries.iter().map(|entry| entry.payload.len()).sum::<usize>();
            let Some(last) = page.entries.last() else {
                fill.offset = page.head.offset;
                return Ok(fill);
            };
            fill.offset = last.position.offset;
            // No inbox that has room is so long.
            if fill.offset >= page.head.offset || fill.bytes > self.config.bytes_max {
                return Ok(fill);
            }
        }
    }

    fn remember(&self, user: &str, fill: Fill) {
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX && !known.contains_key(user) {
            // All of it is found out again where it is needed.
            known.clear();
        }
        known.insert(user.into(), fill);
    }
}

fn log_name(user: &str) -> String {
    format!("inbox:{user}")
}

fn encode(letter: &Letter) -> Bytes {
    let Letter { id, from, event, message, timestamp_ms } = letter;
    let kept = Kept {
        id: id.clone(),
        from: from.clone(),
        event: event.clone(),
        at: *timestamp_ms,
        message,
    };
    // Strings, a number, and what is JSON already.
    serde_json::to_vec(&kept).unwrap_or_default().into()
}

fn decode(payload: &[u8]) -> Option<Letter> {
    let Kept { id, from, event, at, message } = serde_json::from_slice(payload).ok()?;
    Some(Letter { id, from, event, message: message.to_owned(), timestamp_ms: at })
}
