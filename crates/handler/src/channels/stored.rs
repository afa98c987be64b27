//! A publication as nodes hand it on and engines keep it.
//!
//! ```text
//!   version  flags  timestamp ms  [trace]   [len more]  [len event]  [len from]  [len event id]  [len subject]  data
//!   u8       u8     u64           25 bytes  u16 …       u16 …        u16 …       u16 …           u16 …          the rest, JSON
//! ```
//!
//! `more` is for what later versions add: this one writes none, and leaves it unread.
//!
//! What clients read is written by each node on its own, once the offset is known.

use serde_json::value::RawValue;
use ws_channels::ChannelName;
use ws_protocol::{ChannelMessage, ServerMessage};
use ws_traces::TraceContext;

use super::back_end::Publish;

const VERSION: u8 = 1;
const EVENT: u8 = 1;
const FROM: u8 = 2;
const EVENT_ID: u8 = 4;
const ROOM_MESSAGE: u8 = 8;
const SUBJECT: u8 = 16;
const TRACE: u8 = 32;
const MORE: u8 = 64;
/// Where the trace is, if there is one: behind version, flags and timestamp.
const TRACE_AT: usize = 10;

/// A publication, borrowed from where it was read or from who publishes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'s> {
    pub(crate) timestamp: u64,
    /// The trace that it belongs to, where that is recorded.
    pub(crate) trace: Option<TraceContext>,
    /// As it is said in a room.
    pub(crate) is_room_message: bool,
    pub(crate) event: Option<&'s str>,
    pub(crate) from: Option<&'s str>,
    pub(crate) event_id: Option<&'s str>,
    /// The subject of another system that brought it.
    pub(crate) subject: Option<&'s str>,
    pub(crate) data: &'s RawValue,
}

impl<'s> Stored<'s> {
    /// A publication of what is being done right now.
    pub(crate) fn of(publish: &Publish<'s>, is_room_message: bool, timestamp: u64) -> Self {
        let Publish { event, data, event_id, from, .. } = *publish;
        let trace = ws_traces::current().filter(TraceContext::is_sampled);
        Self { timestamp, trace, is_room_message, event, from, event_id, subject: None, data }
    }

    /// Appends it to `out`. A name that is longer than a name can be is left out: no client can send one.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let names = [
            (EVENT, self.event),
            (FROM, self.from),
            (EVENT_ID, self.event_id),
            (SUBJECT, self.subject),
        ];
        let names = names.map(|(flag, name)| {
            (flag, name.and_then(|name| Some((u16::try_from(name.len()).ok()?, name))))
        });
        let present = names.iter().filter(|(_, name)| name.is_some());
        let flags = present.fold(0, |flags, (flag, _)| flags | flag);
        out.push(VERSION);
        let flags = if self.is_room_message { flags | ROOM_MESSAGE } else { flags };
        out.push(if self.trace.is_some() { flags | TRACE } else { flags });
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        if let Some(trace) = &self.trace {
            out.extend(trace.to_bytes());
        }
        for (len, name) in names.iter().filter_map(|(_, name)| *name) {
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(self.data.get().as_bytes());
    }

    /// Reads it; `None` if it is not one, or of a later version.
    pub(crate) fn decode(bytes: &'s [u8]) -> Option<Self> {
        let (&[VERSION, flags], rest) = bytes.split_first_chunk()? else { return None };
        let (timestamp, mut rest) = rest.split_first_chunk()?;
        let mut trace = None;
        if flags & TRACE != 0 {
            let (bytes, behind) = rest.split_first_chunk()?;
            (trace, rest) = (TraceContext::from_bytes(bytes), behind);
        }
        let mut part = |flag| {
            if flags & flag == 0 {
                return Some(None);
            }
            let (len, behind) = rest.split_first_chunk()?;
            let (part, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
            rest = behind;
            Some(Some(part))
        };
        part(MORE)?;
        let mut name = |flag| match part(flag)? {
            Some(name) => Some(Some(str::from_utf8(name).ok()?)),
            None => Some(None),
        };
        let (event, from, event_id) = (name(EVENT)?, name(FROM)?, name(EVENT_ID)?);
        let subject = name(SUBJECT)?;
        Some(Self {
            timestamp: u64::from_be_bytes(*timestamp),
            trace,
            is_room_message: flags & ROOM_MESSAGE != 0,
            event,
            from,
            event_id,
            subject,
            // Looked into: what others can write to is not trusted to be JSON.
            data: serde_json::from_slice(rest).ok()?,
        })
    }

    /// The trace that the bytes of a publication belong to, and where it stands in them.
    pub(crate) fn trace_in(bytes: &[u8]) -> Option<(TraceContext, std::ops::Range<usize>)> {
        let (&[VERSION, flags], _) = bytes.split_first_chunk()? else { return None };
        if flags & TRACE == 0 {
            return None;
        }
        let range = TRACE_AT..TRACE_AT + TraceContext::BYTES;
        let trace = TraceContext::from_bytes(bytes.get(range.clone())?.try_into().ok()?)?;
        Some((trace, range))
    }

    /// As it was published in `channel`.
    pub(crate) fn publish(&self, channel: &'s ChannelName) -> Publish<'s> {
        let Self { event, from, event_id, data, .. } = *self;
        Publish { channel, event, data, event_id, from }
    }

    /// What it is about, for those who are told the newest of each.
    pub(crate) fn about(&self) -> Option<&'s str> {
        self.event.or(self.subject)
    }

    /// What subscribers of `channel` read.
    pub(crate) fn message(&self, channel: &'s str, offset: Option<u64>) -> ServerMessage<'s> {
        let Self { event, from, event_id, subject, data, .. } = *self;
        let room_id = channel.strip_prefix("room:").filter(|_| self.is_room_message);
        match (room_id, from) {
            (Some(room_id), Some(from)) => {
                ServerMessage::RoomMessage { from, room_id, message: data, offset }
            }
            _ => ServerMessage::Message(ChannelMessage {
                channel: Some(channel),
                subject,
                event,
                data,
                from,
                offset,
                event_id,
                message_id: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = Option<String>> {
        proptest::option::of(".{0,40}")
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            timestamp: u64,
            trace in proptest::option::of((any::<u128>(), any::<u64>())),
            is_room_message: bool,
            event in name(),
            from in name(),
            event_id in name(),
            subject in name(),
            data in "[a-z]{0,40}",
        ) {
            let data = serde_json::value::to_raw_value(&data).unwrap();
            let (event, from) = (event.as_deref(), from.as_deref());
            let event_id = event_id.as_deref();
            let trace = trace.map(|(trace_id, span_id)| TraceContext::new(trace_id, span_id, true));
            let stored =
                Stored {
                    timestamp,
                    trace,
                    is_room_message,
                    event,
                    from,
                    event_id,
                    subject: subject.as_deref(),
                    data: &data,
                };
            let mut bytes = Vec::new();
            stored.encode(&mut bytes);
            let read = Stored::decode(&bytes).unwrap();
            prop_assert_eq!(format!("{stored:?}"), format!("{read:?}"));
            prop_assert_eq!(Stored::trace_in(&bytes).map(|(trace, _)| trace), trace);
        }

        #[test]
        fn what_is_no_publication_is_not_read_as_one(bytes: Vec<u8>) {
            let _ = (Stored::decode(&bytes), Stored::trace_in(&bytes));
        }
    }

    #[test]
    fn what_later_versions_add_is_left_unread() {
        let data = serde_json::value::to_raw_value("x").unwrap();
        let stored = Stored {
            timestamp: 1,
            trace: Some(TraceContext::new(1, 1, true)),
            is_room_message: false,
            event: Some("e"),
            from: None,
            event_id: None,
            subject: None,
            data: &data,
        };
        let mut bytes = Vec::new();
        stored.encode(&mut bytes);
        let at = TRACE_AT + TraceContext::BYTES;
        bytes[1] |= MORE;
        bytes.splice(at..at, *b"\0\x03new");
        let read = Stored::decode(&bytes).unwrap();
        assert_eq!(format!("{stored:?}"), format!("{read:?}"));
    }

    #[test]
    fn a_publication_that_is_cut_anywhere_is_none() {
        let data = serde_json::value::to_raw_value("x").unwrap();
        let (event, from, event_id) = (Some("e"), Some("ada"), Some("1"));
        let stored = Stored {
            timestamp: 1,
            trace: Some(TraceContext::new(1, 1, true)),
            is_room_message: true,
            event,
            from,
            event_id,
            subject: Some("orders.new"),
            data: &data,
        };
        let mut bytes = Vec::new();
        stored.encode(&mut bytes);
        for len in 0..bytes.len() {
            assert!(Stored::decode(&bytes[..len]).is_none(), "{len} bytes");
        }
        bytes[0] = 2;
        assert!(Stored::decode(&bytes).is_none(), "a later version");
    }
}
