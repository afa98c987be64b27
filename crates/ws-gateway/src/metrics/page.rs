//! The page that is being written: the one place that knows how a family is written.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use ws_handler::Histogram;

/// The page that is being written.
///
/// Names are given in full, as a scraper sees them. What ends in a unit is told as of that unit.
pub(crate) struct Page<'e> {
    encoder: DescriptorEncoder<'e>,
}

impl<'e> Page<'e> {
    pub(crate) fn of(encoder: DescriptorEncoder<'e>) -> Self {
        Self { encoder }
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.metric(name, help, &ConstCounter::new(count))
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.metric(name, help, &ConstGauge::new(value))
    }

    /// A counter of what is no whole number, as seconds are.
    pub(crate) fn counter_of(&mut self, name: &str, help: &str, sum: f64) -> fmt::Result {
        self.metric(name, help, &ConstCounter::new(sum))
    }

    /// A gauge of what is no whole number, as seconds are.
    pub(crate) fn gauge_of(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.metric(name, help, &ConstGauge::new(value))
    }

    /// A gauge that is 1, and whose label is what it tells.
    pub(crate) fn info(&mut self, name: &str, help: &str, label: (&str, &str)) -> fmt::Result {
        let gauge = ConstGauge::new(1_i64);
        let mut encoder = self.descriptor(name, help, gauge.metric_type())?;
        gauge.encode(encoder.encode_family(&[label])?)
    }

    pub(crate) fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: &[(&'static str, u64)],
    ) -> fmt::Result {
        self.family(name, help, label, counts, ConstCounter::new)
    }

    pub(crate) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&'static str, u64)],
    ) -> fmt::Result {
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        self.family(name, help, label, values, gauge)
    }

    /// Gauges whose labels are of the configuration.
    pub(crate) fn named_gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(String, f64)],
    ) -> fmt::Result {
        let kind = ConstGauge::new(0.0).metric_type();
        let mut encoder = self.descriptor(name, help, kind)?;
        for (value, gauge) in values {
            let labels = [(label, value.as_str())];
            ConstGauge::new(*gauge).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// Gauges from 0 to 1, of percents.
    pub(crate) fn ratios(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        percents: &[(&'static str, u64)],
    ) -> fmt::Result {
        self.family(name, help, label, percents, |percent| ConstGauge::new(percent as f64 / 100.0))
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&'static str, u64)],
        metric: impl Fn(u64) -> M,
    ) -> fmt::Result {
        let Some((_, first)) = values.first() else { return Ok(()) };
        let kind = metric(*first).metric_type();
        let mut encoder = self.descriptor(name, help, kind)?;
        for (value, count) in values {
            let labels: LabelPair = [(label, *value)];
            metric(*count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    pub(crate) fn hooks(&mut self, counts: &[(&'static str, &'static str, u64)]) -> fmt::Result {
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Hooks by what became of them";
        let mut encoder = self.descriptor("ws_hook_calls_total", help, kind)?;
        for (hook, outcome, count) in counts {
            let labels = [("hook", *hook), ("outcome", *outcome)];
            ConstCounter::new(*count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    pub(crate) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        histogram: &Histogram,
    ) -> fmt::Result {
        let buckets: Vec<(f64, u64)> =
            histogram.buckets.iter().map(|(bound, count)| (seconds(*bound), *count)).collect();
        let metric = ConstHistogram { sum: histogram.sum, count: histogram.count, buckets };
        self.metric(name, help, &metric)
    }

    fn metric(&mut self, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.descriptor(name, help, metric.metric_type())?)
    }

    fn descriptor<'a>(
        &'a mut self,
        name: &'a str,
        help: &'a str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'a>, fmt::Error> {
        // The encoder puts both of them behind the name again.
        let name = name.strip_suffix("_total").unwrap_or(name);
        match MEASURED.iter().find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, unit))) {
            Some((name, unit)) => self.encoder.encode_descriptor(name, help, Some(unit), kind),
            None => self.encoder.encode_descriptor(name, help, None, kind),
        }
    }
}

/// The units that a name may end with.
const MEASURED: [(&str, Unit); 2] = [("_bytes", Unit::Bytes), ("_seconds", Unit::Seconds)];

type LabelPair = [(&'static str, &'static str); 1];

/// A histogram whose counts were made elsewhere.
#[derive(Debug)]
struct ConstHistogram {
    sum: Duration,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl EncodeMetric for ConstHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let sum = self.sum.as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, self.count, &self.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// The last bucket takes everything; its bound is written as `+Inf`.
fn seconds(bound: Duration) -> f64 {
    if bound == Duration::MAX { f64::INFINITY } else { bound.as_secs_f64() }
}
