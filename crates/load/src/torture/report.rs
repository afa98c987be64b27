//! What came of a run, for people and for programs.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::{arguments::Plan, drive::Outcome, tally::Tally};

pub(crate) fn table(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    let (publishers, subscribers) = (&outcome.publishers, &outcome.subscribers);
    row("engine", engine(plan));
    row("seed", plan.seed.to_string());
    row(
        "accepted",
        format!(
            "{} messages of {} publishers in {} channels, published {} times, in {:.1} s",
            outcome.accepted,
            plan.publishers,
            plan.channels,
            publishers.sent,
            outcome.took.as_secs_f64()
        ),
    );
    row(
        "seen",
        format!(
            "{} by {} subscribers, the last {:.1} s after all was mended",
            outcome.seen,
            plan.subscribers,
            (outcome.settled - outcome.took).as_secs_f64()
        ),
    );
    let faults: Vec<String> =
        outcome.faults.iter().map(|(kind, count)| format!("{} {count}×", kind.name())).collect();
    row("broken", if faults.is_empty() { "nothing".to_owned() } else { faults.join(", ") });
    row("accepted in", spread(&outcome.latency));
    row("back in", spread(&subscribers.recovery));
    if !subscribers.slowest.1.is_empty() {
        row("slowest", subscribers.slowest.1.clone());
    }
    row(
        "came back",
        format!(
            "{} connections; channels {} times with all that was missed, {} times without; {} `gap`",
            subscribers.losses, subscribers.recovered, subscribers.not_recovered, subscribers.gaps
        ),
    );
    row("errors", errors(&[publishers, subscribers]));
    if outcome.verdict.told_gaps > 0 {
        row(
            "told gaps",
            format!("{}, {} messages", outcome.verdict.told_gaps, outcome.verdict.told_missing),
        );
    }
    row(
        "verdict",
        if outcome.verdict.is_good() {
            "none lost, none doubled, none reordered"
        } else {
            "FAILED"
        }
        .to_owned(),
    );
    for (difference, (count, told)) in &outcome.verdict.differences {
        let _ = writeln!(text, "  {count} {}:", difference.name());
        for what in told {
            let _ = writeln!(text, "    {what}");
        }
    }
    text
}

pub(crate) fn json(plan: &Plan, outcome: &Outcome) -> Value {
    let micros = |it: &Histogram<u64>| {
        json!({
            "count": it.len(), "p50": it.value_at_quantile(0.5), "p99": it.value_at_quantile(0.99),
            "max": it.max(),
        })
    };
    let verdict = &outcome.verdict;
    let differences: serde_json::Map<String, Value> = verdict
        .differences
        .iter()
        .map(|(kind, (count, told))| {
            (kind.name().to_owned(), json!({ "count": count, "first": told }))
        })
        .collect();
    let faults: serde_json::Map<String, Value> =
        outcome.faults.iter().map(|(kind, count)| (kind.name().to_owned(), json!(count))).collect();
    let (publishers, subscribers) = (&outcome.publishers, &outcome.subscribers);
    let mut errors = Tally::default();
    errors.add(publishers);
    errors.add(subscribers);
    json!({
        "engine": plan.engine.name(), "volatile": plan.is_volatile, "seed": plan.seed,
        "gateways": plan.gateways, "publishers": plan.publishers, "subscribers": plan.subscribers,
        "channels": plan.channels, "good": verdict.is_good(), "differences": differences,
        "accepted": outcome.accepted, "published": publishers.sent, "seen": outcome.seen,
        "seconds": outcome.took.as_secs_f64(),
        "seconds_to_settle": (outcome.settled - outcome.took).as_secs_f64(),
        "faults": faults, "accepted_us": micros(&outcome.latency),
        "recovery_us": micros(&subscribers.recovery),
        "reconnects": subscribers.losses, "recovered": subscribers.recovered,
        "not_recovered": subscribers.not_recovered, "gaps": subscribers.gaps,
        "told_gaps": verdict.told_gaps, "told_missing": verdict.told_missing,
        "errors": errors.errors,
    })
}

fn engine(plan: &Plan) -> String {
    let volatile = if plan.is_volatile { ", which forgets" } else { "" };
    format!("{}{volatile}, behind {} gateways", plan.engine.name(), plan.gateways)
}

fn spread(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return "never".to_owned();
    }
    let ms = |us: u64| us as f64 / 1e3;
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms ({} times)",
        ms(histogram.value_at_quantile(0.5)),
        ms(histogram.value_at_quantile(0.99)),
        ms(histogram.max()),
        histogram.len()
    )
}

fn errors(tallies: &[&Tally]) -> String {
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    let errors: Vec<String> =
        all.errors.iter().map(|(code, count)| format!("{code} {count}×")).collect();
    if errors.is_empty() { "none".to_owned() } else { errors.join(", ") }
}
