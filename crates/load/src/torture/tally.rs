//! What is counted of publishers and subscribers.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Of one of them, or of all together.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) connects: u64,
    /// Connections that were refused, broke or were given up.
    pub(crate) losses: u64,
    /// Publishes, those that were tried again included.
    pub(crate) sent: u64,
    /// Channels that were followed again with all that was missed, and without.
    pub(crate) recovered: u64,
    pub(crate) not_recovered: u64,
    /// `gap` messages.
    pub(crate) gaps: u64,
    /// Messages that came between a `gap` and the answer to what was asked because of it.
    pub(crate) skipped: u64,
    /// By their codes.
    pub(crate) errors: BTreeMap<String, u64>,
    /// From a loss until every channel was followed again, in µs.
    pub(crate) recovery: Histogram<u64>,
    /// The longest of these in ns, and what happened meanwhile.
    pub(crate) slowest: (u64, String),
}

/// Up to an hour, in µs, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    const HOUR: u64 = 3_600_000_000;
    // These bounds are good ones; others than those of an `Err` there are not.
    Histogram::new_with_bounds(1, HOUR, 3).unwrap_or_else(|_| unreachable!("good bounds"))
}

impl Tally {
    pub(crate) fn add_error(&mut self, code: &str) {
        *self.errors.entry(code.to_owned()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.connects += other.connects;
        self.losses += other.losses;
        self.sent += other.sent;
        self.recovered += other.recovered;
        self.not_recovered += other.not_recovered;
        self.gaps += other.gaps;
        self.skipped += other.skipped;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        self.slowest = std::mem::take(&mut self.slowest).max(other.slowest.clone());
        // Both have the same bounds.
        let _ = self.recovery.add(&other.recovery);
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            connects: 0,
            losses: 0,
            sent: 0,
            recovered: 0,
            not_recovered: 0,
            gaps: 0,
            skipped: 0,
            errors: BTreeMap::new(),
            recovery: histogram(),
            slowest: (0, String::new()),
        }
    }
}
