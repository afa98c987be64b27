//! The commands that look at a gateway that runs: `top` and `trace`.

use std::{path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::config::{quantity::parse_duration, secret::Secret, sources::Raw};

/// What is looked at, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectArgs {
    /// Where the gateway is; on this machine, unless it is said.
    pub url: Option<String>,
    /// Certificates that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// What is asked for, as it is asked over HTTP.
    pub query: Vec<(&'static str, String)>,
    /// How it is shown.
    pub show: Show,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Connections, again and again.
    Top {
        /// How often.
        interval: Duration,
        /// How many times; `None` for ever.
        count: Option<u32>,
    },
    /// What passes, as it passes.
    Trace {
        /// As the lines of JSON that it comes in.
        json: bool,
    },
}

/// What the settings say about the way to a gateway.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// `ADMIN_KEY`, if it is set.
    pub key: Option<Secret>,
    /// `WEBSOCKET_PORT`, if it is set.
    pub port: Option<u16>,
    /// Whether `TLS_CERT` is set, so that nothing else is spoken at that port.
    pub tls: bool,
}

impl Reach {
    pub(in crate::config) fn of(raw: &Raw) -> Self {
        let written = |env| raw.written.get(env).map(|written| written.text.as_str());
        Self {
            key: written("ADMIN_KEY").filter(|key| !key.is_empty()).map(Secret::new),
            port: written("WEBSOCKET_PORT").and_then(|port| port.parse().ok()),
            tls: written("TLS_CERT").is_some_and(|path| !path.is_empty()),
        }
    }
}

/// Parameters of the inspector: the flag, its name over HTTP, what it takes, what it is.
type Parameter = (&'static str, &'static str, &'static str, &'static str);

const OF_TOP: [Parameter; 10] = [
    ("user", "user", "ID", "Only connections of this user"),
    ("channel", "channel", "NAME", "Only connections that are subscribed to this channel"),
    ("address", "address", "IP", "Only from this address or network (203.0.113.0/24)"),
    ("agent", "agent", "TEXT", "Only clients whose User-Agent has this text in it"),
    ("reason", "reason", "WORD", "Only those that are being closed for this reason"),
    ("healthy", "healthy", "BOOL", "Only those that answer pings, or that do not"),
    (
        "min-rate",
        "minRate",
        "NUMBER",
        "Only those with so many messages a second, both ways together",
    ),
    ("min-queued", "minQueued", "BYTES", "Only those for which so many bytes wait"),
    ("sort", "sort", "WORD", "rate, bytes, queued, oldest, newest or latency"),
    (
        "limit",
        "limit",
        "NUMBER",
        "How many are shown; as many as there are lines unless it is said",
    ),
];

const OF_TRACE: [Parameter; 6] = [
    ("user", "user", "ID", "The connections of this user"),
    ("channel", "channel", "NAME", "Messages about this channel"),
    ("connection", "connection", "ID", "This connection"),
    ("sample", "sample", "N", "One message in so many"),
    ("rate", "rate", "NUMBER", "So many messages a second at most [default: 500]"),
    ("for", "for", "TIME", "How long, up to 1h [default: 60s]"),
];

pub(super) fn top_command() -> clap::Command {
    let interval = Arg::new("interval")
        .long("interval")
        .value_name("TIME")
        .default_value("2s")
        .value_parser(parse_interval)
        .help("How often it is looked, and over how long rates are counted");
    let count = Arg::new("count")
        .long("count")
        .value_name("N")
        .value_parser(value_parser!(u32).range(1..))
        .help("How many times [default: once, on a terminal for ever]");
    reaching(clap::Command::new("top"))
        .about("Show the connections of a gateway that runs, the busiest first")
        .after_help("Needs ADMIN_KEY. Ends with Ctrl-C.")
        .args(OF_TOP.iter().map(flag))
        .args([interval, count])
}

pub(super) fn trace_command() -> clap::Command {
    let payloads = Arg::new("payloads")
        .long("payloads")
        .action(ArgAction::SetTrue)
        .help("With payloads, which may be private; tokens are never shown");
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("As lines of JSON");
    reaching(clap::Command::new("trace"))
        .about("Show what passes between a gateway that runs and a user, a channel or a connection")
        .after_help("Needs ADMIN_KEY; each trace is in the audit log of the gateway. Ends with Ctrl-C, or by itself.")
        .args(OF_TRACE.iter().map(flag))
        .args([payloads, json])
        .group(clap::ArgGroup::new("whom").args(["user", "channel", "connection"]).required(true).multiple(true))
}

fn reaching(command: clap::Command) -> clap::Command {
    let url = Arg::new("url")
        .long("url")
        .value_name("URL")
        .help("Where the gateway is [default: http://127.0.0.1:WEBSOCKET_PORT]");
    let ca = Arg::new("ca")
        .long("ca")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Certificates in PEM that are trusted beside the system's");
    command.args([url, ca])
}

fn flag(&(name, _, value, help): &Parameter) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

pub(super) fn top_args(matches: &ArgMatches) -> InspectArgs {
    let interval = matches.get_one("interval").copied().unwrap_or(Duration::from_secs(2));
    let show = Show::Top { interval, count: matches.get_one("count").copied() };
    inspect_args(matches, &OF_TOP, show)
}

pub(super) fn trace_args(matches: &ArgMatches) -> InspectArgs {
    let show = Show::Trace { json: matches.get_flag("json") };
    let mut arguments = inspect_args(matches, &OF_TRACE, show);
    if matches.get_flag("payloads") {
        arguments.query.push(("payloads", "true".to_owned()));
    }
    arguments
}

fn inspect_args(matches: &ArgMatches, known: &[Parameter], show: Show) -> InspectArgs {
    let given =
        |(flag, name, ..): &Parameter| Some((*name, matches.get_one::<String>(flag)?.clone()));
    InspectArgs {
        url: matches.get_one::<String>("url").cloned(),
        ca: matches.get_one::<PathBuf>("ca").cloned(),
        query: known.iter().filter_map(given).collect(),
        show,
    }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_millis(100)..=Duration::from_secs(10);
    parse_duration(text)
        .filter(|interval| bounds.contains(interval))
        .ok_or_else(|| "100ms to 10s, as milliseconds or with a unit".to_owned())
}
