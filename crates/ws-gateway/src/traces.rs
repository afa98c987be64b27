//! Traces: whose request led to what, told to a collector of OpenTelemetry.

mod collector;
mod export;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use ws_handler::{Counts, WallClock};
use ws_traces::{Kind, Sampler, Sink, Span, Step, TraceContext, Tracer};

use self::{collector::Collector, export::Export};
use crate::{config::TraceSettings, metrics::Page};

pub(crate) use self::collector::CollectorError;

/// The name under which the context of a trace travels.
pub(crate) const HEADER: &str = "traceparent";

/// The end of the process waits no longer than this for the collector.
const FAREWELL: Duration = Duration::from_secs(2);

/// The traces of a gateway, on their way to a collector.
#[derive(Debug)]
pub(crate) struct Traces {
    steps: Steps,
    told: Arc<Told>,
    /// Told when everything ends.
    stop: watch::Sender<bool>,
    export: tokio::task::JoinHandle<()>,
}

/// Begins and ends steps at the time of a gateway's own clock. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    tracer: Tracer,
    clock: Arc<WallClock>,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Told {
    counts: Counts<{ Outcome::LABELS.len() }>,
    waiting: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Exported,
    /// Too many were waiting.
    Dropped,
    /// The collector did not take it.
    Failed,
}

impl Outcome {
    const LABELS: [&'static str; 3] = ["exported", "dropped", "failed"];
}

impl Told {
    fn add(&self, outcome: Outcome, count: usize) {
        self.counts.add_many(outcome as usize, count as u64);
    }
}

/// Where spans end: none is waited for.
struct Queue {
    spans: mpsc::Sender<Span>,
    told: Arc<Told>,
}

impl Sink for Queue {
    fn record(&self, span: Span) {
        self.told.waiting.fetch_add(1, Ordering::Relaxed);
        if self.spans.try_send(span).is_err() {
            self.told.waiting.fetch_sub(1, Ordering::Relaxed);
            self.told.add(Outcome::Dropped, 1);
        }
    }
}

impl Traces {
    /// Traces as they are set; `None` if nobody is to be told. Must be called within a tokio runtime.
    pub(crate) fn start(
        settings: &TraceSettings,
        clock: Arc<WallClock>,
    ) -> Result<Option<Self>, CollectorError> {
        let Some(collector) = Collector::new(settings)? else { return Ok(None) };
        let sampler = Sampler::named(settings.sampler, settings.ratio).unwrap_or_default();
        let (spans, waiting) = mpsc::channel(settings.queue_max);
        let (stop, stopped) = watch::channel(false);
        let told = Arc::<Told>::default();
        let queue = Queue { spans, told: told.clone() };
        let tracer = Tracer::with_bound(sampler, rand::random, queue, settings.per_second_max);
        let export = Export {
            collector,
            spans: waiting,
            delay: settings.delay,
            stopped,
            told: told.clone(),
        };
        let export = tokio::spawn(export.run());
        Ok(Some(Self { steps: Steps { tracer, clock }, told, stop, export }))
    }

    pub(crate) fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Its part of the metrics.
    pub(crate) fn metrics(
        &self,
    ) -> impl Fn(&mut Page<'_>) -> fmt::Result + Send + Sync + 'static + use<> {
        let (told, tracer) = (self.told.clone(), self.steps.tracer.clone());
        move |page| {
            let totals: Vec<_> = Outcome::LABELS.into_iter().zip(told.counts.totals()).collect();
            let spans = "Spans of traces, by what became of them";
            page.counters("ws_trace_spans_total", spans, "outcome", &totals)?;
            let waiting = told.waiting.load(Ordering::Relaxed);
            page.gauge("ws_trace_queue_spans", "Spans that wait for the collector", waiting)?;
            let limited = "Upgrades and messages that were not recorded because of the bound";
            page.counter("ws_trace_limited_total", limited, tracer.limited())
        }
    }

    /// Tells the rest, as long as that takes no longer than it may.
    pub(crate) async fn finish(mut self) {
        self.stop.send_replace(true);
        if timeout(FAREWELL, &mut self.export).await.is_err() {
            self.export.abort();
        }
    }
}

impl Steps {
    /// A step within another one.
    pub(crate) fn begin_within(
        &self,
        name: &'static str,
        kind: Kind,
        parent: Option<TraceContext>,
    ) -> Step {
        self.tracer.begin_within(name, kind, parent, self.clock.wall(now()))
    }

    pub(crate) fn end(&self, step: Step) {
        step.end(self.clock.wall(now()));
    }

    pub(crate) fn tracer(&self) -> &Tracer {
        &self.tracer
    }
}

fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
