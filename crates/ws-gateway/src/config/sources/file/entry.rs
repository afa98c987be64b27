//! One table of an array of tables, such as the second `[[channels]]`, read key by key.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Reader, whole};
use crate::config::suggestion::nearest;

/// A table with its place. What it is asked for and cannot give becomes a fault of the reader.
pub(super) struct Entry<'t> {
    /// `channels[2]` is the second.
    name: String,
    table: &'t DeTable<'t>,
    pub(super) header: Range<usize>,
    /// Keys whose value is no value: what follows from it is not told, too.
    faulty: BTreeSet<&'static str>,
}

/// The tables of the array, or a fault when it is none.
pub(super) fn entries<'t>(
    reader: &mut Reader<'_>,
    array: &'static str,
    key: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
) -> Vec<Entry<'t>> {
    let form = format!("[[{array}]] on a line of its own, with two brackets, for each");
    let Some(items) = value.get_ref().as_array() else {
        reader.fault(array, key, None, &form);
        return Vec::new();
    };
    let mut entries = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let name = format!("{array}[{}]", index + 1);
        match item.get_ref().as_table() {
            Some(table) => {
                let (header, faulty) = (item.span(), BTreeSet::new());
                entries.push(Entry { name, table, header, faulty });
            }
            None => reader.fault(&name, item.span(), None, &form),
        }
    }
    entries
}

impl<'t> Entry<'t> {
    /// A text that must be there; empty, and a fault, when it is not.
    pub(super) fn required_text(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        accepted: &str,
    ) -> String {
        if !self.has(key) {
            self.fault(reader, key, &format!("missing: {accepted}"));
        }
        self.text(reader, key, accepted).unwrap_or_default().to_owned()
    }

    pub(super) fn text(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        accepted: &str,
    ) -> Option<&'t str> {
        let accepted = format!("a string in quotes: {accepted}");
        self.read(reader, key, &accepted, |value| value.as_str())
    }

    /// Several texts; `None` when there are none to be read.
    pub(super) fn texts(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        accepted: &str,
    ) -> Option<Vec<String>> {
        let accepted = format!("an array of strings: {accepted}");
        self.read(reader, key, &accepted, |value| {
            let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            value.as_array()?.iter().map(text).collect()
        })
    }

    /// Whether the switch is on; off when it is not there.
    pub(super) fn switch(&mut self, reader: &mut Reader<'_>, key: &'static str) -> bool {
        let accepted = "true or false without quotes";
        self.read(reader, key, accepted, DeValue::as_bool).unwrap_or_default()
    }

    pub(super) fn number(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        accepted: &str,
    ) -> Option<u32> {
        let accepted = format!("a whole number without quotes: {accepted}");
        self.read(reader, key, &accepted, |value| {
            u32::try_from(value.as_integer().and_then(whole)?).ok()
        })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy + Default>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        words: &[(&str, T)],
    ) -> T {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let mut accepted = format!("one of {}", names.join(", "));
        let written = self.value(key).and_then(|value| value.get_ref().as_str());
        let lower = written.unwrap_or_default().to_ascii_lowercase().replace('_', "-");
        if let Some(meant) = nearest(&lower, names.into_iter()) {
            accepted = format!("{accepted}; did you mean {meant}?");
        }
        self.read(reader, key, &accepted, |value| {
            let written = value.as_str()?;
            words.iter().find(|(name, _)| *name == written).map(|(_, word)| *word)
        })
        .unwrap_or_default()
    }

    /// Every key that is none of `known`, with a guess at what was meant.
    pub(super) fn refuse_unknown(&mut self, reader: &mut Reader<'_>, known: &[&'static str]) {
        for key in self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let full_name = format!("{}.{name}", self.name);
            let accepted = match meant(name, known) {
                Some(meant) => format!("not a setting; did you mean {meant}?"),
                None => format!("not a setting here; there are {}", known.join(", ")),
            };
            reader.fault(&full_name, key.span(), None, &accepted);
        }
    }

    /// A value that is one, and cannot be meant. Nothing is told that follows from another fault.
    pub(super) fn refuse(&self, reader: &mut Reader<'_>, keys: &[&'static str], accepted: &str) {
        if let Some(key) = keys.first()
            && !keys.iter().any(|key| self.faulty.contains(key))
        {
            self.tell(reader, key, accepted);
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A value that is converted by its own function.
    pub(super) fn read<T>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        accepted: &str,
        convert: impl FnOnce(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let converted = convert(self.value(key)?.get_ref());
        if converted.is_none() {
            self.fault(reader, key, accepted);
        }
        converted
    }

    fn fault(&mut self, reader: &mut Reader<'_>, key: &'static str, accepted: &str) {
        self.tell(reader, key, accepted);
        self.faulty.insert(key);
    }

    /// At the line of the value, or of the table where there is none.
    fn tell(&self, reader: &mut Reader<'_>, key: &str, accepted: &str) {
        let full_name = format!("{}.{key}", self.name);
        let Some(value) = self.value(key) else {
            return reader.fault(&full_name, self.header.clone(), None, accepted);
        };
        let shown = match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => reader.text.get(value.span()).map(str::to_owned),
        };
        reader.fault(&full_name, value.span(), shown, accepted);
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }
}

/// A slip of the finger, or a name that was shortened or made longer.
fn meant<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let is_part = |key: &&&str| name.len() > 2 && (key.contains(&name) || name.contains(**key));
    let mut parts = known.iter().filter(is_part);
    nearest(&name, known.iter().copied())
        .or_else(|| parts.next().copied().filter(|_| parts.next().is_none()))
}
