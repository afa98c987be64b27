//! What a client that is too slow went without, counted for each channel.

use std::sync::Arc;

use ws_connection::{Origin, Prepared};

/// Channels that are counted each by itself.
const CHANNELS_MAX: usize = 64;

/// What a client went without in one channel, since it was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The channel, or [`Missed::OTHERS`].
    pub channel: Arc<str>,
    /// How many messages.
    pub dropped: u64,
    /// The epoch of the channel's history, and the first and the last offset between which all of them
    /// lie. None unless each of them has a place in one and the same epoch.
    pub range: Option<(u64, u64, u64)>,
}

/// One record for each channel, and one for all that are too many or have no name.
#[derive(Debug, Default)]
pub(crate) struct MissedLog {
    channels: Vec<Missed>,
    others: u64,
}

impl Missed {
    /// The channel of what was dropped in more than 64 channels at once, or without saying where it
    /// came from: no channel has this name.
    pub const OTHERS: &str = "*";
}

impl MissedLog {
    /// Counts a message, each of its parts where it belongs.
    pub(crate) fn note(&mut self, message: &Prepared) {
        message.for_each_origin(|origin| match origin {
            Some(origin) => self.note_origin(origin),
            None => self.others += 1,
        });
    }

    fn note_origin(&mut self, origin: &Origin) {
        let dropped = u64::from(origin.count);
        let is_same = |it: &&mut Missed| {
            Arc::ptr_eq(&it.channel, &origin.channel) || it.channel == origin.channel
        };
        if let Some(missed) = self.channels.iter_mut().find(is_same) {
            missed.dropped += dropped;
            missed.range = match (missed.range, origin.range) {
                (Some((epoch, from, to)), Some((same, first, last))) if epoch == same => {
                    Some((epoch, from.min(first), to.max(last)))
                }
                _ => None,
            };
        } else if self.channels.len() < CHANNELS_MAX {
            let (channel, range) = (origin.channel.clone(), origin.range);
            self.channels.push(Missed { channel, dropped, range });
        } else {
            self.others += dropped;
        }
    }

    /// The records, those of channels in the order in which they were first missed.
    pub(crate) fn into_records(self) -> Vec<Missed> {
        let Self { mut channels, others } = self;
        if others > 0 {
            channels.push(Missed { channel: Missed::OTHERS.into(), dropped: others, range: None });
        }
        channels
    }
}
