//! The results for programs. Names stay as they are; what is missing is null.

use serde::Serialize;

use crate::{
    course::Outcome,
    record::{Latencies, Record},
    scenario::Scenario,
    server_stats::{Memory, Server},
};

/// A whole report.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    tool: Tool,
    scenario: &'static str,
    url: String,
    connections: usize,
    threads: usize,
    window: Option<usize>,
    rate: Option<f64>,
    size: usize,
    compress: bool,
    seconds: f64,
    interrupted: bool,
    open: u64,
    messages: Messages,
    per_second: Option<f64>,
    latency_us: Option<Quantiles>,
    connects: Connects,
    connect_us: Option<Quantiles>,
    established: Option<Established>,
    deliveries: Option<Lost>,
    errors: Vec<Error>,
    closes: Vec<Close>,
    server: ServerCost,
    load: LoadCost,
}

#[derive(Debug, Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct Messages {
    sent: u64,
    received: u64,
    other: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

/// Microseconds.
#[derive(Debug, Serialize)]
struct Quantiles {
    count: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Connects {
    attempted: u64,
    succeeded: u64,
    failed: u64,
    per_second: Option<f64>,
}

/// What connections that were there before felt of it.
#[derive(Debug, Serialize)]
struct Established {
    received: u64,
    latency_us: Option<Quantiles>,
}

#[derive(Debug, Serialize)]
struct Lost {
    lost: u64,
    doubled: u64,
    reordered: u64,
}

#[derive(Debug, Serialize)]
struct Error {
    cause: String,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Close {
    code: u16,
    count: u64,
}

#[derive(Debug, Serialize)]
struct ServerCost {
    pid: Option<u32>,
    pids: Vec<u32>,
    unknown: Option<String>,
    cpu_ns: Option<u64>,
    cpu_ns_per_message: Option<f64>,
    cpu_ns_per_connect: Option<f64>,
    rss_before: Option<u64>,
    rss_after: Option<u64>,
    rss_peak: Option<u64>,
    rss_per_connection: Option<f64>,
}

#[derive(Debug, Serialize)]
struct LoadCost {
    cpu_ns: Option<u64>,
    cpu_ns_per_message: Option<f64>,
    lag_us: Option<Quantiles>,
}

impl Report {
    pub(crate) fn new(outcome: &Outcome) -> Self {
        let plan = &outcome.plan;
        let (measured, all) = (&outcome.measured, &outcome.all);
        let settings = &plan.settings;
        let has_background = plan.groups.iter().any(|group| group.background);
        Self {
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            scenario: plan.scenario.name(),
            url: plan.url.clone(),
            connections: settings.connections,
            threads: plan.threads,
            window: settings.window,
            rate: settings.rate,
            size: settings.size,
            compress: settings.compress,
            seconds: outcome.seconds,
            interrupted: outcome.interrupted,
            open: outcome.open,
            messages: Messages {
                sent: measured.sent,
                received: measured.received,
                other: all.other,
                bytes_sent: measured.bytes_sent,
                bytes_received: measured.bytes_received,
            },
            per_second: per(measured.received as f64, outcome.seconds),
            latency_us: Quantiles::of(&measured.latency),
            connects: connects(outcome),
            connect_us: Quantiles::of(&connecting(outcome).connect),
            established: has_background.then(|| Established {
                received: measured.established,
                latency_us: Quantiles::of(&measured.background),
            }),
            deliveries: (plan.receivers() > 0).then(|| Lost {
                lost: all.deliveries.lost(),
                doubled: all.deliveries.doubled,
                reordered: all.deliveries.reordered,
            }),
            errors: all
                .errors
                .iter()
                .map(|(cause, count)| Error { cause: cause.clone(), count: *count })
                .collect(),
            closes: all
                .closes
                .iter()
                .map(|(code, count)| Close { code: *code, count: *count })
                .collect(),
            server: ServerCost::of(outcome),
            load: LoadCost {
                cpu_ns: outcome.load_cpu,
                cpu_ns_per_message: outcome
                    .load_cpu
                    .and_then(|cpu| per(cpu as f64, measured.received as f64)),
                lag_us: Quantiles::of(&measured.lag),
            },
        }
    }

    pub(crate) fn to_json(&self) -> String {
        // Numbers, texts and lists of them can be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl ServerCost {
    fn of(outcome: &Outcome) -> Self {
        let measured = &outcome.measured;
        let storm = outcome.plan.scenario == Scenario::Connect;
        let cpu = outcome.server_cpu;
        let resident = |memory: Option<Memory>| memory.map(|it| it.resident);
        let (before, after) = (resident(outcome.memory_before), resident(outcome.memory_after));
        let grown = after.zip(before).map(|(after, before)| after as f64 - before as f64);
        Self {
            pid: outcome.server.pids().first().copied(),
            pids: outcome.server.pids().to_vec(),
            unknown: match &outcome.server {
                Server::Watched(_) => None,
                Server::Unknown(reason) => Some(reason.clone()),
            },
            cpu_ns: cpu,
            cpu_ns_per_message: cpu.and_then(|cpu| per(cpu as f64, measured.received as f64)),
            cpu_ns_per_connect: cpu
                .filter(|_| storm)
                .and_then(|cpu| per(cpu as f64, measured.succeeded as f64)),
            rss_before: before,
            rss_after: after,
            rss_peak: outcome.memory_end.map(|it| it.peak),
            rss_per_connection: grown.and_then(|grown| per(grown, outcome.open as f64)),
        }
    }
}

impl Quantiles {
    fn of(latencies: &Latencies) -> Option<Self> {
        let at = |quantile| latencies.at(quantile) as f64 / 1e3;
        (latencies.count() > 0).then(|| Self {
            count: latencies.count(),
            mean: latencies.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: latencies.max() as f64 / 1e3,
        })
    }
}

/// Where a storm is what is measured, those before it do not count.
fn connecting(outcome: &Outcome) -> &Record {
    match outcome.plan.scenario {
        Scenario::Connect => &outcome.measured,
        _ => &outcome.all,
    }
}

fn connects(outcome: &Outcome) -> Connects {
    let record = connecting(outcome);
    let storm = outcome.plan.scenario == Scenario::Connect;
    Connects {
        attempted: record.attempted,
        succeeded: record.succeeded,
        failed: record.failed,
        per_second: storm.then(|| per(record.succeeded as f64, outcome.seconds)).flatten(),
    }
}

fn per(count: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| count / of)
}
