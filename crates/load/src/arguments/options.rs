//! The options, under the headings of `--help`.

use clap::{
    Arg, ArgAction, Command,
    builder::{PossibleValue, PossibleValuesParser},
};

use crate::scenario::SCENARIOS;

const EXAMPLES: &str = "\
Examples:
  ws-load echo ws://127.0.0.1:9001/ -c 100 --window 16
  ws-load echo ws://127.0.0.1:9001/ -c 1000 --rate 20000 --html report.html
  ws-load request ws://127.0.0.1:3001/ws --preset gateway --token $TOKEN -c 50
  ws-load fan-out ws://127.0.0.1:9001/sub --publisher-url ws://127.0.0.1:9001/pub -c 1000 --rate 100
  ws-load connect ws://127.0.0.1:9001/ -c 10000 --background 100
  ws-load idle ws://127.0.0.1:9001/ -c 10000";

/// The command with all its options.
pub(crate) fn command() -> Command {
    let scenarios = SCENARIOS.map(|(name, _, help)| PossibleValue::new(name).help(help));
    let scenario = Arg::new("scenario")
        .value_name("SCENARIO")
        .required(true)
        .value_parser(PossibleValuesParser::new(scenarios))
        .help("What is measured");
    let url = Arg::new("url").value_name("URL").required(true).help("ws://host:port/path");
    Command::new("ws-load")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Puts load on a WebSocket server and says what came of it")
        .after_help(EXAMPLES)
        .arg(scenario)
        .arg(url)
        .next_help_heading("Load")
        .args(load())
        .next_help_heading("Messages")
        .args(messages())
        .next_help_heading("Fan-out and slow readers")
        .args(fan_out())
        .next_help_heading("Churn and reconnect")
        .args(coming_and_going())
        .next_help_heading("Connecting")
        .args(connecting())
        .next_help_heading("Tokens")
        .args(tokens())
        .next_help_heading("Results")
        .args(results())
}

fn load() -> Vec<Arg> {
    vec![
        value("connections", "N", "Connections; with fan-out, receivers")
            .short('c')
            .default_value("1"),
        value("window", "N", "Closed loop: messages in flight on each connection [default: 1]"),
        value(
            "rate",
            "R",
            "Open loop: messages a second in all; latency counts from the intended time",
        ),
        value("ramp", "D", "Open loop: the rate rises from nothing over this time")
            .default_value("0s"),
        value("size", "BYTES", "Payload size, e.g. 300, 4KiB [default: 20; fan-out: 64]"),
        value("warmup", "D", "Before measuring, e.g. 500ms, 2s, 1m").default_value("1s"),
        value(
            "duration",
            "D",
            "What is measured; connect and reconnect: at most [default: 5s; 1m]",
        ),
        value("messages", "N", "Measure this many messages instead of a duration"),
        value("threads", "N", "Threads of this tool").default_value("1"),
    ]
}

fn messages() -> Vec<Arg> {
    vec![
        flag("text", "Text messages (the default)"),
        flag("binary", "Binary messages").conflicts_with("text"),
        flag("compress", "Offer permessage-deflate"),
        value(
            "preset",
            "NAME",
            "Templates: `plain` is bare payloads, `gateway` ws-gateway's vocabulary",
        )
        .default_value("plain"),
        value(
            "message",
            "TEMPLATE",
            "What is sent; places: {payload} {seq} {conn} {user} {time} {random} {token}",
        ),
        value("on-open", "TEMPLATE", "Sent by each connection once it is open; may be repeated")
            .action(ArgAction::Append),
        value("expect", "TEXT", "Only messages that contain this are answers"),
        value("ignore", "TEXT", "Messages that contain this are no answers"),
        value(
            "count",
            "TEXT",
            "Messages that contain this are counted apart, with their bytes, answers or not; may be repeated",
        )
        .action(ArgAction::Append),
    ]
}

fn fan_out() -> Vec<Arg> {
    vec![
        value("publishers", "N", "Connections that publish, beside the receivers")
            .default_value("1"),
        value("burst", "N", "Closed loop: each publisher writes N messages at once")
            .default_value("1"),
        value("receiver-url", "URL", "Where receivers connect to [default: URL]"),
        value("publisher-url", "URL", "Where publishers connect to [default: URL]"),
        value("publisher-on-open", "TEMPLATE", "Sent by each publisher once it is open")
            .action(ArgAction::Append),
        value("slow-share", "S", "slow: which share of the receivers is slow").default_value("0.1"),
        value("slow-rate", "BYTES", "slow: bytes a second that each reads; 0 is none")
            .default_value("0"),
    ]
}

fn coming_and_going() -> Vec<Arg> {
    vec![
        value("visit", "N", "churn: messages of each visit").default_value("1"),
        value("drop", "HOW", "reconnect: `reset` without a word, `close` with a close frame")
            .default_value("reset"),
        value("drop-share", "S", "reconnect: which share is dropped").default_value("1"),
        value("backoff", "D", "reconnect: each comes back after a random part of this")
            .default_value("0s"),
    ]
}

fn connecting() -> Vec<Arg> {
    vec![
        value(
            "connect-window",
            "N",
            "How many handshakes at once [default: 64; no limit with --connect-rate]",
        ),
        value(
            "connect-rate",
            "R",
            "Open loop: handshakes a second; latency counts from the intended time",
        ),
        value("connect-timeout", "D", "A handshake fails after this").default_value("10s"),
        value("until-text", "TEXT", "A connection counts as open once a message contains this"),
        flag("and-close", "connect: close each connection as soon as it is open"),
        value(
            "background",
            "N",
            "connect: connections that echo meanwhile, reported as established",
        )
        .default_value("0"),
        value("background-rate", "R", "connect: their messages a second, in all")
            .default_value("100"),
        value(
            "hold",
            "D",
            "How long all are held once they are open, and counted: idle [default: 2s], connect, reconnect [default: 0s]",
        ),
        value(
            "source",
            "ADDR[,ADDR]",
            "Source addresses, taken in turn: one has some 28,000 ports",
        )
        .value_delimiter(',')
        .action(ArgAction::Append),
        value("header", "NAME:VALUE", "A header of the request; may be repeated")
            .action(ArgAction::Append),
        value("subprotocol", "NAME", "A subprotocol to offer; may be repeated")
            .action(ArgAction::Append),
    ]
}

fn tokens() -> Vec<Arg> {
    vec![
        value("token", "TOKEN", "For all connections"),
        value("token-file", "FILE", "One token a line, given out in turn").conflicts_with("token"),
        value("token-secret", "SECRET", "Mint HS256 tokens whose `sub` is the user")
            .conflicts_with_all(["token", "token-file"]),
        value("token-in", "WHERE", "`header` (Authorization), `query` (token=), `subprotocol` (bearer.…), or `message` (by {token})")
            .default_value("header"),
        value("user", "TEMPLATE", "The user of a connection").default_value("user-{conn}"),
    ]
}

fn results() -> Vec<Arg> {
    vec![
        value(
            "server-pid",
            "PID[,PID]",
            "The server's processes [default: who listens on the port]",
        )
        .value_delimiter(',')
        .action(ArgAction::Append),
        value("json", "FILE", "Write the results as JSON; - is the standard output"),
        value("html", "FILE", "Write a page with plots"),
        flag("quiet", "No progress, no table").short('q'),
    ]
}

fn value(name: &'static str, value_name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value_name).help(help)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}
