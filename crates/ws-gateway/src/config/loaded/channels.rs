//! `[[channels]]`, `[[connection_types]]` and `[[bridges]]` as `ws-gateway config` prints them: a line for
//! each.

use std::fmt;

use ws_channels::{ChannelRules, ConnectionTypeSpec, OnOutage, RuleSpec};

use super::Loaded;
use crate::config::origin::Origin;
use crate::config::quantity::show_duration;
use crate::config::resolved::BridgeSpec;

/// Rules in the order in which they are asked, then types as they were written.
pub(super) fn print(loaded: &Loaded, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let channels = &loaded.config.channels;
    if channels.rules.is_empty() {
        writeln!(f, "[[channels]]: none, any channel but the reserved ones\n")?;
    } else {
        writeln!(f, "[[channels]]: the first that fits settles it; what none fits is denied")?;
        print_table(f, &rules(&channels.rules, &loaded.rule_origins))?;
    }
    if channels.types.is_empty() {
        writeln!(f, "[[connection_types]]: none\n")?;
    } else {
        writeln!(f, "[[connection_types]]")?;
        print_table(f, &types(&channels.types, &loaded.type_origins))?;
    }
    let bridges = &loaded.config.nats.bridges;
    if bridges.is_empty() {
        return Ok(());
    }
    writeln!(f, "[[bridges]]")?;
    let row = |(index, bridge): (usize, &BridgeSpec)| {
        let BridgeSpec { subject, channel, direction } = bridge;
        let origin = shown(loaded.bridge_origins.get(index));
        vec![subject.clone(), channel.clone(), direction.name().to_owned(), origin]
    };
    print_table(f, &bridges.iter().enumerate().map(row).collect::<Vec<_>>())
}

fn rules(specs: &[RuleSpec], origins: &[Origin]) -> Vec<Vec<String>> {
    // The compiler knows the order; they have been compiled once, and without a fault.
    let compiled = ChannelRules::compile(specs);
    let order = compiled.iter().flat_map(ChannelRules::rules);
    let place = |pattern: &str| specs.iter().position(|spec| spec.pattern == pattern);
    let written = order.filter_map(|rule| place(rule.pattern().as_str()));
    let row = |index: usize| {
        let (spec, origin) = (specs.get(index)?, origins.get(index));
        let actions =
            [(spec.subscribe, "subscribe"), (spec.publish, "publish"), (spec.presence, "presence")];
        let actions = actions.iter().filter(|(may, _)| *may).map(|(_, action)| *action);
        let events = match &spec.allowed_events {
            Some(events) => listed(events.iter().map(String::as_str), "no event"),
            None => "any event".to_owned(),
        };
        let rate = spec
            .rate_limit_per_second
            .map_or_else(|| "no limit".to_owned(), |rate| format!("{rate} a second"));
        // What is said of those who may not do it says nothing.
        let about = |may: bool, text: String| if may { text } else { "–".to_owned() };
        Some(vec![
            spec.pattern.clone(),
            listed(actions, "nothing"),
            about(spec.publish, events),
            about(spec.publish, rate),
            about(spec.subscribe, spec.slow_consumer.name().to_owned()),
            spec.history.map_or_else(
                || "no history".to_owned(),
                |history| {
                    let ttl = u64::try_from(history.ttl.as_millis()).unwrap_or(u64::MAX);
                    format!("{} for {}", history.size, show_duration(ttl))
                },
            ),
            outage(spec).name().to_owned(),
            shown(origin),
        ])
    };
    written.filter_map(row).collect()
}

/// What counts, whether it is written or not.
fn outage(spec: &RuleSpec) -> OnOutage {
    let unless_written = if spec.history.is_some() { OnOutage::Refuse } else { OnOutage::Local };
    spec.on_outage.unwrap_or(unless_written)
}

fn types(specs: &[ConnectionTypeSpec], origins: &[Origin]) -> Vec<Vec<String>> {
    let row = |(index, spec): (usize, &ConnectionTypeSpec)| {
        let per = spec.per.as_ref().map(|per| format!(" a {per}")).unwrap_or_default();
        let max = spec.max.map_or_else(|| "no limit".to_owned(), |max| format!("{max}{per}"));
        vec![
            spec.path.clone(),
            max,
            if spec.owner { "owner" } else { "anybody" }.to_owned(),
            match &spec.tunnel {
                Some(tunnel) => format!("tunnel to {tunnel}"),
                None => listed(spec.channels.iter().map(String::as_str), "no channel"),
            },
            spec.on_limit.name().to_owned(),
            shown(origins.get(index)),
        ]
    };
    specs.iter().enumerate().map(row).collect()
}

fn listed<'a>(items: impl Iterator<Item = &'a str>, none: &str) -> String {
    let items: Vec<&str> = items.collect();
    // A name of an event may be anything, a line end included.
    if items.is_empty() { none.to_owned() } else { items.join(",").escape_debug().to_string() }
}

fn shown(origin: Option<&Origin>) -> String {
    origin.unwrap_or(&Origin::Default).to_string()
}

/// Each column as wide as its widest cell.
fn print_table(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            match row.len() - column {
                1 => writeln!(f, "{cell}")?,
                _ => write!(f, "{cell:width$}  ", width = width(column).unwrap_or_default())?,
            }
        }
    }
    writeln!(f)
}
