//! `[[bridges]]`: what passes between subjects of NATS and channels.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;
use ws_channels::{ChannelKind, ChannelName};

use super::Reader;
use super::entry::{Entry, entries};
use crate::config::form::is_subject;
use crate::config::resolved::{BridgeSpec, Direction};

pub(super) const BRIDGES: &str = "bridges";
pub(super) const KEYS: [&str; 3] = ["subject", "channel", "direction"];
const SUBJECT: &str = "a subject such as orders.new, orders.* or orders.>";
const CHANNEL: &str = "one channel, such as orders";

/// Reads and checks all bridges, the faults of each with its line.
pub(super) fn read(reader: &mut Reader<'_>, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
    let mut bridges: Vec<(BridgeSpec, Entry<'_>)> = Vec::new();
    for mut entry in entries(reader, BRIDGES, key, value) {
        entry.refuse_unknown(reader, &KEYS);
        let bridge = BridgeSpec {
            subject: entry.required_text(reader, "subject", SUBJECT),
            channel: entry.required_text(reader, "channel", CHANNEL),
            direction: entry.word(reader, "direction", &Direction::ALL),
        };
        check(reader, &entry, &bridge);
        let is_same = |(other, _): &&(BridgeSpec, Entry<'_>)| {
            other.subject == bridge.subject && other.channel == bridge.channel
        };
        if let Some((_, first)) = bridges.iter().find(is_same) {
            let place = reader.origin(&first.header);
            let accepted = format!("a subject and a channel that are not together in {place}");
            entry.refuse(reader, &["subject", "channel"], &accepted);
        }
        bridges.push((bridge, entry));
    }
    for (bridge, entry) in bridges {
        let origin = reader.origin(&entry.header);
        reader.raw.bridges.push((bridge, origin));
    }
}

fn check(reader: &mut Reader<'_>, entry: &Entry<'_>, bridge: &BridgeSpec) {
    if !is_subject(&bridge.subject) {
        entry.refuse(reader, &["subject"], SUBJECT);
    } else if bridge.direction.is_out() && bridge.subject.contains(['*', '>']) {
        let accepted = "one subject, without * and >, where something goes out to it";
        entry.refuse(reader, &["subject"], accepted);
    }
    match ChannelName::new(&bridge.channel) {
        Err(error) => entry.refuse(reader, &["channel"], &format!("{CHANNEL}; {error}")),
        Ok(name) if name.kind() == ChannelKind::System => {
            entry.refuse(reader, &["channel"], "what begins with $ is the gateway's own");
        }
        Ok(_) => {}
    }
}
