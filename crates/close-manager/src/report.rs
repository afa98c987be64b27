//! How a batch of closes went.

use std::{fmt, time::Duration};

/// How a batch of closes went, or goes.
///
/// Every connection is counted once: `total` is the sum of the six that follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloseReport {
    /// Connections that were to be closed, or that peers closed meanwhile.
    pub total: usize,
    /// Still waiting for their turn.
    pub waiting: usize,
    /// Closing: a close frame has passed in one direction, or force is due.
    pub closing: usize,
    /// Closed cleanly: the peer answered our close frame.
    pub acknowledged: usize,
    /// Ended after our close frame without an answer.
    pub dropped: usize,
    /// Forced at the deadline.
    pub forced: usize,
    /// Ended before their turn, or closed by the peer.
    pub already_closed: usize,
    /// How long it has taken until the last connection that is done was done.
    pub took: Duration,
    /// How long acknowledgements took, if there were any.
    pub handshake: Option<Percentiles>,
}

impl CloseReport {
    /// Whether every connection is closed.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.waiting == 0 && self.closing == 0
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections in {:.1?}: {} acknowledged, {} dropped, {} forced, {} already closed",
            self.total,
            self.took,
            self.acknowledged,
            self.dropped,
            self.forced,
            self.already_closed
        )?;
        if !self.is_done() {
            write!(f, ", {} waiting, {} closing", self.waiting, self.closing)?;
        }
        if let Some(Percentiles { p50, p99, max }) = self.handshake {
            write!(f, "; handshake p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}")?;
        }
        Ok(())
    }
}

/// From close frame to acknowledgement: exact at the maximum, within an eighth below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of all took no longer.
    pub p50: Duration,
    /// All but one of a hundred took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// Durations counted in steps of an eighth of their power of two: constant in size, however many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
    max_us: u64,
}

/// A power of two is cut into this many steps.
const STEPS: u64 = 8;
/// Durations of up to 2^40 µs, some twelve days, differ from one another.
const BUCKETS: usize = 40 * STEPS as usize;

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // Allocated by the first one, since most managers never close a batch.
        self.counts.resize(BUCKETS, 0);
        if let Some(count) = self.counts.get_mut(bucket(us).min(BUCKETS - 1)) {
            *count = count.saturating_add(1);
        }
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        (self.total > 0).then(|| Percentiles {
            p50: self.quantile(50),
            p99: self.quantile(99),
            max: Duration::from_micros(self.max_us),
        })
    }

    fn quantile(&self, percent: u64) -> Duration {
        let rank = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        let index = self.counts.iter().position(|&count| {
            seen += u64::from(count);
            seen >= rank
        });
        let us = index.map_or(self.max_us, |index| longest_in(index).min(self.max_us));
        Duration::from_micros(us)
    }
}

/// Below `STEPS` each microsecond has its own bucket; above, each power of two has `STEPS` of them.
fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let shift = us.ilog2() - STEPS.ilog2();
    (u64::from(shift) * STEPS + (us >> shift)) as usize
}

/// The longest duration in a bucket, in microseconds.
fn longest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((STEPS + bucket % STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_ends_where_the_next_begins() {
        for index in 0..BUCKETS {
            let longest = longest_in(index);
            assert_eq!(bucket(longest), index);
            assert_eq!(bucket(longest + 1), index + 1);
        }
    }

    #[test]
    fn percentiles_are_within_an_eighth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentiles(), None);
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        let Percentiles { p50, p99, max } = histogram.percentiles().unwrap();
        assert!((500..=563).contains(&p50.as_millis()), "{p50:?}");
        assert!((990..=1000).contains(&p99.as_millis()), "{p99:?}");
        assert_eq!(max, Duration::from_secs(1));
    }

    #[test]
    fn one_duration_is_all_percentiles_exactly() {
        for duration in [Duration::ZERO, Duration::from_micros(12_345), Duration::from_secs(86_400)]
        {
            let mut histogram = Histogram::default();
            histogram.record(duration);
            let Percentiles { p50, p99, max } = histogram.percentiles().unwrap();
            assert_eq!((p50, p99), (max, max));
            assert_eq!(max, duration);
        }
    }

    #[test]
    fn a_duration_beyond_all_buckets_counts_in_the_last() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        let Percentiles { p50, max, .. } = histogram.percentiles().unwrap();
        assert!(p50 < max && max == Duration::from_micros(u64::MAX));
    }

    #[test]
    fn a_report_reads_well() {
        let mut report = CloseReport {
            total: 10,
            acknowledged: 7,
            forced: 2,
            already_closed: 1,
            took: Duration::from_millis(5000),
            ..CloseReport::default()
        };
        assert_eq!(
            report.to_string(),
            "10 connections in 5.0s: 7 acknowledged, 0 dropped, 2 forced, 1 already closed"
        );
        report.forced = 0;
        report.waiting = 2;
        let ms = Duration::from_millis;
        report.handshake = Some(Percentiles { p50: ms(20), p99: ms(40), max: ms(41) });
        assert_eq!(
            report.to_string(),
            "10 connections in 5.0s: 7 acknowledged, 0 dropped, 0 forced, 1 already closed, \
             2 waiting, 0 closing; handshake p50 20.0ms, p99 40.0ms, max 41.0ms"
        );
    }
}
