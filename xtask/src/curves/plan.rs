//! Which curves are drawn: what grows, for whom, and how the work is set.

use crate::measure::load::Workload;
use crate::measure::ours::{Program, SECRET};
use crate::measure::reading::Cost;
use crate::peers::cases::{PUBLISH, bytes, thousands};

/// Runs for each point, after one that warms up.
pub(crate) const RUNS: usize = 3;

/// What all of them are about.
pub(crate) const COST: Cost = Cost::Message;

/// In the charts at a constant rate: few enough that each message finds the server asleep.
const RATE: u32 = 2_000;

/// In the chart of groups.
pub(crate) const RECEIVERS: u32 = 1_000;
const DELIVERIES_PER_SECOND: u32 = 20_000;

/// One chart.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What grows.
    pub(crate) across: &'static str,
    pub(crate) points: Vec<u32>,
    pub(crate) lines: Vec<Line>,
}

/// One line of it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) label: &'static str,
    pub(crate) who: Who,
    pub(crate) workload: fn(u32) -> Workload,
}

/// Whose line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Ours(Program),
    /// Ours, told how many groups there are.
    Grouped(Program),
    Peer,
}

impl Who {
    pub(crate) fn program(self) -> Option<Program> {
        match self {
            Self::Ours(program) | Self::Grouped(program) => Some(program),
            Self::Peer => None,
        }
    }
}

impl Chart {
    pub(crate) fn tick(&self, at: u32) -> String {
        match self.id {
            "sizes" => bytes(at),
            _ => thousands(at),
        }
    }
}

pub(crate) fn all() -> Vec<Chart> {
    let connections = vec![100, 300, 1_000, 3_000, 10_000, 19_000];
    vec![
        Chart {
            id: "connections",
            title: "A message by the number of connections, each with one in flight",
            across: "connections",
            points: connections.clone(),
            lines: lines([busy_echo, busy_request, busy_echo]),
        },
        Chart {
            id: "quiet",
            title: "A message by the number of connections, 2,000 messages a second in all",
            across: "connections",
            points: connections,
            lines: lines([quiet_echo, quiet_request, quiet_echo]),
        },
        Chart {
            id: "sizes",
            title: "An echo by the size of its payload, 16 connections with one in flight",
            across: "payload",
            points: vec![16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20],
            lines: vec![
                Line {
                    label: "ours, transport",
                    who: Who::Ours(Program::TransportEcho),
                    workload: sized,
                },
                Line { label: "Bun, echo", who: Who::Peer, workload: sized },
            ],
        },
        Chart {
            id: "groups",
            title: "A delivery by the number of groups, 1,000 receivers, 20,000 deliveries a second",
            across: "groups",
            points: vec![1, 10, 100, 1_000, 10_000, 100_000],
            lines: vec![Line {
                label: "ours, topics",
                who: Who::Grouped(Program::Topic),
                workload: grouped,
            }],
        },
    ]
}

/// The transport alone, the gateway, the peer.
fn lines([transport, gateway, peer]: [fn(u32) -> Workload; 3]) -> Vec<Line> {
    vec![
        Line {
            label: "ours, transport",
            who: Who::Ours(Program::TransportEcho),
            workload: transport,
        },
        Line { label: "ours, gateway", who: Who::Ours(Program::Gateway), workload: gateway },
        Line { label: "Bun, echo", who: Who::Peer, workload: peer },
    ]
}

/// As many messages as let each connection take part twice, and at least enough to measure.
fn busy(connections: u32) -> String {
    let messages = (connections * 4).max(100_000);
    format!(
        "--connections {connections} --connect-window 64 --window 1 --size 20 --warmup 300ms --messages {messages}"
    )
}

fn quiet(connections: u32) -> String {
    let messages = RATE * 2;
    format!(
        "--connections {connections} --connect-window 64 --rate {RATE} --size 20 --warmup 300ms --messages {messages}"
    )
}

fn of_gateway(options: &str) -> Workload {
    let token = format!("--token-secret {SECRET} --user run{{run}}-user{{conn}}");
    Workload::new("request", "/ws", format!("{options} --preset gateway {token}"))
}

fn busy_echo(connections: u32) -> Workload {
    Workload::new("echo", "/", busy(connections))
}

fn busy_request(connections: u32) -> Workload {
    of_gateway(&busy(connections))
}

fn quiet_echo(connections: u32) -> Workload {
    Workload::new("echo", "/", quiet(connections))
}

fn quiet_request(connections: u32) -> Workload {
    of_gateway(&quiet(connections))
}

fn sized(size: u32) -> Workload {
    // About as many bytes for each size, within what a short run can do.
    let messages = ((1 << 30) / size).clamp(2_000, 100_000);
    Workload::new(
        "echo",
        "/",
        format!(
            "--connections 16 --window 1 --size {size} --binary --warmup 200ms --messages {messages}"
        ),
    )
}

/// As many deliveries a second for each number of groups; a group has as many members as the receivers
/// can fill, and from as many groups as receivers on one member.
fn grouped(groups: u32) -> Workload {
    let members = (RECEIVERS / groups).max(1);
    let rate = DELIVERIES_PER_SECOND / members;
    let options = format!(
        "--connections {RECEIVERS} --rate {rate} --size 64 --warmup 300ms --messages {} {PUBLISH}",
        rate * 2
    );
    Workload { has_gaps: groups > 1, ..Workload::new("fan-out", "/sub", options) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::lines::SERIES_MAX;

    #[test]
    fn each_chart_has_a_name_of_its_own_and_no_more_lines_than_colours() {
        let charts = all();
        for (index, chart) in charts.iter().enumerate() {
            assert!(chart.lines.len() <= SERIES_MAX, "{}", chart.id);
            assert!(!charts[..index].iter().any(|other| other.id == chart.id), "{}", chart.id);
            assert!(chart.points.is_sorted(), "{}", chart.id);
        }
    }

    #[test]
    fn a_large_payload_is_sent_less_often() {
        assert!(sized(16).options.contains("--messages 100000"));
        assert!(sized(1 << 20).options.contains("--messages 2000"));
    }
}
