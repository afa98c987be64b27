//! The event loops: each worker drives its share of the connections on one thread.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
};

use mio::Waker;
use parking_lot::Mutex;

use crate::{clock::Clock, plan::Plan, record::Record};

mod deliveries;
mod dialing;
mod fan;
mod gang;
mod link;
mod sending;
mod shaking;
mod slowness;
mod timer;
mod traffic;
mod worker;

use fan::Fan;
use worker::Worker;

/// What a run is doing. Workers are told each change, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Connections are opened.
    Connect,
    /// Messages are sent and not counted.
    Warmup,
    /// No more is sent until all is answered, so that what follows is an exact number.
    Settle,
    Measure,
    /// No more is sent; what is on its way may arrive.
    Drain,
    /// Connections are closed.
    Close,
    /// Whatever is still open is dropped.
    Finish,
}

/// What a worker tells the course of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It has seen the phase, and what it counted before is handed over.
    Entered,
    /// All that it has to dial in this phase is open or failed.
    Dialed,
    /// Nothing is in flight, and nothing more is to be sent.
    Quiet,
    /// None of its connections is left.
    Deserted,
}

/// A notice, of which worker, in which phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) worker: usize,
    pub(crate) phase: Phase,
    pub(crate) notice: Notice,
}

/// What workers and the course of the run share.
#[derive(Debug)]
pub(crate) struct Control {
    phase: AtomicU8,
    pub(crate) clock: Clock,
    /// How many messages may still be sent, if the run is to end after a number of them.
    quota: AtomicU64,
    has_quota: AtomicBool,
    fan: Fan,
    /// By worker.
    desks: Vec<Desk>,
}

/// Where a worker leaves what it counted.
#[derive(Debug, Default)]
struct Desk {
    /// By phase.
    records: Mutex<Vec<Record>>,
    /// Since somebody last looked.
    recent: Mutex<Record>,
    open: AtomicU64,
}

/// Workers that run.
pub(crate) struct Engine {
    pub(crate) control: Arc<Control>,
    notices: Receiver<Told>,
    wakers: Vec<Arc<Waker>>,
    threads: Vec<JoinHandle<()>>,
}

impl Phase {
    pub(crate) const ALL: [Self; 7] = [
        Self::Connect,
        Self::Warmup,
        Self::Settle,
        Self::Measure,
        Self::Drain,
        Self::Close,
        Self::Finish,
    ];

    /// Whether messages are sent.
    fn sends(self) -> bool {
        matches!(self, Self::Warmup | Self::Measure)
    }
}

impl Control {
    fn new(clock: Clock, plan: &Plan) -> Self {
        let desk = || Desk {
            records: Mutex::new(vec![Record::default(); Phase::ALL.len()]),
            ..Desk::default()
        };
        Self {
            phase: AtomicU8::new(Phase::Connect as u8),
            clock,
            quota: AtomicU64::new(0),
            has_quota: AtomicBool::new(false),
            fan: Fan::new(plan.publishers()),
            desks: std::iter::repeat_with(desk).take(plan.threads).collect(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Acquire)).min(Phase::ALL.len() - 1)]
    }

    /// Takes up to `wanted` messages off the quota.
    fn take_quota(&self, wanted: u64) -> u64 {
        if !self.has_quota.load(Ordering::Relaxed) {
            return wanted;
        }
        let left = self.quota.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(wanted))
        });
        left.unwrap_or(0).min(wanted)
    }

    fn quota_is_spent(&self) -> bool {
        self.has_quota.load(Ordering::Relaxed) && self.quota.load(Ordering::Relaxed) == 0
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> u64 {
        self.desks.iter().map(|desk| desk.open.load(Ordering::Relaxed)).sum()
    }

    /// All that was counted in these phases.
    pub(crate) fn record(&self, phases: &[Phase]) -> Record {
        let mut sum = Record::default();
        for desk in &self.desks {
            let records = desk.records.lock();
            phases.iter().for_each(|phase| sum.add(&records[*phase as usize]));
        }
        sum
    }

    /// What was counted since the last call.
    pub(crate) fn take_recent(&self) -> Record {
        let mut sum = Record::default();
        for desk in &self.desks {
            let mut recent = desk.recent.lock();
            sum.add(&recent);
            recent.clear();
        }
        sum
    }
}

impl Engine {
    pub(crate) fn start(plan: &Arc<Plan>, clock: Clock) -> io::Result<Self> {
        let control = Arc::new(Control::new(clock, plan));
        let (sender, notices) = mpsc::channel();
        let mut engine = Self { control, notices, wakers: Vec::new(), threads: Vec::new() };
        for index in 0..plan.threads {
            engine.spawn(index, plan, &sender)?;
        }
        Ok(engine)
    }

    fn spawn(&mut self, index: usize, plan: &Arc<Plan>, notices: &Sender<Told>) -> io::Result<()> {
        let worker = Worker::new(index, plan.clone(), self.control.clone(), notices.clone())?;
        let waker = worker.waker();
        if index == 0 {
            self.control.fan.set_waker(waker.clone());
        }
        self.wakers.push(waker);
        let name = format!("load-{index}");
        self.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
        Ok(())
    }

    /// Tells all workers what comes now.
    pub(crate) fn enter(&self, phase: Phase) {
        self.control.phase.store(phase as u8, Ordering::Release);
        for waker in &self.wakers {
            // A worker that cannot be woken looks up by itself a little later.
            let _ = waker.wake();
        }
    }

    /// From now on, only so many messages are sent.
    pub(crate) fn limit_messages(&self, messages: u64) {
        self.control.quota.store(messages, Ordering::Relaxed);
        self.control.has_quota.store(true, Ordering::Relaxed);
    }

    pub(crate) fn notices(&self) -> &Receiver<Told> {
        &self.notices
    }

    pub(crate) fn workers(&self) -> usize {
        self.threads.len()
    }

    /// Whatever is not closed by now is dropped.
    pub(crate) fn finish(&self) {
        self.enter(Phase::Finish);
    }

    /// Waits for the workers, which end once they are told to.
    pub(crate) fn join(self) {
        for thread in self.threads {
            // A worker that panicked has said so on the standard error.
            let _ = thread.join();
        }
    }
}
