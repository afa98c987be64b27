//! What is asked of ours and of a peer: the same, or of ours what it does more of.

use crate::measure::load::Workload;
use crate::measure::ours::{Program, SECRET};
use crate::measure::reading::Cost;

/// How many connections talk in the cases that count messages: enough that the server finds several
/// ready whenever it looks, as a busy one does, and few enough that all stay in the caches.
pub(crate) const CONNECTIONS: u32 = 64;

/// What a peer has to be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Echo,
    Topic,
}

/// One question to two servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) about: String,
    pub(crate) cost: Cost,
    pub(crate) program: Program,
    pub(crate) ours: Workload,
    pub(crate) role: Role,
    pub(crate) theirs: Workload,
    /// Asked of the first peer alone unless others are named: what only ours does in full, and what
    /// takes long.
    pub(crate) first_only: bool,
}

/// How much work is done in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Short,
    Full,
}

impl Length {
    pub(crate) fn pairs(self) -> usize {
        match self {
            Self::Short => 2,
            Self::Full => 5,
        }
    }

    /// So many messages, and this many times as many where there is time.
    fn messages(self, short: u32, more: u32) -> u32 {
        match self {
            Self::Short => short,
            Self::Full => short * more,
        }
    }
}

/// All cases, in the order of the table.
pub(crate) fn all(length: Length) -> Vec<Case> {
    // Each server is started anew for each measurement of memory: a short run asks the first peer only.
    let idle_of_all = Case { first_only: length == Length::Short, ..idle("idle", 10_000) };
    let mut cases = vec![
        echo("echo-w1", 20, 1, length.messages(30_000, 4)),
        echo("echo-w16", 20, 16, length.messages(150_000, 4)),
        echo("echo-1k-w16", 1024, 16, length.messages(75_000, 4)),
        request("request-w1", 1, length.messages(30_000, 4)),
        request("request-w16", 16, length.messages(150_000, 4)),
        fan_out("fan-out-1", 1, length.messages(100, 4)),
        fan_out("fan-out-16", 16, length.messages(400, 4)),
        publish("publish-1", 1_000, 1, length.messages(100, 4)),
        publish("publish-16", 1_000, 16, length.messages(400, 4)),
        connect(),
        connect_verified(),
        idle_of_all,
        idle_gateway("idle-gateway", 10_000),
    ];
    if length == Length::Full {
        let to_first = |case| Case { first_only: true, ..case };
        cases.extend([
            to_first(publish("publish-1-15000", 15_000, 1, 24)),
            to_first(publish("publish-16-15000", 15_000, 16, 96)),
            to_first(idle("idle-19000", 19_000)),
            idle_gateway("idle-gateway-19000", 19_000),
            idle_own_channel("idle-own-channel", 10_000),
        ]);
    }
    cases
}

/// An exchange of messages of `size` bytes, so many in flight for each connection.
fn exchange(size: u32, window: u32, messages: u32) -> String {
    format!(
        "--connections {CONNECTIONS} --window {window} --size {size} --warmup 100ms --messages {messages}"
    )
}

/// What a client of the gateway sends along to be let in.
fn token() -> String {
    format!("--preset gateway --token-secret {SECRET} --user run{{run}}-user{{conn}}")
}

fn echo(id: &'static str, size: u32, window: u32, messages: u32) -> Case {
    let workload = Workload::new("echo", "/", exchange(size, window, messages));
    Case {
        id,
        about: format!("echo of {}, {window} in flight", bytes(size)),
        cost: Cost::Message,
        program: Program::TransportEcho,
        ours: workload.clone(),
        role: Role::Echo,
        theirs: workload,
        first_only: false,
    }
}

fn request(id: &'static str, window: u32, messages: u32) -> Case {
    let same = exchange(20, window, messages);
    Case {
        id,
        about: format!(
            "`request` → `response` through the gateway, {window} in flight; peer: bare echo"
        ),
        cost: Cost::Message,
        program: Program::Gateway,
        ours: Workload::new("request", "/ws", format!("{same} {}", token())),
        role: Role::Echo,
        theirs: Workload::new("echo", "/", same),
        first_only: true,
    }
}

/// Where the small programs take what is to be published; products have options of their own.
pub(crate) const PUBLISH: &str = "--publisher-url {server}/pub";

fn fan_out(id: &'static str, pending: u32, publishes: u32) -> Case {
    let options = format!(
        "--connections 1000 --burst {pending} --size 64 --warmup 100ms --messages {publishes}"
    );
    Case {
        id,
        about: format!("fan-out of the transport alone to 1,000 receivers, {pending} pending"),
        cost: Cost::Message,
        program: Program::Topic,
        ours: Workload::new("fan-out", "/sub", format!("{options} {PUBLISH}")),
        role: Role::Topic,
        theirs: Workload::new("fan-out", "/sub", options),
        first_only: false,
    }
}

/// The way of a publish through the whole gateway: JSON read, rule and rate asked, JSON written once,
/// delivered to each subscriber.
fn publish(id: &'static str, receivers: u32, pending: u32, publishes: u32) -> Case {
    let options = format!(
        "--connections {receivers} --burst {pending} --size 64 --warmup 100ms --messages {publishes}"
    );
    Case {
        id,
        about: format!(
            "`publish` through the gateway to {} subscribers, {pending} pending; peer: its fan-out",
            thousands(receivers)
        ),
        cost: Cost::Message,
        program: Program::Gateway,
        ours: Workload::new("fan-out", "/ws", format!("{options} {}", token())),
        role: Role::Topic,
        theirs: Workload::new("fan-out", "/sub", options),
        first_only: false,
    }
}

/// One connection publishes to 1,000 and goes on when all have all; payloads of so many bytes.
pub(crate) fn publish_to_thousand(size: u32, more: &str) -> Workload {
    let options = format!("--connections 1000 --burst 1 --size {size} --warmup 100ms");
    Workload::new("fan-out", "/sub", format!("{options} --messages 400 {PUBLISH} {more}"))
}

const CONNECTS: &str = "--connections 4000 --connect-window 16";

fn connect() -> Case {
    let workload = Workload::new("connect", "/", CONNECTS.to_owned());
    Case {
        id: "connect",
        about: "connect: TCP and upgrade".to_owned(),
        cost: Cost::Connect,
        program: Program::TransportEcho,
        ours: workload.clone(),
        role: Role::Echo,
        theirs: workload,
        first_only: false,
    }
}

fn connect_verified() -> Case {
    Case {
        id: "connect-jwt",
        about: "connect to the gateway, an HS256 token verified; peer: bare connect".to_owned(),
        program: Program::Gateway,
        ours: Workload::new("connect", "/ws", format!("{CONNECTS} {}", token())),
        first_only: true,
        ..connect()
    }
}

fn idle(id: &'static str, connections: u32) -> Case {
    let workload = Workload::new("idle", "/", idle_options(connections));
    Case {
        id,
        about: format!("{} idle connections", thousands(connections)),
        cost: Cost::Memory,
        program: Program::TransportEcho,
        ours: workload.clone(),
        role: Role::Echo,
        theirs: workload,
        first_only: false,
    }
}

fn idle_gateway(id: &'static str, connections: u32) -> Case {
    idle_subscribed(id, connections, "load", "subscribed to one channel")
}

/// A channel costs more than a subscription: here each connection is the only one in its.
fn idle_own_channel(id: &'static str, connections: u32) -> Case {
    idle_subscribed(id, connections, "user:{user}:inbox", "each in a channel of its own")
}

fn idle_subscribed(id: &'static str, connections: u32, channel: &str, what: &str) -> Case {
    let subscribe = format!(
        r#"--on-open {{"type":"subscribe","channel":"{channel}"}} --until-text "type":"subscribed""#
    );
    let options = format!("{} --compress {} {subscribe}", idle_options(connections), token());
    Case {
        about: format!(
            "{} idle in the gateway, authenticated, compression negotiated, {what}; peer: bare",
            thousands(connections)
        ),
        program: Program::Gateway,
        ours: Workload::new("idle", "/ws", options),
        first_only: true,
        ..idle(id, connections)
    }
}

fn idle_options(connections: u32) -> String {
    format!("--connections {connections} --connect-window 64 --hold 500ms")
}

/// `20 B`, `1 KiB`.
pub(crate) fn bytes(size: u32) -> String {
    match size {
        _ if size >= 1 << 20 && size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        _ if size >= 1 << 10 && size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

/// `19,000`.
pub(crate) fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_cases_have_the_same_name_and_a_full_run_has_all_of_a_short_one() {
        let ids = |length| all(length).iter().map(|case| case.id).collect::<Vec<_>>();
        let (short, full) = (ids(Length::Short), ids(Length::Full));
        assert!(short.iter().all(|id| full.contains(id)));
        let mut distinct = full.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), full.len());
    }

    #[test]
    fn both_sides_of_a_case_are_asked_for_the_same_work() {
        for case in all(Length::Full) {
            let common = case.theirs.options.as_str();
            assert!(case.ours.options.starts_with(common), "{}: {}", case.id, case.ours.options);
        }
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!([20, 1024, 1 << 20, 1500].map(bytes), ["20 B", "1 KiB", "1 MiB", "1500 B"]);
        assert_eq!([64, 1_000, 19_000].map(thousands), ["64", "1,000", "19,000"]);
    }
}
