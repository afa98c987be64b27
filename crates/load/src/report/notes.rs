//! Sentences that a reader of the figures should know, so that nobody blames the wrong one.

use super::figures::{count, number, time};
use crate::{
    course::Outcome,
    plan::{Length, Role},
    server_stats::Server,
};

/// A tool that uses more of its threads than this may be what limits.
const BUSY: f64 = 0.9;

/// Shorter spans say nothing of what was busy, in seconds.
const BRIEF: f64 = 0.5;

pub(super) fn notes(outcome: &Outcome) -> Vec<String> {
    let notes = [
        interrupted(outcome),
        unfinished(outcome),
        fell_behind(outcome),
        is_limit(outcome),
        short_of_rate(outcome),
        unanswered(outcome),
        lost(outcome),
        unknown_server(outcome),
    ];
    notes.into_iter().flatten().collect()
}

fn interrupted(outcome: &Outcome) -> Option<String> {
    outcome.interrupted.then(|| "It was interrupted: these are the figures so far.".to_owned())
}

fn unfinished(outcome: &Outcome) -> Option<String> {
    let asked = outcome.plan.connections() as u64;
    let failed = outcome.all.failed;
    (outcome.open < asked && !outcome.plan.scenario.measures_connects()).then(|| {
        format!(
            "{} of {} connections could not be opened ({} attempts failed); the rest was measured \
             without them.",
            count(asked - outcome.open),
            count(asked),
            count(failed)
        )
    })
}

/// An open loop whose own loop was late has measured itself.
fn fell_behind(outcome: &Outcome) -> Option<String> {
    let (lag, latency) = (outcome.measured.lag.at(0.99), outcome.measured.latency.at(0.99));
    (lag > 1_000_000 && lag > latency / 10).then(|| {
        format!(
            "This tool itself was late: one message in a hundred left {} or more after its time, \
             and that is in the latencies. Give it a core of its own, more --threads, or a lower \
             --rate.",
            time(lag as f64)
        )
    })
}

fn is_limit(outcome: &Outcome) -> Option<String> {
    if outcome.seconds < BRIEF {
        return None;
    }
    let threads = outcome.plan.threads as f64;
    let used = outcome.load_cpu? as f64 / 1e9 / outcome.seconds / threads;
    let server = outcome.server_cpu.map(|cpu| cpu as f64 / 1e9 / outcome.seconds);
    (used > BUSY && server.is_none_or(|server| server < BUSY)).then(|| {
        format!(
            "This tool used {:.0} % of its {threads:.0} thread(s){}: what it drove may not be all \
             that the server can do. Give it more --threads.",
            used * 100.0,
            server.map_or(String::new(), |server| format!(
                ", the server {:.0} % of a core",
                server * 100.0
            ))
        )
    })
}

fn short_of_rate(outcome: &Outcome) -> Option<String> {
    let Length::Duration(_) = outcome.plan.span.length else { return None };
    let rate = outcome.plan.settings.rate.filter(|_| outcome.seconds > 0.0)?;
    let sent = outcome.measured.sent as f64 / outcome.seconds;
    (sent < rate * 0.95).then(|| {
        format!(
            "{} messages a second were asked for and {} could be sent: the server did not take \
             them in time.",
            number(rate),
            number(sent)
        )
    })
}

/// Messages that nobody answers make a closed loop stand still, and say nothing in an open one.
fn unanswered(outcome: &Outcome) -> Option<String> {
    let is_load = |role| matches!(role, Role::Ask(_) | Role::Receive);
    let waits = outcome.plan.groups.iter().any(|group| is_load(group.role) && !group.background);
    if !waits || outcome.open == 0 || outcome.measured.received > 0 {
        return None;
    }
    let mut note =
        format!("{} messages were sent and no answer was measured.", count(outcome.all.sent));
    if outcome.all.received > 0 {
        note.push_str(&format!(" {} were answered before.", count(outcome.all.received)));
    }
    if let Some(example) = &outcome.all.other_example {
        note.push_str(&format!(
            " {} other messages came, such as `{example}`. A limit of the server? --expect and \
             --ignore say which messages are answers.",
            count(outcome.all.other)
        ));
    }
    Some(note)
}

fn lost(outcome: &Outcome) -> Option<String> {
    let found = outcome.all.deliveries;
    let (lost, doubled) = (found.lost(), found.doubled);
    (lost + doubled > 0)
        .then(|| format!("{} deliveries were lost and {} came twice.", count(lost), count(doubled)))
}

fn unknown_server(outcome: &Outcome) -> Option<String> {
    match &outcome.server {
        Server::Watched(_) => None,
        Server::Unknown(reason) => Some(format!("The server's cost is unknown: {reason}.")),
    }
}
