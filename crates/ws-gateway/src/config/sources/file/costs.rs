//! `[costs]`: what each kind of message takes of its sender's rate limit.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;
use ws_protocol::ClientType;

use super::{Reader, whole};
use crate::config::suggestion::nearest;

pub(super) const COSTS: &str = "costs";

pub(super) fn read(reader: &mut Reader<'_>, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
    let Some(table) = value.get_ref().as_table() else {
        return reader.fault(COSTS, key, None, "a section: [costs] on a line of its own");
    };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let full_name = format!("{COSTS}.{name}");
        let Some(kind) = ClientType::ALL.iter().find(|kind| kind.name() == name) else {
            let known = ClientType::ALL.iter().map(|kind| kind.name());
            let accepted = match nearest(name, known) {
                Some(meant) => format!("not a type of message; did you mean {meant}?"),
                None => "not a type of message that clients send".to_owned(),
            };
            reader.fault(&full_name, key.span(), None, &accepted);
            continue;
        };
        let number = value.get_ref().as_integer().and_then(whole).map(u32::try_from);
        match number {
            Some(Ok(cost)) => drop(reader.raw.costs.insert(kind.name(), cost)),
            _ => {
                let accepted = format!("a whole number from 0 to {}", u32::MAX);
                let shown = reader.text.get(value.span()).map(str::to_owned);
                reader.fault(&full_name, value.span(), shown, &accepted);
            }
        }
    }
}
