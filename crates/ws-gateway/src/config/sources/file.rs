//! The configuration file: TOML, read with the line of everything in it.

mod bridges;
mod channels;
mod connection_types;
mod costs;
mod entry;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use self::bridges::BRIDGES;
use self::channels::CHANNELS;
use self::connection_types::CONNECTION_TYPES;
use self::costs::COSTS;
use super::Raw;
use crate::config::fault::Fault;
use crate::config::origin::{Origin, Written};
use crate::config::resolved::Tier;
use crate::config::setting::{Kind, Section, Setting};
use crate::config::settings::SETTINGS;
use crate::config::shown::shown;
use crate::config::suggestion::nearest;

#[cfg(test)]
mod tests;

/// The sections that may stand in the file several times, and what each may have in it.
#[cfg(test)]
pub(in crate::config) const ARRAY_KEYS: [(&str, &[&str]); 3] = [
    (CHANNELS, &channels::KEYS),
    (CONNECTION_TYPES, &connection_types::KEYS),
    (BRIDGES, &bridges::KEYS),
];

const TIERS: &str = "tiers";
const ARRAYS: [&str; 3] = [CHANNELS, CONNECTION_TYPES, BRIDGES];
pub(in crate::config) const TIER_KEYS: [&str; 3] = ["messages_per_minute", "burst", "mode"];

/// Reads the text of the file at `path`.
pub(in crate::config) fn read(path: &Path, text: &str) -> Raw {
    let mut reader = Reader { path, text, raw: Raw::default() };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        reader.read_root(table.get_ref());
    }
    for error in &errors {
        // The error's own text would show the line, and with it perhaps a secret.
        reader.fault("the file", error.span().unwrap_or_default(), None, error.message());
        reader.raw.is_incomplete = true;
    }
    reader.raw.faults.sort_by_key(|fault| match fault.source {
        Origin::File { line, .. } => line,
        _ => 0,
    });
    reader.raw
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    raw: Raw,
}

impl Reader<'_> {
    fn read_root(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            let name = key.get_ref().as_ref();
            let section = Section::ALL.into_iter().find(|section| section.name() == name);
            if let Some(section) = section {
                self.read_section(section, key.span(), value);
            } else if name == TIERS {
                self.read_tiers(key.span(), value);
            } else if name == COSTS {
                costs::read(self, key.span(), value);
            } else if name == CHANNELS {
                channels::read(self, key.span(), value);
            } else if name == CONNECTION_TYPES {
                connection_types::read(self, key.span(), value);
            } else if name == BRIDGES {
                bridges::read(self, key.span(), value);
            } else {
                self.unknown_key(None, name, key.span());
            }
        }
    }

    fn read_section(&mut self, section: Section, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            let accepted = format!("a section: [{}] on a line of its own", section.name());
            return self.fault(section.name(), key, None, &accepted);
        };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let is_named = |setting: &&Setting| setting.section == section && setting.key() == name;
            match SETTINGS.iter().copied().find(is_named) {
                Some(setting) => self.read_setting(setting, value),
                None => self.unknown_key(Some(section), name, key.span()),
            }
        }
    }

    fn read_setting(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        match text_of(&setting.kind, value.get_ref()) {
            Some(text) => {
                let origin = self.origin(&value.span());
                self.raw.write(setting, Written { text, origin });
            }
            None => {
                let accepted = format!("{}: {}", accepted_form(&setting.kind), setting.accepted());
                let source = self.text.get(value.span()).unwrap_or_default();
                let value_shown = Some(shown(setting, source));
                self.fault(setting.env, value.span(), value_shown, &accepted);
            }
        }
    }

    fn unknown_key(&mut self, section: Option<Section>, name: &str, span: Range<usize>) {
        let full_name = match section {
            Some(section) => format!("{}.{name}", section.name()),
            None => name.to_owned(),
        };
        let accepted = match suggestion(section, name) {
            Some(meant) => format!("not a setting; did you mean {meant}?"),
            None => match section {
                Some(section) => format!("not a setting of [{}]", section.name()),
                None => "neither a section nor a setting".to_owned(),
            },
        };
        // The value is not shown: behind a name that is not known may be a secret.
        self.fault(&full_name, span, None, &accepted);
    }

    fn read_tiers(&mut self, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let form = "one section for each tier: [tiers.NAME] on a line of its own";
        let Some(tiers) = value.get_ref().as_table() else {
            return self.fault(TIERS, key, None, form);
        };
        for (name, value) in tiers {
            let full_name = format!("{TIERS}.{}", name.get_ref());
            match value.get_ref().as_table() {
                Some(table) => {
                    let tier = self.read_tier(&full_name, table);
                    self.raw.tiers.insert(name.get_ref().to_string(), tier);
                }
                None => self.fault(&full_name, name.span(), None, form),
            }
        }
    }

    fn read_tier(&mut self, tier_name: &str, table: &DeTable<'_>) -> Tier {
        let mut tier = Tier::default();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let full_name = format!("{tier_name}.{name}");
            let number = value.get_ref().as_integer().and_then(whole).map(u32::try_from);
            // Zero means that there is no limit, and no burst of its own.
            match (name, number) {
                ("messages_per_minute", Some(Ok(number))) => {
                    tier.messages_per_minute = (number > 0).then_some(number);
                }
                ("burst", Some(Ok(number))) => tier.burst = (number > 0).then_some(number),
                ("mode", _) => match value.get_ref().as_str() {
                    Some("enforce") => tier.is_shadow = Some(false),
                    Some("shadow") => tier.is_shadow = Some(true),
                    _ => {
                        let shown = self.text.get(value.span()).map(str::to_owned);
                        let accepted = "\"enforce\" or \"shadow\"";
                        self.fault(&full_name, value.span(), shown, accepted);
                    }
                },
                _ if TIER_KEYS.contains(&name) => {
                    let accepted = format!("a whole number from 0 to {}", u32::MAX);
                    let shown = self.text.get(value.span()).map(str::to_owned);
                    self.fault(&full_name, value.span(), shown, &accepted);
                }
                _ => {
                    let accepted = match nearest(name, TIER_KEYS.into_iter()) {
                        Some(meant) => format!("not a setting; did you mean {meant}?"),
                        None => {
                            format!("not a setting of a tier; there are {}", TIER_KEYS.join(", "))
                        }
                    };
                    self.fault(&full_name, key.span(), None, &accepted);
                }
            }
        }
        if !table.contains_key(TIER_KEYS[0]) {
            self.raw.warnings.push(format!("[{tier_name}] has no messages_per_minute: no limit"));
        }
        tier
    }

    fn fault(&mut self, name: &str, span: Range<usize>, value: Option<String>, accepted: &str) {
        let source = self.origin(&span);
        let (name, accepted) = (name.to_owned(), accepted.to_owned());
        self.raw.faults.push(Fault { name, value, source, accepted });
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Origin::File { path: self.path.to_owned(), line }
    }
}

/// The value as a variable would say it, or `None` if it is of a type that the setting has no use
/// for.
fn text_of(kind: &Kind, value: &DeValue<'_>) -> Option<String> {
    match (kind, value) {
        (Kind::Duration(..) | Kind::Size(..) | Kind::Integer(..), DeValue::Integer(number)) => {
            Some(whole(number).map_or_else(|| number.to_string(), |number| number.to_string()))
        }
        (Kind::Switch(_), DeValue::Boolean(on)) => Some(on.to_string()),
        (Kind::List(..), DeValue::Array(items)) => {
            let items: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str()).collect();
            items.map(|items| items.join(","))
        }
        (Kind::Integer(..) | Kind::Switch(_), DeValue::String(_)) => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

fn accepted_form(kind: &Kind) -> &'static str {
    match kind {
        Kind::Duration(..) | Kind::Size(..) => "a number, or a string in quotes",
        Kind::Integer(..) => "a number without quotes",
        Kind::Switch(_) => "true or false without quotes",
        Kind::List(..) => "an array of strings, or one string",
        Kind::Word(_) | Kind::Secret(_) | Kind::Text(..) => "a string in quotes",
    }
}

/// TOML has numbers to the bases 2, 8 and 16 too.
fn whole(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// What was probably meant by a key: one that was mistyped or shortened, or stands elsewhere.
fn suggestion(section: Option<Section>, name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let Some(section) = section else {
        let sections = Section::ALL.into_iter().map(Section::name).chain([TIERS, COSTS]);
        return nearest(&name, sections)
            .map(|section| format!("[{section}]"))
            .or_else(|| nearest(&name, ARRAYS.into_iter()).map(|array| format!("[[{array}]]")))
            .or_else(|| elsewhere(&name));
    };
    within(section, &name).or_else(|| elsewhere(&name))
}

fn within(section: Section, name: &str) -> Option<String> {
    let settings = || SETTINGS.iter().copied().filter(|setting| setting.section == section);
    // The name of the variable, where the key is shorter.
    let spelled_out = settings().find(|setting| setting.env.eq_ignore_ascii_case(name));
    let keys: Vec<String> = settings().map(Setting::key).collect();
    // Of several the first: the table begins with what a section is about.
    let shortened = keys.iter().find(|key| key.ends_with(name) && key.len() > name.len());
    spelled_out
        .map(Setting::key)
        .or_else(|| nearest(name, keys.iter().map(String::as_str)).map(str::to_owned))
        .or_else(|| shortened.cloned())
}

fn elsewhere(name: &str) -> Option<String> {
    let names: BTreeMap<String, &Setting> =
        SETTINGS.iter().map(|setting| (setting.env.to_ascii_lowercase(), *setting)).collect();
    let setting = names.get(nearest(name, names.keys().map(String::as_str))?)?;
    Some(format!("{} under [{}]", setting.key(), setting.section.name()))
}
