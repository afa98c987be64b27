//! What is kept of a channel, for an application or a back-end.

use serde_json::value::RawValue;
use ws_broker::{EngineError, Log, Position, ReadLimits};
use ws_channels::ChannelName;

use super::{history::READ_TIMEOUT, stored::Stored};
use crate::{application::Application, cluster::history_log, handler::WebSocketHandler};

/// How many bytes are read of a log at once.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// A part of what is kept of a channel.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// Where the log is now.
    pub head: Position,
    /// Whether it is certain that nothing is missing before the first message.
    pub is_complete: bool,
    /// The messages, the oldest first.
    pub messages: Vec<KeptMessage>,
    /// More follow behind this offset; `None` if that was all.
    pub next: Option<u64>,
}

/// A message of a history.
#[derive(Clone, Debug)]
pub struct KeptMessage {
    /// Where it stands.
    pub offset: u64,
    /// When it was published, in ms since 1970.
    pub timestamp: u64,
    /// What kind of thing it is, within the channel.
    pub event: Option<Box<str>>,
    /// Which user published it; `None` for a back-end.
    pub from: Option<Box<str>>,
    /// The publisher's own name for it.
    pub event_id: Option<Box<str>>,
    /// The thing.
    pub data: Box<RawValue>,
}

impl<A: Application> WebSocketHandler<A> {
    /// What is kept of a channel behind an offset, at most so many messages and some 1 MiB of them; `None` if
    /// nothing is kept of it at all.
    pub async fn history(
        &self,
        channel: &ChannelName,
        after: u64,
        max: u32,
    ) -> Result<Option<HistoryPage>, EngineError> {
        let hub = &self.shared.hub;
        let Some(keep) = hub.keep(channel) else { return Ok(None) };
        let name = history_log(channel);
        let limits = ReadLimits { entries_max: max, bytes_max: PAGE_BYTES_MAX };
        let reading = hub.cluster.engine.read(&Log { name: &name, keep: &keep }, after, limits);
        let unknown = || EngineError::Unknown { kind: hub.cluster.engine.kind() };
        let page = tokio::time::timeout(READ_TIMEOUT, reading).await.map_err(|_| unknown())??;
        let last = page.entries.last().map(|entry| entry.position.offset);
        let message = |entry: &ws_broker::Entry| {
            let stored = Stored::decode(&entry.payload)?;
            Some(KeptMessage {
                offset: entry.position.offset,
                timestamp: stored.timestamp,
                event: stored.event.map(Box::from),
                from: stored.from.map(Box::from),
                event_id: stored.event_id.map(Box::from),
                data: stored.data.to_owned(),
            })
        };
        Ok(Some(HistoryPage {
            head: page.head,
            is_complete: page.is_complete,
            messages: page.entries.iter().filter_map(message).collect(),
            next: last.filter(|last| *last < page.head.offset),
        }))
    }
}
