//! Who decides what is recorded, and hands it on.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{Kind, Sampler, Span, TraceContext, Value};

/// Takes spans that are over. Called where they end: it must neither block nor wait.
pub trait Sink: Send + Sync + 'static {
    /// A span is over.
    fn record(&self, span: Span);
}

/// Begins steps, and hands those that are over and recorded to its sink. Cheap to clone.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    sampler: Sampler,
    ids: fn() -> u64,
    sink: Box<dyn Sink>,
    /// Steps that may begin a record here within one second.
    per_second_max: u32,
    /// The second, and how many have begun in it.
    begun: AtomicU64,
    limited: AtomicU64,
}

/// A step that is being done.
#[derive(Debug)]
#[must_use = "a step that is recorded is told of when it ends"]
pub struct Step(State);

#[derive(Debug)]
enum State {
    /// It belongs to no trace.
    Nothing,
    /// It belongs to one that is not recorded here: what it leads to is told so.
    PassedOn(TraceContext),
    Recorded(Box<(Tracer, Span)>),
}

impl Tracer {
    /// A tracer of these. `ids` answers with random numbers.
    pub fn new(sampler: Sampler, ids: fn() -> u64, sink: impl Sink) -> Self {
        Self::with_bound(sampler, ids, sink, u32::MAX)
    }

    /// As `new`, and no more steps than that begin a record here within a second, whoever asks for it: who is asked from
    /// outside cannot be made to record without end. What one of them leads to within the process is not counted.
    pub fn with_bound(
        sampler: Sampler,
        ids: fn() -> u64,
        sink: impl Sink,
        per_second_max: u32,
    ) -> Self {
        let sink = Box::new(sink);
        let (begun, limited) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { sampler, ids, sink, per_second_max, begun, limited }))
    }

    /// Begins a step because of what came from outside, which said where that belongs to, or did not.
    pub fn begin(
        &self,
        name: &'static str,
        kind: Kind,
        remote: Option<TraceContext>,
        now: SystemTime,
    ) -> Step {
        let trace_id = remote.map_or_else(
            || u128::from(self.id()) << 64 | u128::from(self.id()),
            |it| it.trace_id(),
        );
        if !self.0.sampler.samples(trace_id, remote) || !self.is_within_bound(now) {
            let passed_on = remote.map(|remote| State::PassedOn(remote.with_sampled(false)));
            return Step(passed_on.unwrap_or(State::Nothing));
        }
        let context = TraceContext::new(trace_id, self.id(), true);
        self.recorded(name, kind, context, remote.map(|remote| (remote.span_id(), true)), now)
    }

    /// Begins a step within another one of this process, if that is recorded.
    pub fn begin_within(
        &self,
        name: &'static str,
        kind: Kind,
        parent: Option<TraceContext>,
        now: SystemTime,
    ) -> Step {
        match parent {
            None => Step(State::Nothing),
            Some(parent) if !parent.is_sampled() => Step(State::PassedOn(parent)),
            Some(parent) => {
                let context = parent.with_span(self.id());
                self.recorded(name, kind, context, Some((parent.span_id(), false)), now)
            }
        }
    }

    /// How many steps were not recorded because of the bound.
    #[must_use]
    pub fn limited(&self) -> u64 {
        self.0.limited.load(Ordering::Relaxed)
    }

    fn recorded(
        &self,
        name: &'static str,
        kind: Kind,
        context: TraceContext,
        parent: Option<(u64, bool)>,
        now: SystemTime,
    ) -> Step {
        let (attributes, failure) = (Vec::new(), None);
        let span = Span { context, parent, name, kind, start: now, end: now, attributes, failure };
        Step(State::Recorded(Box::new((self.clone(), span))))
    }

    fn id(&self) -> u64 {
        (self.0.ids)()
    }

    /// Counts in whole seconds: at worst twice as many begin within one that lies across two of them.
    fn is_within_bound(&self, now: SystemTime) -> bool {
        let inner = &*self.0;
        if inner.per_second_max == u32::MAX {
            return true;
        }
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() << 32;
        let taken = inner.begun.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |begun| {
            let begun = if begun & !u64::from(u32::MAX) == second { begun } else { second };
            ((begun as u32) < inner.per_second_max).then_some(begun + 1)
        });
        if taken.is_err() {
            inner.limited.fetch_add(1, Ordering::Relaxed);
        }
        taken.is_ok()
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("sampler", &self.0.sampler).finish_non_exhaustive()
    }
}

impl Step {
    /// A step that belongs to nothing.
    pub const NOTHING: Self = Self(State::Nothing);

    /// What it leads to belongs to this.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        match &self.0 {
            State::Nothing => None,
            State::PassedOn(context) => Some(*context),
            State::Recorded(it) => Some(it.1.context),
        }
    }

    /// Whether it is recorded: what is only said of one that is need not be found out otherwise.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        matches!(self.0, State::Recorded(_))
    }

    /// Says something of it.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        if let State::Recorded(it) = &mut self.0 {
            it.1.attributes.push((name, value.into()));
        }
    }

    /// It failed, and why.
    pub fn fail(&mut self, why: &'static str) {
        if let State::Recorded(it) = &mut self.0 {
            it.1.failure = Some(why);
        }
    }

    /// It is over.
    pub fn end(self, now: SystemTime) {
        if let State::Recorded(it) = self.0 {
            let (tracer, mut span) = *it;
            // A clock that was set back does not make anything end before it began.
            span.end = now.max(span.start);
            tracer.0.sink.record(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Span>>>);

    impl Sink for Kept {
        fn record(&self, span: Span) {
            self.0.lock().push(span);
        }
    }

    fn id() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn what_one_step_leads_to_is_of_its_trace_and_behind_it() {
        let kept = Kept::default();
        let tracer = Tracer::new(Sampler::default(), id, kept.clone());
        let remote = TraceContext::new(9, 8, true);
        let mut outer = tracer.begin("message", Kind::Server, Some(remote), at(5));
        outer.note("bytes", 3_usize);
        let inner = tracer.begin_within("upstream", Kind::Client, outer.context(), at(6));
        inner.end(at(7));
        outer.fail("timeout");
        outer.end(at(4));
        let spans = kept.0.lock();
        let [inner, outer] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(outer.parent, Some((8, true)));
        assert_eq!(inner.parent, Some((outer.context.span_id(), false)));
        assert!(spans.iter().all(|span| span.context.trace_id() == 9));
        assert_eq!((inner.start, inner.end), (at(6), at(7)));
        assert_eq!((outer.start, outer.end), (at(5), at(5)), "not before it began");
        assert_eq!(outer.attributes, [("bytes", Value::Number(3))]);
        assert_eq!((outer.failure, inner.failure), (Some("timeout"), None));
    }

    #[test]
    fn what_is_not_recorded_is_passed_on_as_such_and_costs_no_record() {
        let kept = Kept::default();
        let off = Sampler::named("always_off", 0.0).unwrap();
        let tracer = Tracer::new(off, id, kept.clone());
        let remote = TraceContext::new(9, 8, true);
        let step = tracer.begin("message", Kind::Server, Some(remote), at(5));
        assert_eq!(step.context(), Some(remote.with_sampled(false)));
        let inner = tracer.begin_within("upstream", Kind::Client, step.context(), at(5));
        assert_eq!(inner.context(), step.context());
        assert!(!step.is_recorded() && !inner.is_recorded());
        step.end(at(6));
        inner.end(at(6));
        assert_eq!(tracer.begin("message", Kind::Server, None, at(5)).context(), None);
        assert_eq!(kept.0.lock().len(), 0);
    }

    #[test]
    fn no_more_begin_in_a_second_than_may_whoever_asks() {
        let kept = Kept::default();
        let tracer = Tracer::with_bound(Sampler::default(), id, kept.clone(), 3);
        let remote = Some(TraceContext::new(9, 8, true));
        for millis in 1000..1010 {
            let step = tracer.begin("message", Kind::Server, remote, at(millis));
            tracer
                .begin_within("delivery", Kind::Internal, step.context(), at(millis))
                .end(at(millis));
            step.end(at(millis));
        }
        assert_eq!(kept.0.lock().len(), 6);
        assert_eq!(tracer.limited(), 7);
        assert!(tracer.begin("message", Kind::Server, remote, at(2000)).is_recorded());
    }
}
