//! The results for programs. Names stay as they are; what is missing is null.

use std::collections::BTreeMap;

use serde::Serialize;

use super::notes::notes;
use crate::{
    course::Outcome,
    record::{Latencies, Record},
    server_stats::{Memory, Server},
};

/// A whole report.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) tool: Tool,
    pub(super) scenario: &'static str,
    pub(super) url: String,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) window: Option<usize>,
    pub(super) rate: Option<f64>,
    pub(super) size: usize,
    pub(super) compress: bool,
    pub(super) seconds: f64,
    pub(super) interrupted: bool,
    pub(super) open: u64,
    pub(super) messages: Messages,
    pub(super) per_second: Option<f64>,
    pub(super) latency_us: Option<Quantiles>,
    pub(super) connects: Connects,
    pub(super) connect_us: Option<Quantiles>,
    pub(super) established: Option<Established>,
    pub(super) deliveries: Option<Lost>,
    pub(super) slow: Option<Slow>,
    pub(super) errors: Vec<Error>,
    pub(super) closes: Vec<Close>,
    pub(super) server: ServerCost,
    pub(super) load: LoadCost,
    /// What a reader of the figures should know, a sentence each.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Messages {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) other: u64,
    pub(super) other_example: Option<String>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) counted: Option<Counted>,
}

/// Messages that `--count` found.
#[derive(Debug, Serialize)]
pub(super) struct Counted {
    pub(super) messages: u64,
    /// Of their payloads.
    pub(super) bytes: u64,
}

/// Microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Quantiles {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Connects {
    pub(super) attempted: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) per_second: Option<f64>,
}

/// What connections that were there before felt of it.
#[derive(Debug, Serialize)]
pub(super) struct Established {
    pub(super) received: u64,
    pub(super) latency_us: Option<Quantiles>,
}

#[derive(Debug, Serialize)]
pub(super) struct Lost {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) reordered: u64,
}

/// What became of readers that did not keep up.
#[derive(Debug, Serialize)]
pub(super) struct Slow {
    pub(super) connections: usize,
    pub(super) received: u64,
    pub(super) closed: u64,
    pub(super) closes: Vec<Close>,
}

#[derive(Debug, Serialize)]
pub(super) struct Error {
    pub(super) cause: String,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct ServerCost {
    pub(super) pid: Option<u32>,
    pub(super) pids: Vec<u32>,
    pub(super) unknown: Option<String>,
    pub(super) cpu_ns: Option<u64>,
    pub(super) cpu_ns_per_message: Option<f64>,
    pub(super) cpu_ns_per_connect: Option<f64>,
    pub(super) rss_before: Option<u64>,
    pub(super) rss_after: Option<u64>,
    pub(super) rss_peak: Option<u64>,
    pub(super) rss_per_connection: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct LoadCost {
    pub(super) cpu_ns: Option<u64>,
    pub(super) cpu_ns_per_message: Option<f64>,
    pub(super) lag_us: Option<Quantiles>,
}

impl Report {
    pub(crate) fn new(outcome: &Outcome) -> Self {
        let plan = &outcome.plan;
        let (measured, all) = (&outcome.measured, &outcome.all);
        let settings = &plan.settings;
        let notes = notes(outcome);
        let has_background = plan.groups.iter().any(|group| group.background);
        Self {
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            scenario: plan.scenario.name(),
            url: without_secrets(&plan.url),
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
                other_example: all.other_example.clone(),
                bytes_sent: measured.bytes_sent,
                bytes_received: measured.bytes_received,
                counted: plan.counts().then_some(Counted {
                    messages: measured.counted,
                    bytes: measured.counted_bytes,
                }),
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
            slow: (plan.slow() > 0).then(|| Slow {
                connections: plan.slow(),
                received: measured.slow,
                closed: all.slow_closes.values().sum(),
                closes: closes(&all.slow_closes),
            }),
            errors: all
                .errors
                .iter()
                .map(|(cause, count)| Error { cause: cause.clone(), count: *count })
                .collect(),
            closes: closes(&all.closes),
            server: ServerCost::of(outcome),
            load: LoadCost {
                cpu_ns: outcome.load_cpu,
                cpu_ns_per_message: outcome
                    .load_cpu
                    .and_then(|cpu| per(cpu as f64, measured.received as f64)),
                lag_us: Quantiles::of(&measured.lag),
            },
            notes,
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
        let storm = outcome.plan.scenario.measures_connects();
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
    if outcome.plan.scenario.measures_connects() { &outcome.measured } else { &outcome.all }
}

fn connects(outcome: &Outcome) -> Connects {
    let record = connecting(outcome);
    let storm = outcome.plan.scenario.measures_connects();
    let seconds = outcome.seconds - outcome.plan.held().as_secs_f64();
    Connects {
        attempted: record.attempted,
        succeeded: record.succeeded,
        failed: record.failed,
        per_second: storm.then(|| per(record.succeeded as f64, seconds)).flatten(),
    }
}

fn closes(closes: &BTreeMap<u16, u64>) -> Vec<Close> {
    closes.iter().map(|(code, count)| Close { code: *code, count: *count }).collect()
}

/// What is in a query may be a token, and reports are shown to others.
fn without_secrets(url: &str) -> String {
    let Some((place, query)) = url.split_once('?') else { return url.to_owned() };
    let names: Vec<String> = query
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair.to_owned(), |(name, _)| format!("{name}=…")))
        .collect();
    format!("{place}?{}", names.join("&"))
}

fn per(count: f64, of: f64) -> Option<f64> {
    (of > 0.0).then(|| count / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_url_is_not_reported() {
        for (url, shown) in [
            ("ws://127.0.0.1:1/ws", "ws://127.0.0.1:1/ws"),
            ("ws://127.0.0.1:1/ws?token=a.b.c", "ws://127.0.0.1:1/ws?token=…"),
            ("ws://127.0.0.1:1/?x&key=1=2", "ws://127.0.0.1:1/?x&key=…"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
