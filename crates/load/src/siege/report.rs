//! What came of it, for people and for programs.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::{
    attack::Attack,
    bystanders::{Phase, Waits},
    field::Counts,
    vitals::Vitals,
};

/// One attack.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) attack: &'static Attack,
    pub(super) counts: Counts,
    pub(super) took: Duration,
    pub(super) before: Vitals,
    pub(super) peak: Vitals,
    pub(super) after: Vitals,
    /// Processor time of the gateway while it lasted, its service for others among it.
    pub(super) cpu: Duration,
    pub(super) waits: Waits,
}

impl Row {
    /// Everybody else was served, and what was taken came back.
    pub(super) fn is_withstood(&self) -> bool {
        self.waits.failures == 0 && self.after.is_like(self.before)
    }

    fn rate(&self) -> f64 {
        self.counts.done as f64 / self.took.as_secs_f64()
    }

    /// Of the one core that the gateway has.
    fn busy(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.took.as_secs_f64()
    }

    fn p99(&self, phase: Phase) -> u64 {
        self.waits.of(phase).value_at_quantile(0.99)
    }

    fn factor(&self) -> f64 {
        self.p99(Phase::Siege) as f64 / self.p99(Phase::Quiet).max(1) as f64
    }
}

pub(super) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<19} {:>9} {:>11} {:>9} {:>6} {:>9} {:>9} {:>7} {:>8} {:>8} {:>8}  verdict\n",
        "attack",
        "done",
        "a second",
        "refused",
        "core %",
        "p99 quiet",
        "siege",
        "factor",
        "MiB",
        "peak",
        "after"
    );
    for row in rows {
        let Row { attack, counts, before, peak, after, waits, .. } = row;
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{:<19} {:>9} {:>11.0} {:>9} {:>6.0} {:>6} µs {:>6} µs {:>7.1} {:>8.1} {:>8.1} {:>8.1}  {}",
            attack.name,
            counts.done,
            row.rate(),
            counts.refused,
            row.busy(),
            row.p99(Phase::Quiet),
            row.p99(Phase::Siege),
            row.factor(),
            mib(before.resident),
            mib(peak.resident),
            mib(after.resident),
            match (row.is_withstood(), waits.failures) {
                (true, _) => "withstood".to_owned(),
                (false, 0) =>
                    format!("FAILED: {} MiB, {} files stayed", mib(after.resident), after.files),
                (false, failures) => format!("FAILED: others were not served {failures} times"),
            }
        );
    }
    text
}

pub(super) fn json(rows: &[Row], duration: Duration) -> Value {
    let vitals = |it: &Vitals| json!({ "residentBytes": it.resident, "files": it.files });
    let row = |row: &Row| {
        json!({
            "attack": row.attack.name, "about": row.attack.about, "unit": row.attack.unit,
            "done": row.counts.done, "perSecond": row.rate(), "refused": row.counts.refused,
            "corePercent": row.busy(), "p99QuietUs": row.p99(Phase::Quiet), "p99SiegeUs": row.p99(Phase::Siege),
            "p99AfterUs": row.p99(Phase::After), "factor": row.factor(), "before": vitals(&row.before),
            "peak": vitals(&row.peak), "after": vitals(&row.after),
            "othersNotServed": row.waits.failures, "withstood": row.is_withstood(),
        })
    };
    let rows: Vec<Value> = rows.iter().map(row).collect();
    json!({ "seconds": duration.as_secs(), "attacks": rows })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
