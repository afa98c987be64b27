//! `[[connection_types]]`: what the URL of a connection says about it.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;
use ws_channels::{ConnectionTypeSpec, ConnectionTypes, OnLimit, TypeError, TypeFault};

use super::Reader;
use super::entry::{Entry, entries};

pub(super) const CONNECTION_TYPES: &str = "connection_types";
pub(super) const KEYS: [&str; 7] =
    ["path", "max", "per", "owner", "channels", "on_limit", "tunnel"];
const TUNNEL: &str = "an address of TUNNEL_TARGETS such as 127.0.0.1:22, or {host}:22";
const PATH: &str = "a path such as /ws/chat/{session_id}";
const ON_LIMIT: [(&str, OnLimit); 2] = [
    (OnLimit::Reject.name(), OnLimit::Reject),
    (OnLimit::CloseOldest.name(), OnLimit::CloseOldest),
];

/// Reads and checks all types, the faults of each with its line. An empty array means that there are
/// none, not even those that there are by default.
pub(super) fn read(reader: &mut Reader<'_>, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
    let mut types = Vec::new();
    for mut entry in entries(reader, CONNECTION_TYPES, key, value) {
        types.push((read_type(reader, &mut entry), entry));
    }
    let specs: Vec<ConnectionTypeSpec> = types.iter().map(|(spec, _)| spec.clone()).collect();
    let mut told: Vec<(usize, &str)> = Vec::new();
    for fault in faults(&specs) {
        let first = match &fault.error {
            TypeError::Duplicate { first } => types.get(*first),
            _ => None,
        };
        if let Some((spec, entry)) = types.get(fault.index) {
            let first = first.map(|(_, entry)| reader.origin(&entry.header).to_string());
            let is_told = |key: &str| told.contains(&(fault.index, key));
            let (keys, accepted) = explain(&fault.error, spec, is_told, first.as_deref());
            entry.refuse(reader, keys, &accepted);
            told.extend(keys.first().map(|key| (fault.index, *key)));
        }
    }
    let origin_of = |entry: &Entry<'_>| reader.origin(&entry.header);
    let types = types.into_iter().map(|(spec, entry)| (spec, origin_of(&entry))).collect();
    reader.raw.types = Some(types);
}

fn read_type(reader: &mut Reader<'_>, entry: &mut Entry<'_>) -> ConnectionTypeSpec {
    entry.refuse_unknown(reader, &KEYS);
    let channels = entry.texts(reader, "channels", "channels such as chat:{session_id}");
    ConnectionTypeSpec {
        path: entry.required_text(reader, "path", PATH),
        max: entry.number(reader, "max", "how many connections at once"),
        per: entry
            .text(reader, "per", "a parameter of the path, without braces")
            .map(str::to_owned),
        owner: entry.switch(reader, "owner"),
        channels: channels.unwrap_or_default(),
        on_limit: entry.word(reader, "on_limit", &ON_LIMIT),
        tunnel: entry.text(reader, "tunnel", TUNNEL).map(str::to_owned),
    }
}

fn faults(specs: &[ConnectionTypeSpec]) -> Vec<TypeFault> {
    let mut faults = ConnectionTypes::compile(specs).err().unwrap_or_default();
    // A type without a path is not looked at any further. What does not depend on the path is told too.
    let has_no_path = |fault: &TypeFault| matches!(fault.error, TypeError::Path(_));
    let unread = |fault: &TypeFault| specs.get(fault.index).filter(|_| has_no_path(fault));
    let is_closed = |fault: &&TypeFault| unread(fault).is_some_and(|spec| spec.max == Some(0));
    let closed: Vec<usize> = faults.iter().filter(is_closed).map(|fault| fault.index).collect();
    faults.extend(closed.into_iter().map(|index| TypeFault { index, error: TypeError::MaxZero }));
    faults
}

/// The keys that it is about, the one to blame in front, and what would be right. `is_told` knows
/// which keys of the same type were blamed before.
fn explain(
    error: &TypeError,
    spec: &ConnectionTypeSpec,
    is_told: impl Fn(&str) -> bool,
    first: Option<&str>,
) -> (&'static [&'static str], String) {
    match error {
        TypeError::Path(error) => (&["path"], format!("{PATH}; {error}")),
        TypeError::Duplicate { first: index } => {
            let place = first.unwrap_or_default();
            let number = index + 1;
            let paths =
                format!("paths of its own; connection_types[{number}] ({place}) means the same");
            (&["path"], paths)
        }
        TypeError::MaxZero => {
            (&["max"], "1 or more connections; leave it out for any number".to_owned())
        }
        TypeError::PerWithoutMax => {
            (&["per", "max"], "only with max: it says by what connections are counted".to_owned())
        }
        TypeError::UnknownParameter { name } => {
            let parameters = parameters(&spec.path);
            // The compiler asks in this order.
            if spec.per.as_deref() == Some(&**name) && !is_told("per") {
                (&["per"], format!("a parameter of the path, which has {parameters}"))
            } else if spec.owner && **name == *"user_id" && !is_told("owner") {
                (&["owner"], format!("only with {{user_id}} in the path, which has {parameters}"))
            } else {
                let accepted =
                    format!("parameters of the path, which has {parameters} and no {{{name}}}");
                let is_tunnels = spec.tunnel.as_ref().is_some_and(|tunnel| {
                    tunnel.contains(&format!("{{{name}}}")) && spec.channels.is_empty()
                });
                (if is_tunnels { &["tunnel"] } else { &["channels"] }, accepted)
            }
        }
        TypeError::Channel { .. } | TypeError::Reserved { .. } => {
            (&["channels"], format!("channels such as chat:{{session_id}}; {error}"))
        }
        TypeError::Tunnel { .. } => (&["tunnel"], TUNNEL.to_owned()),
        TypeError::TunnelInChannels => {
            (&["channels", "tunnel"], "only without tunnel, which is in no channel".to_owned())
        }
    }
}

fn parameters(path: &str) -> String {
    let is_parameter = |segment: &&str| segment.starts_with('{');
    let names: Vec<&str> = path.split('/').filter(is_parameter).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
