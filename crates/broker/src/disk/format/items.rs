//! What a frame says.

use super::{Fields, Kept};

/// One thing that happened. What the disk holds is what comes of all of them in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::disk) enum Item<'a> {
    /// The counters, first in each segment: what they counted may be gone.
    Counters { new_epoch: u64, revision: u64, log_id: u32 },
    /// A log, and where it is.
    Log { id: u32, epoch: u64, head: u64, dropped: u64, kept: Kept, name: &'a str },
    /// An entry. Once more if it was carried to a later segment.
    Entry { id: u32, offset: u64, appended_ms: u64, event: Option<&'a str>, payload: &'a [u8] },
    /// An entry was taken out.
    Removal { id: u32, offset: u64 },
    /// An event whose entry is gone.
    Event { id: u32, offset: u64, appended_ms: u64, event: &'a str },
    /// A record was changed.
    Put { key: &'a str, revision: u64, value: &'a [u8] },
    /// A record was taken away.
    Deletion { key: &'a str, revision: u64 },
    /// A log is not known any more.
    Forgotten { id: u32 },
}

/// The checksums say that it is as it was written, and it makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::disk) struct Malformed;

/// The items of a body, each with where it stands there.
#[derive(Clone, Debug)]
pub(in crate::disk) struct Items<'a> {
    body: &'a [u8],
    at: usize,
}

/// What an entry takes beside its payload and its event's name.
pub(in crate::disk) const ENTRY_OVERHEAD: usize = 31;
/// In place of the length of an event's name.
const NO_EVENT: u16 = u16::MAX;

impl<'a> Items<'a> {
    pub(in crate::disk) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }
}

impl<'a> Iterator for Items<'a> {
    /// Where it stands, how long it is, and what it says.
    type Item = Result<(usize, usize, Item<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
        let mut fields = Fields(rest);
        let Some(item) = Item::decode(&mut fields) else {
            self.at = self.body.len();
            return Some(Err(Malformed));
        };
        let (at, length) = (self.at, rest.len() - fields.0.len());
        self.at += length;
        Some(Ok((at, length, item)))
    }
}

/// The payload of an entry as it was read from the disk, `None` if that is not the entry, or not as it
/// was written.
pub(in crate::disk) fn entry_payload(bytes: &[u8], log: u32, at: u64) -> Option<usize> {
    let mut fields = Fields(bytes);
    let (tag, crc) = (fields.u8()?, fields.u32()?);
    if tag != tags::ENTRY || crc32fast::hash(fields.0) != crc {
        return None;
    }
    let (id, offset, _) = (fields.u32()?, fields.u64()?, fields.u64()?);
    let event_bytes = fields.u16()?;
    let payload_bytes = fields.u32()? as usize;
    let event_bytes = if event_bytes == NO_EVENT { 0 } else { usize::from(event_bytes) };
    let start = ENTRY_OVERHEAD + event_bytes;
    (id == log && offset == at && start + payload_bytes == bytes.len()).then_some(start)
}

mod tags {
    pub(super) const COUNTERS: u8 = 1;
    pub(super) const LOG: u8 = 2;
    pub(super) const ENTRY: u8 = 3;
    pub(super) const REMOVAL: u8 = 4;
    pub(super) const EVENT: u8 = 5;
    pub(super) const PUT: u8 = 6;
    pub(super) const DELETION: u8 = 7;
    pub(super) const FORGOTTEN: u8 = 8;
}

impl<'a> Item<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Counters { new_epoch, revision, log_id } => {
                out.push(tags::COUNTERS);
                out.extend_from_slice(&new_epoch.to_le_bytes());
                out.extend_from_slice(&revision.to_le_bytes());
                out.extend_from_slice(&log_id.to_le_bytes());
            }
            Self::Log { id, epoch, head, dropped, kept, name } => {
                out.push(tags::LOG);
                out.extend_from_slice(&id.to_le_bytes());
                for number in [epoch, head, dropped, kept.ttl_ms, kept.event_window_ms] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
                out.extend_from_slice(&kept.entries_max.to_le_bytes());
                out.push(u8::from(kept.refuses));
                text(out, name);
            }
            Self::Entry { id, offset, appended_ms, event, payload } => {
                let start = out.len();
                out.extend_from_slice(&[tags::ENTRY, 0, 0, 0, 0]);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&appended_ms.to_le_bytes());
                out.extend_from_slice(&event.map_or(NO_EVENT, name_bytes).to_le_bytes());
                out.extend_from_slice(&length(payload).to_le_bytes());
                out.extend_from_slice(event.unwrap_or_default().as_bytes());
                out.extend_from_slice(payload);
                let crc = crc32fast::hash(&out[start + 5..]);
                out[start + 1..start + 5].copy_from_slice(&crc.to_le_bytes());
            }
            Self::Removal { id, offset } => {
                out.push(tags::REMOVAL);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
            }
            Self::Event { id, offset, appended_ms, event } => {
                out.push(tags::EVENT);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&appended_ms.to_le_bytes());
                text(out, event);
            }
            Self::Put { key, revision, value } => {
                out.push(tags::PUT);
                out.extend_from_slice(&revision.to_le_bytes());
                text(out, key);
                out.extend_from_slice(&length(value).to_le_bytes());
                out.extend_from_slice(value);
            }
            Self::Deletion { key, revision } => {
                out.push(tags::DELETION);
                out.extend_from_slice(&revision.to_le_bytes());
                text(out, key);
            }
            Self::Forgotten { id } => {
                out.push(tags::FORGOTTEN);
                out.extend_from_slice(&id.to_le_bytes());
            }
        }
    }

    fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(match fields.u8()? {
            tags::COUNTERS => {
                let (new_epoch, revision) = (fields.u64()?, fields.u64()?);
                Self::Counters { new_epoch, revision, log_id: fields.u32()? }
            }
            tags::LOG => {
                let id = fields.u32()?;
                let (epoch, head, dropped) = (fields.u64()?, fields.u64()?, fields.u64()?);
                let (ttl_ms, event_window_ms) = (fields.u64()?, fields.u64()?);
                let (entries_max, refuses) = (fields.u32()?, fields.u8()? != 0);
                let kept = Kept { entries_max, ttl_ms, event_window_ms, refuses };
                Self::Log { id, epoch, head, dropped, kept, name: fields.name()? }
            }
            tags::ENTRY => {
                // The frame's checksum was looked at just now.
                let _crc = fields.u32()?;
                let (id, offset, appended_ms) = (fields.u32()?, fields.u64()?, fields.u64()?);
                let event_bytes = fields.u16()?;
                let payload_bytes = fields.u32()? as usize;
                let event = match event_bytes {
                    NO_EVENT => None,
                    bytes => Some(fields.text(usize::from(bytes))?),
                };
                let payload = fields.bytes(payload_bytes)?;
                Self::Entry { id, offset, appended_ms, event, payload }
            }
            tags::REMOVAL => Self::Removal { id: fields.u32()?, offset: fields.u64()? },
            tags::EVENT => {
                let (id, offset, appended_ms) = (fields.u32()?, fields.u64()?, fields.u64()?);
                Self::Event { id, offset, appended_ms, event: fields.name()? }
            }
            tags::PUT => {
                let (revision, key) = (fields.u64()?, fields.name()?);
                let value_bytes = fields.u32()? as usize;
                Self::Put { key, revision, value: fields.bytes(value_bytes)? }
            }
            tags::DELETION => {
                let revision = fields.u64()?;
                Self::Deletion { key: fields.name()?, revision }
            }
            tags::FORGOTTEN => Self::Forgotten { id: fields.u32()? },
            _ => return None,
        })
    }
}

impl<'a> Fields<'a> {
    fn name(&mut self) -> Option<&'a str> {
        let bytes = self.u16()?;
        self.text(usize::from(bytes))
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&name_bytes(text).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Names, keys and events are checked at the door.
fn name_bytes(name: &str) -> u16 {
    debug_assert!(name.len() < usize::from(NO_EVENT));
    u16::try_from(name.len()).unwrap_or(NO_EVENT - 1)
}

/// Payloads and values are checked at the door.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
