//! `[[channels]]`: which channels there are for whom.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;
use ws_channels::{
    ChannelRules, HistorySpec, OnOutage, RuleError, RuleFault, RuleSpec, SlowConsumer,
};

use super::entry::{Entry, entries};
use super::{Reader, whole};
use crate::config::quantity::parse_duration;

pub(super) const CHANNELS: &str = "channels";
pub(super) const KEYS: [&str; 9] = [
    "pattern",
    "subscribe",
    "publish",
    "presence",
    "allowed_events",
    "rate_limit",
    "slow_consumer",
    "history",
    "on_outage",
];
const HISTORY: &str = "how many messages are kept and for how long: { size = 100, ttl = \"5m\" }";
const PATTERN: &str = "channels such as orders, chat:* or user:{user_id}:*";

/// Reads and checks all rules, the faults of each with its line.
pub(super) fn read(reader: &mut Reader<'_>, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
    // To mean "nobody may do anything" by it is as likely as to mean "no rules".
    if value.get_ref().as_array().is_some_and(|items| items.is_empty()) {
        let accepted = "at least one rule; leave it out, and who has authenticated may use any \
                        channel, or let a rule with the pattern * allow nothing";
        return reader.fault(CHANNELS, key, Some("[]".to_owned()), accepted);
    }
    let mut rules = Vec::new();
    for mut entry in entries(reader, CHANNELS, key, value) {
        rules.push((read_rule(reader, &mut entry), entry));
    }
    let specs: Vec<RuleSpec> = rules.iter().map(|(spec, _)| spec.clone()).collect();
    for fault in faults(&specs) {
        let first = match &fault.error {
            RuleError::Duplicate { first } => rules.get(*first),
            _ => None,
        };
        if let Some((_, entry)) = rules.get(fault.index) {
            let first = first.map(|(_, entry)| reader.origin(&entry.header).to_string());
            let (keys, accepted) = explain(&fault.error, first.as_deref());
            entry.refuse(reader, keys, &accepted);
        }
    }
    for (spec, entry) in rules {
        let origin = reader.origin(&entry.header);
        reader.raw.rules.push((spec, origin));
    }
}

fn read_rule(reader: &mut Reader<'_>, entry: &mut Entry<'_>) -> RuleSpec {
    entry.refuse_unknown(reader, &KEYS);
    let events = entry.texts(reader, "allowed_events", "the names of events");
    if events.as_ref().is_some_and(Vec::is_empty) {
        let accepted = "at least one event; leave it out for any, or `publish` for none";
        entry.refuse(reader, &["allowed_events"], accepted);
    }
    RuleSpec {
        pattern: entry.required_text(reader, "pattern", PATTERN),
        subscribe: entry.switch(reader, "subscribe"),
        publish: entry.switch(reader, "publish"),
        presence: entry.switch(reader, "presence"),
        allowed_events: events,
        rate_limit_per_second: entry.number(reader, "rate_limit", "publishes a second"),
        history: entry.read(reader, "history", HISTORY, history),
        slow_consumer: entry.word(
            reader,
            "slow_consumer",
            &SlowConsumer::ALL.map(|policy| (policy.name(), policy)),
        ),
        on_outage: entry.word(
            reader,
            "on_outage",
            &OnOutage::ALL.map(|choice| (choice.name(), Some(choice))),
        ),
    }
}

/// Two keys, and no other.
fn history(value: &DeValue<'_>) -> Option<HistorySpec> {
    let table = value.as_table().filter(|table| table.len() == 2)?;
    let size = table.get("size")?.get_ref().as_integer().and_then(whole)?;
    let ttl = match table.get("ttl")?.get_ref() {
        DeValue::Integer(number) => Duration::from_millis(whole(number)?),
        DeValue::String(text) => parse_duration(text)?,
        _ => return None,
    };
    // What does not fit is beyond the most that there may be, which is told with all else.
    Some(HistorySpec { size: u32::try_from(size).unwrap_or(u32::MAX), ttl })
}

fn faults(specs: &[RuleSpec]) -> Vec<RuleFault> {
    let mut faults = ChannelRules::compile(specs).err().unwrap_or_default();
    // A rule without a pattern is not looked at any further; what else is wrong with it is to be told too.
    let has_no_pattern =
        |fault: &&RuleFault| matches!(fault.error, RuleError::Pattern(_) | RuleError::Reserved);
    let unread: Vec<usize> =
        faults.iter().filter(has_no_pattern).map(|fault| fault.index).collect();
    for (index, spec) in unread.into_iter().filter_map(|index| Some((index, specs.get(index)?))) {
        let stand_in = RuleSpec { pattern: "stand-in".to_owned(), ..spec.clone() };
        let others = ChannelRules::compile(&[stand_in]).err().unwrap_or_default();
        faults.extend(others.into_iter().map(|other| RuleFault { index, ..other }));
    }
    faults
}

/// The keys that it is about, the one to blame in front, and what would be right.
fn explain(error: &RuleError, first: Option<&str>) -> (&'static [&'static str], String) {
    match error {
        RuleError::Pattern(error) => (&["pattern"], format!("{PATTERN}; {error}")),
        RuleError::Duplicate { first: index } => {
            let place = first.unwrap_or_default();
            let number = index + 1;
            (
                &["pattern"],
                format!("a pattern that is there once; channels[{number}] ({place}) has it"),
            )
        }
        RuleError::Reserved => (&["pattern"], error.to_string()),
        RuleError::RateLimitZero => (
            &["rate_limit"],
            "1 or more publishes a second; leave `publish` out to allow none".to_owned(),
        ),
        RuleError::EmptyEvent => (&["allowed_events"], error.to_string()),
        RuleError::HistoryOfNothing | RuleError::HistoryTooLarge => {
            (&["history"], error.to_string())
        }
        RuleError::LocalHistory => (&["on_outage", "history"], error.to_string()),
    }
}
