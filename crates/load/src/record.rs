//! What was counted and measured.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::clock::Nanos;

/// Longer than this counts as this: an hour.
const LONGEST: Nanos = 3_600_000_000_000;

/// So much of a message is an example of it.
const EXAMPLE_BYTES: usize = 160;

/// Latencies in nanoseconds, to three digits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    /// Made when the first one is noted: it takes a quarter of a megabyte.
    histogram: Option<Histogram<u64>>,
}

/// Counts of one span of a run, of one worker or of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Messages written.
    pub(crate) sent: u64,
    /// Answers, or deliveries to receivers.
    pub(crate) received: u64,
    /// Messages that were neither: greetings, acknowledgements.
    pub(crate) other: u64,
    /// The first of them that came while an answer was awaited: it may say why there is none.
    pub(crate) other_example: Option<String>,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Messages with a text that was to be counted, and their payloads.
    pub(crate) counted: u64,
    pub(crate) counted_bytes: u64,
    /// Answers to background connections, which are not among `received`.
    pub(crate) established: u64,
    /// Deliveries to slow readers, which are not among `received`.
    pub(crate) slow: u64,
    /// How slow readers ended, by close code.
    pub(crate) slow_closes: BTreeMap<u16, u64>,
    pub(crate) attempted: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// From the write (closed loop) or the intended time (open loop) to the answer.
    pub(crate) latency: Latencies,
    /// From the first packet to the response's last byte.
    pub(crate) connect: Latencies,
    /// The latency of background connections.
    pub(crate) background: Latencies,
    /// How late the tool itself was: from the intended time to the write.
    pub(crate) lag: Latencies,
    pub(crate) deliveries: Deliveries,
    pub(crate) errors: BTreeMap<String, u64>,
    /// Close codes that the server sent first; 1006 where it just went.
    pub(crate) closes: BTreeMap<u16, u64>,
}

/// What receivers found out about the numbers of what they got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deliveries {
    /// Numbers that were left out; those that came later after all are among the reordered.
    pub(crate) skipped: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
}

impl Deliveries {
    pub(crate) fn lost(&self) -> u64 {
        self.skipped.saturating_sub(self.reordered)
    }
}

impl Latencies {
    pub(crate) fn note(&mut self, latency: Nanos) {
        match &mut self.histogram {
            Some(histogram) => histogram.saturating_record(latency),
            None => {
                self.histogram = Histogram::new_with_bounds(1, LONGEST, 3).ok();
                if let Some(histogram) = &mut self.histogram {
                    histogram.saturating_record(latency);
                }
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let Some(theirs) = other.histogram.as_ref().filter(|it| !it.is_empty()) else { return };
        match &mut self.histogram {
            // All have the same bounds.
            Some(ours) => drop(ours.add(theirs)),
            None => self.histogram = Some(theirs.clone()),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    pub(crate) fn mean(&self) -> f64 {
        self.histogram.as_ref().map_or(0.0, Histogram::mean)
    }

    pub(crate) fn max(&self) -> Nanos {
        self.histogram.as_ref().map_or(0, Histogram::max)
    }

    /// The latency that the share `quantile` of all is not above.
    pub(crate) fn at(&self, quantile: f64) -> Nanos {
        self.histogram.as_ref().map_or(0, |it| it.value_at_quantile(quantile))
    }

    fn clear(&mut self) {
        if let Some(histogram) = self.histogram.as_mut().filter(|it| !it.is_empty()) {
            histogram.clear();
        }
    }
}

impl Record {
    /// Those of background connections are no part of the load.
    pub(crate) fn count_sent(&mut self, messages: usize, background: bool) {
        if !background {
            self.sent += messages as u64;
        }
    }

    pub(crate) fn note_other(&mut self, message: &[u8], awaited: bool) {
        self.other += 1;
        if awaited && self.other_example.is_none() {
            let start = &message[..message.len().min(EXAMPLE_BYTES)];
            self.other_example = Some(String::from_utf8_lossy(start).into_owned());
        }
    }

    pub(crate) fn note_error(&mut self, cause: &str) {
        *self.errors.entry(cause.to_owned()).or_default() += 1;
    }

    pub(crate) fn note_close(&mut self, code: u16) {
        *self.closes.entry(code).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.other += other.other;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.counted += other.counted;
        self.counted_bytes += other.counted_bytes;
        self.established += other.established;
        if self.other_example.is_none() {
            self.other_example.clone_from(&other.other_example);
        }
        self.slow += other.slow;
        for (code, count) in &other.slow_closes {
            *self.slow_closes.entry(*code).or_default() += count;
        }
        self.attempted += other.attempted;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.latency.add(&other.latency);
        self.connect.add(&other.connect);
        self.background.add(&other.background);
        self.lag.add(&other.lag);
        self.deliveries.skipped += other.deliveries.skipped;
        self.deliveries.doubled += other.deliveries.doubled;
        self.deliveries.reordered += other.deliveries.reordered;
        for (cause, count) in &other.errors {
            *self.errors.entry(cause.clone()).or_default() += count;
        }
        for (code, count) in &other.closes {
            *self.closes.entry(*code).or_default() += count;
        }
    }

    /// Back to nothing, with the histograms' memory kept.
    pub(crate) fn clear(&mut self) {
        let take = |latencies: &mut Latencies| {
            let mut kept = std::mem::take(latencies);
            kept.clear();
            kept
        };
        *self = Self {
            latency: take(&mut self.latency),
            connect: take(&mut self.connect),
            background: take(&mut self.background),
            lag: take(&mut self.lag),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_workers_add_up() {
        let mut one = Record { sent: 3, received: 2, ..Record::default() };
        one.latency.note(1_000);
        one.note_error("refused");
        one.note_close(1013);
        let mut sum = Record::default();
        sum.add(&one);
        sum.add(&one);
        assert_eq!((sum.sent, sum.received, sum.latency.count()), (6, 4, 2));
        assert_eq!((sum.errors["refused"], sum.closes[&1013]), (2, 2));
        sum.clear();
        assert_eq!((sum.sent, sum.latency.count(), sum.errors.len()), (0, 0, 0));
    }

    #[test]
    fn quantiles_are_right_to_three_digits_and_an_hour_is_the_longest() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.at(0.5), latencies.max(), latencies.mean()), (0, 0, 0.0));
        (1..=1_000).for_each(|it| latencies.note(it * 1_000_000));
        for (quantile, expected) in [(0.5, 500e6), (0.99, 990e6), (0.999, 999e6), (1.0, 1e9)] {
            let found = latencies.at(quantile) as f64;
            assert!((found / expected - 1.0).abs() < 0.001, "{quantile}: {found}");
        }
        latencies.note(u64::MAX);
        assert!(latencies.max() as f64 / LONGEST as f64 > 0.999);
    }
}
