//! What a user sees: progress while it runs, a table, JSON, a page.

use crate::{
    clock::Nanos,
    engine::{Control, Phase},
    record::Record,
};

pub(crate) mod figures;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod live;
mod notes;
mod plot;
pub(crate) mod table;

/// Somebody who is shown how far a run is.
pub(crate) trait Progress {
    /// Called a few times a second.
    fn tick(&mut self, sample: &Sample);

    /// Called at the end.
    fn done(&mut self) {}
}

/// How things stood at one moment, and what had come since the one before.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Nanos,
    /// How long this sample took.
    pub(crate) span: Nanos,
    pub(crate) phase: Phase,
    pub(crate) open: u64,
    pub(crate) messages: u64,
    pub(crate) connects: u64,
    pub(crate) errors: u64,
    /// Nanoseconds; nothing where there were no messages.
    pub(crate) p50: Option<Nanos>,
    pub(crate) p99: Option<Nanos>,
    /// By cause, since the beginning.
    pub(crate) causes: Vec<(String, u64)>,
}

/// Turns what workers hand over into samples.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    last: Nanos,
    so_far: Record,
}

impl Sampler {
    pub(crate) fn sample(&mut self, control: &Control, now: Nanos) -> Sample {
        let recent = control.take_recent();
        let span = now.saturating_sub(self.last).max(1);
        self.last = now;
        for (cause, count) in &recent.errors {
            *self.so_far.errors.entry(cause.clone()).or_default() += count;
        }
        // Storms have no messages: what they take is the handshake.
        let latency = match (recent.latency.count(), recent.background.count()) {
            (0, 0) => &recent.connect,
            (0, _) => &recent.background,
            _ => &recent.latency,
        };
        let at = |quantile| (latency.count() > 0).then(|| latency.at(quantile));
        Sample {
            at: now,
            span,
            phase: control.phase(),
            open: control.open(),
            messages: recent.received,
            connects: recent.succeeded,
            errors: recent.errors.values().sum(),
            p50: at(0.5),
            p99: at(0.99),
            causes: self
                .so_far
                .errors
                .iter()
                .map(|(cause, count)| (cause.clone(), *count))
                .collect(),
        }
    }
}

impl Sample {
    pub(crate) fn messages_per_second(&self) -> f64 {
        self.messages as f64 * 1e9 / self.span as f64
    }

    pub(crate) fn connects_per_second(&self) -> f64 {
        self.connects as f64 * 1e9 / self.span as f64
    }
}
