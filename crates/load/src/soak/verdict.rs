//! Whether it is as it was: the last fifth of the time beside the second one.
//!
//! The first fifth is left out: tables, pools and the allocator grow to what the crowd needs.

use serde_json::{Value, json};

use super::sample::Sample;

/// Files and tasks that come and go: an HTTP connection, a call to the engine, a connection that has just ended.
const SLACK: u64 = 24;
/// What an allocator may keep, or not, from one moment to the next.
const SLACK_BYTES: u64 = 6 * 1024 * 1024;
/// And in proportion: one part of so many.
const SLACK_PART: u64 = 12;

/// One thing, early and late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Growth {
    early: u64,
    late: u64,
    slack: u64,
}

impl Growth {
    fn is_flat(self) -> bool {
        self.late <= self.early + self.slack
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    memory: Growth,
    files: Growth,
    tasks: Growth,
}

impl Verdict {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let fifth = samples.len() / 5;
        let early = samples.get(fifth..2 * fifth).unwrap_or_default();
        let late = samples.get(samples.len() - fifth..).unwrap_or_default();
        let growth = |of: fn(&Sample) -> u64, slack: fn(u64) -> u64| {
            let (early, late) = (median(early, of), median(late, of));
            Growth { early, late, slack: slack(early) }
        };
        Self {
            memory: growth(|it| it.resident, |early| SLACK_BYTES.max(early / SLACK_PART)),
            files: growth(|it| it.files, |_| SLACK),
            tasks: growth(|it| it.tasks, |_| SLACK),
        }
    }

    pub(super) fn is_flat(&self) -> bool {
        self.memory.is_flat() && self.files.is_flat() && self.tasks.is_flat()
    }

    pub(super) fn table(&self, samples: &[Sample], reloads: u32, outages: u32) -> String {
        let last = samples.last().copied().unwrap_or_default();
        let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let row = |name: &str, growth: Growth, show: &dyn Fn(u64) -> String| {
            let word = if growth.is_flat() { "flat" } else { "GROWN" };
            format!("{name:<8} {:>12} {:>12}   {word}\n", show(growth.early), show(growth.late))
        };
        let plain = |count: u64| count.to_string();
        format!(
            "{:<8} {:>12} {:>12}\n{}{}{}{} s, {} connects, {} messages sent, {} heard, {reloads} reloads, {outages} \
             outages of the engine, {} visits cut short, {:.1} s of processor time\n",
            "",
            "early",
            "late",
            row("memory", self.memory, &mib),
            row("files", self.files, &plain),
            row("tasks", self.tasks, &plain),
            last.at.as_secs(),
            last.connects,
            last.sent,
            last.heard,
            last.failures,
            last.cpu.as_secs_f64()
        )
    }

    pub(super) fn json(&self, samples: &[Sample], reloads: u32, outages: u32) -> Value {
        let growth =
            |it: Growth| json!({ "early": it.early, "late": it.late, "flat": it.is_flat() });
        let samples: Vec<Value> = samples.iter().map(Sample::json).collect();
        json!({
            "flat": self.is_flat(), "memoryBytes": growth(self.memory), "files": growth(self.files),
            "tasks": growth(self.tasks), "reloads": reloads, "outages": outages, "samples": samples,
        })
    }
}

fn median(samples: &[Sample], of: fn(&Sample) -> u64) -> u64 {
    let mut figures: Vec<u64> = samples.iter().map(of).collect();
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(resident: impl Fn(u64) -> u64, files: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample = |at| Sample { resident: resident(at), files: files(at), ..Sample::default() };
        (0..100).map(sample).collect()
    }

    #[test]
    fn what_grows_at_the_beginning_is_flat() {
        let grown_once = |at: u64| if at < 15 { at << 20 } else { 60 << 20 };
        assert!(Verdict::of(&samples(grown_once, |_| 20)).is_flat());
    }

    #[test]
    fn what_grows_all_the_time_is_not() {
        assert!(!Verdict::of(&samples(|at| (60 + at) << 20, |_| 20)).is_flat());
        assert!(!Verdict::of(&samples(|_| 60 << 20, |at| 20 + at)).is_flat());
    }

    #[test]
    fn one_moment_is_no_trend() {
        let spike = |at: u64| if at % 10 == 9 { 400 << 20 } else { 60 << 20 };
        assert!(Verdict::of(&samples(spike, |at| 20 + at % 7)).is_flat());
    }
}
