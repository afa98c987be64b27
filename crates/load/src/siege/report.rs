//! What came of it, for people and for programs.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::{
    attack::{Attack, Least},
    bystanders::{Phase, Waits},
    field::Counts,
    vitals::Vitals,
};

/// Of a core, in percent: a gateway that has as much to do could not do much more.
const BUSY: f64 = 90.0;

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
    /// What went wrong, in a sentence; none if the attack was what it is said to be, everybody else was served in time,
    /// and what was taken came back.
    pub(super) fn fault(&self) -> Option<String> {
        let Self { attack, after, waits, .. } = self;
        if waits.failures > 0 {
            return Some(format!("others were not served {} times", waits.failures));
        }
        if self.factor() > attack.factor_max {
            return Some(format!(
                "others' p99 is {:.1} times what it was in quiet, and {} times is what this attack may cost them",
                self.factor(),
                attack.factor_max
            ));
        }
        if !after.is_like(self.before) {
            return Some(format!(
                "{:.1} MiB and {} files stayed, where {:.1} MiB and {} files were before",
                mib(after.resident),
                after.files,
                mib(self.before.resident),
                self.before.files
            ));
        }
        let (done, least, time) = match attack.least? {
            Least::InAll(least) => (self.counts.done as f64, least as f64, ""),
            // More than one core can answer is not asked of it.
            Least::EachSecond(_) if self.busy() >= BUSY => return None,
            Least::EachSecond(least) => (self.rate(), least, " a second"),
        };
        let sentence = || {
            format!(
                "there were {done:.0} {}{time}, and fewer than {least} are not this attack",
                attack.unit
            )
        };
        (done < least).then(sentence)
    }

    pub(super) fn is_withstood(&self) -> bool {
        self.fault().is_none()
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

    /// How much longer others wait.
    fn factor(&self) -> f64 {
        self.p99(Phase::Siege) as f64 / self.p99(Phase::Quiet).max(1) as f64
    }
}

pub(super) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<19} {:>9} {:>11} {:>9} {:>6} {:>9} {:>9} {:>7} {:>7} {:>8} {:>8} {:>8}  verdict\n",
        "attack",
        "done",
        "a second",
        "refused",
        "core %",
        "p99 quiet",
        "siege",
        "factor",
        "at most",
        "MiB",
        "peak",
        "after"
    );
    for row in rows {
        let Row { attack, counts, before, peak, after, .. } = row;
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{:<19} {:>9} {:>11.0} {:>9} {:>6.0} {:>6} µs {:>6} µs {:>7.1} {:>7} {:>8.1} {:>8.1} {:>8.1}  {}",
            attack.name,
            counts.done,
            row.rate(),
            counts.refused,
            row.busy(),
            row.p99(Phase::Quiet),
            row.p99(Phase::Siege),
            row.factor(),
            attack.factor_max,
            mib(before.resident),
            mib(peak.resident),
            mib(after.resident),
            row.fault().map_or("withstood".to_owned(), |fault| format!("FAILED: {fault}")),
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
            "p99AfterUs": row.p99(Phase::After), "factor": row.factor(), "factorMax": row.attack.factor_max, "before": vitals(&row.before),
            "peak": vitals(&row.peak), "after": vitals(&row.after),
            "othersNotServed": row.waits.failures, "withstood": row.is_withstood(), "fault": row.fault(),
        })
    };
    let rows: Vec<Value> = rows.iter().map(row).collect();
    json!({ "seconds": duration.as_secs(), "attacks": rows })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::attack::ATTACKS;

    /// Of an attack on others who wait for so many µs in quiet and while it lasts.
    fn row(name: &str, done: u64, quiet: u64, siege: u64) -> Row {
        let mut waits = Waits::new().unwrap();
        waits.by_phase[Phase::Quiet as usize].record(quiet).unwrap();
        waits.by_phase[Phase::Siege as usize].record(siege).unwrap();
        Row {
            attack: ATTACKS.iter().find(|attack| attack.name == name).unwrap(),
            counts: Counts { done, refused: 0 },
            took: Duration::from_secs(10),
            before: Vitals::default(),
            peak: Vitals::default(),
            after: Vitals::default(),
            cpu: Duration::ZERO,
            waits,
        }
    }

    #[test]
    fn what_is_not_withstood_is_said_in_a_sentence() {
        assert_eq!(row("bad-tokens", 100_000, 400, 800).fault(), None);
        let slow = row("bad-tokens", 100_000, 100, 100_000).fault().unwrap();
        assert!(slow.contains("and 10 times is what this attack may cost them"), "{slow}");
        let few = row("bad-tokens", 99_000, 400, 800).fault().unwrap();
        assert_eq!(
            few,
            "there were 9900 requests a second, and fewer than 10000 are not this attack"
        );
        let busy = Row { cpu: Duration::from_secs(9), ..row("bad-tokens", 99_000, 400, 800) };
        assert_eq!(busy.fault(), None);
        let fewer = row("half-handshakes", 99_999, 400, 800).fault().unwrap();
        assert!(fewer.starts_with("there were 99999 connects, and"), "{fewer}");
        let mut row = row("ping-flood", 1, 400, 800);
        row.after.resident = 1 << 30;
        assert!(row.fault().unwrap().starts_with("1024.0 MiB and 0 files stayed"));
        row.waits.failures = 2;
        assert!(row.fault().unwrap().contains("not served 2 times") && !row.is_withstood());
    }
}
