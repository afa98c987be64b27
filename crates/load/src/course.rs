//! The course of a run: which phase comes when, and what is read of the server in between.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::RecvTimeoutError,
    },
    time::Duration,
};

use crate::{
    clock::{Clock, Nanos, nanos},
    engine::{Engine, Notice, Phase, Told},
    plan::{Length, Plan, When},
    record::Record,
    report::{Progress, Sampler},
    scenario::Scenario,
    server_stats::{CpuTimes, Memory, Server},
};

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plan: Arc<Plan>,
    pub(crate) server: Server,
    /// The measured span.
    pub(crate) seconds: f64,
    /// What was counted in it.
    pub(crate) measured: Record,
    /// What was counted from the first packet to the last.
    pub(crate) all: Record,
    /// Connections when all that could be opened were.
    pub(crate) open: u64,
    pub(crate) server_cpu: Option<u64>,
    pub(crate) load_cpu: Option<u64>,
    pub(crate) memory_before: Option<Memory>,
    pub(crate) memory_after: Option<Memory>,
    pub(crate) memory_end: Option<Memory>,
    /// Somebody asked it to end early.
    pub(crate) interrupted: bool,
}

/// How long answers may stay out once nothing more is sent.
const DRAIN: Duration = Duration::from_secs(2);
/// How long servers may take to close.
const CLOSE: Duration = Duration::from_secs(2);
/// How often progress is shown.
const TICK: Nanos = 200_000_000;

/// How often it is looked whether somebody asked to end.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Processor time at one moment.
struct Moment {
    at: Nanos,
    server: Option<CpuTimes>,
    load: Option<CpuTimes>,
}

struct Course<'a> {
    plan: Arc<Plan>,
    engine: Engine,
    server: Server,
    progress: &'a mut dyn Progress,
    sampler: Sampler,
    interrupted: &'a AtomicBool,
    next_tick: Nanos,
    phase: Phase,
    /// What workers told, each once.
    heard: Vec<Told>,
}

/// Runs the plan to its end, or until `interrupted` is set.
pub(crate) fn run(
    plan: Plan,
    interrupted: &AtomicBool,
    progress: &mut dyn Progress,
) -> io::Result<Outcome> {
    let plan = Arc::new(plan);
    let server = match plan.server_pids.as_slice() {
        [] => Server::find(plan.groups[0].opening.target.address),
        pids => Server::Watched(pids.to_vec()),
    };
    let memory_before = server.memory();
    let clock = Clock::start();
    let engine = Engine::start(&plan, clock)?;
    let mut course = Course {
        plan,
        engine,
        server,
        progress,
        sampler: Sampler::default(),
        interrupted,
        next_tick: TICK,
        phase: Phase::Connect,
        heard: Vec::new(),
    };
    let mut outcome = course.steer();
    outcome.memory_before = memory_before;
    course.engine.join();
    course.progress.done();
    Ok(outcome)
}

impl Course<'_> {
    fn steer(&mut self) -> Outcome {
        let connecting = self.plan.groups.iter().any(|group| group.when == When::Before);
        let mut seconds = 0.0;
        let (mut server_cpu, mut load_cpu) = (None, None);
        let mut memory_after = None;
        if connecting {
            // The engine begins with this phase by itself.
            self.await_all(Notice::Dialed, None);
        }
        let mut open = self.engine.control.open();
        if open > 0 || !connecting {
            memory_after = self.server.memory();
            self.warm_up();
            let before = self.moment();
            self.enter(Phase::Measure);
            self.measure();
            let after = self.moment();
            open = open.max(self.engine.control.open());
            let late = matches!(self.plan.scenario, Scenario::Idle | Scenario::Connect);
            if late {
                memory_after = self.server.memory();
            }
            self.enter(Phase::Drain);
            seconds = Duration::from_nanos(after.at - before.at).as_secs_f64();
            let spent =
                |after: Option<CpuTimes>, before: Option<CpuTimes>| Some(after?.since(&before?));
            server_cpu = spent(after.server, before.server);
            load_cpu = spent(after.load, before.load);
            self.await_all(Notice::Quiet, Some(DRAIN));
        }
        let memory_end = self.server.memory();
        self.enter(Phase::Close);
        self.await_closed();
        Outcome {
            plan: self.plan.clone(),
            server: self.server.clone(),
            seconds,
            measured: self.engine.control.record(&[Phase::Measure]),
            all: self.engine.control.record(&Phase::ALL),
            open,
            server_cpu,
            load_cpu,
            memory_before: None,
            memory_after,
            memory_end,
            interrupted: self.is_interrupted(),
        }
    }

    fn warm_up(&mut self) {
        let Plan { span, .. } = *self.plan;
        if !span.warmup.is_zero() {
            self.enter(Phase::Warmup);
            self.wait_for(span.warmup);
        }
        if let Length::Messages(messages) = span.length {
            self.enter(Phase::Settle);
            self.await_all(Notice::Quiet, Some(DRAIN));
            self.engine.limit_messages(messages);
        }
    }

    fn measure(&mut self) {
        match self.plan.span.length {
            Length::Duration(duration) => self.wait_for(duration),
            Length::Messages(_) => self.await_all(Notice::Quiet, None),
            Length::Dialed { at_most, hold } => {
                self.await_all(Notice::Dialed, Some(at_most));
                self.wait_for(hold);
            }
        }
    }

    /// Tells the workers, and waits until each has handed over what it counted before.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.engine.enter(phase);
        // Also when somebody has asked to end: what was counted before is to be handed over.
        let end = self.engine.control.clock.now().saturating_add(nanos(DRAIN));
        while !self.all_told(Notice::Entered) && self.turn(end) {}
    }

    fn moment(&self) -> Moment {
        Moment {
            at: self.engine.control.clock.now(),
            server: self.server.cpu(),
            load: CpuTimes::of(&[std::process::id()]),
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether each worker has told this in the current phase.
    fn all_told(&self, notice: Notice) -> bool {
        let told = self.heard.iter().filter(|it| it.phase == self.phase && it.notice == notice);
        told.count() >= self.engine.workers()
    }

    /// Whether nobody is left.
    fn is_deserted(&self) -> bool {
        let deserted = self.heard.iter().filter(|it| it.notice == Notice::Deserted);
        deserted.count() >= self.engine.workers()
    }

    fn wait_for(&mut self, span: Duration) {
        let end = self.engine.control.clock.now().saturating_add(nanos(span));
        while !self.is_interrupted() && !self.is_deserted() && self.turn(end) {}
    }

    /// Waits until each worker has told this.
    fn await_all(&mut self, awaited: Notice, at_most: Option<Duration>) {
        let span = at_most.map_or(Nanos::MAX, nanos);
        let end = self.engine.control.clock.now().saturating_add(span);
        while !self.is_interrupted() && !self.all_told(awaited) {
            // Who dials is not over when nobody is open yet.
            if (awaited != Notice::Dialed && self.is_deserted()) || !self.turn(end) {
                return;
            }
        }
    }

    fn await_closed(&mut self) {
        let end = self.engine.control.clock.now().saturating_add(nanos(CLOSE));
        while self.engine.control.open() > 0 && self.turn(end) {}
        self.engine.finish();
    }

    /// Waits for one notice or the next tick; `false` once `end` has come.
    fn turn(&mut self, end: Nanos) -> bool {
        let now = self.engine.control.clock.now();
        if now >= end {
            return false;
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            let sample = self.sampler.sample(&self.engine.control, now);
            self.progress.tick(&sample);
        }
        // A signal does not wake us: it is looked for now and then.
        let wait = (end.min(self.next_tick) - now).min(nanos(LOOK_UP));
        match self.engine.notices().recv_timeout(Duration::from_nanos(wait)) {
            Ok(told) => {
                if !self.heard.contains(&told) {
                    self.heard.push(told);
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }
}
