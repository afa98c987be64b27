//! One run: everybody starts, things break and are mended, everybody comes to an end.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use hdrhistogram::Histogram;

use super::{
    course::Course,
    fault::{Fault, Kind},
    house::Stage,
    ledger::{Accepted, Seen},
    pause,
    publisher::Publisher,
    subscriber::Subscriber,
    tally::{Tally, histogram},
    verdict::{Difference, Verdict, judge},
};
use crate::clock::{Nanos, nanos};

/// All subscribers follow everything by then.
const READY_MAX: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) accepted: u64,
    pub(crate) seen: u64,
    pub(crate) faults: BTreeMap<Kind, u64>,
    pub(crate) publishers: Tally,
    pub(crate) subscribers: Tally,
    pub(crate) latency: Histogram<u64>,
    /// While things happened, and until the end.
    pub(crate) took: Duration,
    pub(crate) settled: Duration,
}

/// Runs it to its end; `tell` is told how it goes.
pub(crate) fn drive(
    course: &Course,
    stage: &mut dyn Stage,
    faults: &mut dyn Iterator<Item = Fault>,
    interrupted: &AtomicBool,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome, String> {
    let plan = &course.plan;
    thread::scope(|scope| {
        let subscribers: Vec<_> = (0..plan.subscribers)
            .map(|index| scope.spawn(move || Subscriber::new(course, index).run()))
            .collect();
        let mut director = Director {
            course,
            stage,
            interrupted,
            tell,
            broken: Vec::new(),
            counts: BTreeMap::new(),
            verdict: Verdict::default(),
        };
        let ready = course.clock.now() + nanos(READY_MAX);
        while !course.all_are_ready() && course.clock.now() < ready && !director.is_interrupted() {
            pause(LOOK_AGAIN);
        }
        if !course.all_are_ready() {
            course.end();
            return Err("not every subscriber could follow every channel at the start".to_owned());
        }
        let start = course.clock.now();
        let publishers: Vec<_> = (0..plan.publishers)
            .map(|index| scope.spawn(move || Publisher::new(course, index, histogram()).run()))
            .collect();
        let done = director.break_things(start, faults);
        let mended = director.mend_all();
        course.finish();
        let took = Duration::from_nanos(course.clock.now() - start);
        if done.is_ok() && mended.is_ok() {
            director.wait_until_settled(&|| publishers.iter().all(ScopedJoinHandle::is_finished));
        }
        course.end();
        let settled = Duration::from_nanos(course.clock.now() - start);
        let publishers: Vec<_> = publishers.into_iter().map(ScopedJoinHandle::join).collect();
        let subscribers: Vec<_> = subscribers.into_iter().map(ScopedJoinHandle::join).collect();
        done.and(mended)?;
        let (counts, verdict) = (director.counts, director.verdict);
        let gather = Gather { course, faults: counts, verdict, took, settled };
        let broke = |_| "a thread of the checker broke".to_owned();
        gather.outcome(
            publishers.into_iter().collect::<Result<_, _>>().map_err(broke)?,
            subscribers.into_iter().collect::<Result<_, _>>().map_err(broke)?,
        )
    })
}

struct Director<'a> {
    course: &'a Course,
    stage: &'a mut dyn Stage,
    interrupted: &'a AtomicBool,
    tell: &'a mut dyn FnMut(&str),
    /// What is to be mended, and when.
    broken: Vec<(Nanos, Fault)>,
    counts: BTreeMap<Kind, u64>,
    verdict: Verdict,
}

impl Director<'_> {
    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn break_things(
        &mut self,
        start: Nanos,
        faults: &mut dyn Iterator<Item = Fault>,
    ) -> Result<(), String> {
        let plan = &self.course.plan;
        let end = plan.duration.map_or(Nanos::MAX, |duration| start + nanos(duration));
        let mut next = if plan.has_faults { faults.next() } else { None };
        let mut told_at = start;
        loop {
            let now = self.course.clock.now();
            if now >= end || self.course.is_finishing() || self.is_interrupted() {
                return Ok(());
            }
            if now >= told_at + nanos(TELL_EVERY) {
                told_at = now;
                self.tell_progress(now - start);
            }
            self.mend(now)?;
            if let Some(fault) = next.filter(|fault| now >= start + fault.at * 1_000_000) {
                (self.tell)(&fault.to_string());
                self.stage.apply(&fault)?;
                *self.counts.entry(fault.kind).or_default() += 1;
                self.broken.push((now + fault.lasting * 1_000_000, fault));
                next = faults.next();
            }
            pause(LOOK_AGAIN);
        }
    }

    fn mend(&mut self, now: Nanos) -> Result<(), String> {
        let is_due = |it: &mut (Nanos, Fault)| it.0 <= now;
        let due: Vec<_> = self.broken.extract_if(.., is_due).collect();
        due.iter().try_for_each(|(_, fault)| self.stage.heal(fault))
    }

    fn mend_all(&mut self) -> Result<(), String> {
        self.mend(Nanos::MAX)
    }

    /// Returns when the publishers are done and everybody has seen everything, or nothing moves any more.
    fn wait_until_settled(&mut self, publishers_are_done: &dyn Fn() -> bool) {
        let (course, mut last) = (self.course, (0, 0));
        let mut moved_at = course.clock.now();
        let mut told_at = moved_at;
        loop {
            let now = course.clock.now();
            let state = (course.accepted(), course.seen());
            if state != last {
                (last, moved_at) = (state, now);
            }
            let is_done = publishers_are_done();
            if is_done && course.seen_by_all() >= course.accepted() {
                pause(course.plan.afterwards);
                return;
            }
            if self.is_interrupted() || now > moved_at + nanos(course.plan.standstill_max) {
                // Where gaps are allowed, not everything is seen.
                if !(is_done && course.plan.allows_gaps()) {
                    let what =
                        if is_done { "not everything was seen" } else { "not all was accepted" };
                    self.verdict.add(Difference::Unfinished, format!("{what} in the end"));
                }
                return;
            }
            if now >= told_at + nanos(TELL_EVERY) {
                told_at = now;
                (self.tell)(&format!(
                    "mended: {} accepted, {} seen by all",
                    course.accepted(),
                    course.seen_by_all()
                ));
            }
            pause(LOOK_AGAIN);
        }
    }

    fn tell_progress(&mut self, since: Nanos) {
        let (accepted, seen) = (self.course.accepted(), self.course.seen_by_all());
        let seconds = since / 1_000_000_000;
        (self.tell)(&format!("{seconds} s: {accepted} accepted, {seen} seen by all"));
    }
}

struct Gather<'a> {
    course: &'a Course,
    faults: BTreeMap<Kind, u64>,
    verdict: Verdict,
    took: Duration,
    settled: Duration,
}

impl Gather<'_> {
    fn outcome(
        self,
        publishers: Vec<Publisher<'_>>,
        subscribers: Vec<Subscriber<'_>>,
    ) -> Result<Outcome, String> {
        let plan = &self.course.plan;
        let mut accepted = Accepted::new(plan.channels, plan.publishers);
        let (mut published, mut followed) = (Tally::default(), Tally::default());
        let mut latency = histogram();
        for (index, mut publisher) in publishers.into_iter().enumerate() {
            for (channel, offsets) in publisher.accepted.drain(..).enumerate() {
                accepted.channels[channel][index] = offsets;
            }
            published.add(&publisher.tally);
            latency.add(&publisher.latency).map_err(|error| error.to_string())?;
        }
        let seen: Vec<Seen> = subscribers
            .into_iter()
            .map(|subscriber| {
                followed.add(&subscriber.tally);
                subscriber.seen
            })
            .collect();
        let mut verdict = judge(&accepted, &seen, plan.allows_gaps());
        verdict.differences.extend(self.verdict.differences);
        Ok(Outcome {
            verdict,
            accepted: accepted.count(),
            seen: self.course.seen(),
            faults: self.faults,
            publishers: published,
            subscribers: followed,
            latency,
            took: self.took,
            settled: self.settled,
        })
    }
}
