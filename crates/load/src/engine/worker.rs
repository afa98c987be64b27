//! One event loop: it waits, works off what is ready, dials, sends what is due.

use std::{
    collections::VecDeque, io, sync::Arc, sync::atomic::Ordering, sync::mpsc::Sender,
    time::Duration,
};

use mio::{Events, Poll, Token, Waker, event::Event};
use ws_compression::{CompressionConfig, CompressionManager};
use ws_connection::{ConnectionConfig, Workspace};
use ws_frame_validator::SizeLimits;

use super::{
    Control, Notice, Phase, Told,
    dialing::Dialer,
    gang::Gang,
    link::{Link, Stage},
    timer::Timer,
};
use crate::{
    clock::{Nanos, nanos},
    plan::{Plan, Reading, Role, When},
    record::Record,
};

const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// How many sockets one wait reports at most. Few, so that those who wait behind a storm of handshakes
/// are not late by our own doing; more would save little.
const EVENTS_MAX: usize = 64;
/// After so many sockets it is looked whether an open loop has something to send.
const EVENTS_BETWEEN: usize = 8;
/// How often counts are handed over; a phase hands them over at once.
const HAND_OVER: Nanos = 100_000_000;
/// A message that a server may send.
const MESSAGE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A thread's share of the connections.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) plan: Arc<Plan>,
    pub(super) control: Arc<Control>,
    notices: Sender<Told>,
    pub(super) poll: Poll,
    waker: Arc<Waker>,
    timer: Timer,
    pub(super) links: Vec<Link>,
    /// By group.
    pub(super) gangs: Vec<Gang>,
    pub(super) dialer: Dialer,
    pub(super) protocol: Arc<ConnectionConfig>,
    pub(super) compression: CompressionManager,
    pub(super) workspace: Workspace,
    /// What is about to be written.
    pub(super) out: Vec<u8>,
    /// A message before it is framed.
    pub(super) message: Vec<u8>,
    pub(super) record: Record,
    pub(super) phase: Phase,
    /// Messages that wait for their answer.
    pub(super) in_flight: usize,
    /// Links whose open loop has something to write.
    pub(super) due: Vec<usize>,
    open: u64,
    told_quiet: bool,
    told_deserted: bool,
    handed_over: Nanos,
    /// What came of the current round of publishers, and when it last moved.
    pub(super) round: (u64, Nanos),
    /// Links that have said goodbye, and until when they are waited for.
    pub(super) closing: VecDeque<(Nanos, usize)>,
    /// Links that read slowly.
    pub(super) slow: Vec<usize>,
    pub(super) read_slowly: Nanos,
}

impl Worker {
    pub(super) fn new(
        index: usize,
        plan: Arc<Plan>,
        control: Arc<Control>,
        notices: Sender<Told>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let timer = Timer::new(poll.registry(), TIMER)?;
        let sizes = SizeLimits::with_max(MESSAGE_BYTES_MAX).unwrap_or_default();
        // A mask protects proxies from pages that a browser was lured to; a load tool needs no
        // unpredictable one.
        let protocol = ConnectionConfig::client(|| fastrand::u32(..).to_ne_bytes())
            .with_sizes(sizes)
            .with_fragments_max(u32::MAX)
            .with_heartbeat(None);
        let compression = CompressionConfig::default().with_threshold_bytes(0);
        let mut worker = Self {
            index,
            control,
            notices,
            poll,
            waker,
            timer,
            links: Vec::new(),
            gangs: Vec::new(),
            dialer: Dialer::new(&plan, index),
            protocol: Arc::new(protocol),
            compression: CompressionManager::new(compression),
            workspace: Workspace::new(),
            out: Vec::new(),
            message: Vec::new(),
            record: Record::default(),
            phase: Phase::Connect,
            in_flight: 0,
            due: Vec::new(),
            open: 0,
            told_quiet: false,
            told_deserted: false,
            handed_over: 0,
            round: (0, 0),
            closing: VecDeque::new(),
            slow: Vec::new(),
            read_slowly: 0,
            plan,
        };
        worker.take_share();
        Ok(worker)
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Connections go to the workers in turn, publishers to the first.
    fn take_share(&mut self) {
        let plan = self.plan.clone();
        for (group_index, group) in plan.groups.iter().enumerate() {
            let publishes = matches!(group.role, Role::Publish { .. });
            let is_ours = |number: &usize| match publishes {
                true => self.index == 0,
                false => number % plan.threads == self.index,
            };
            let numbers: Vec<usize> =
                (group.first..group.first + group.count).filter(is_ours).collect();
            self.gangs.push(Gang::new(group, numbers.len()));
            for number in numbers {
                let index = self.links.len();
                if group.when == When::Before {
                    self.dialer.queue(index);
                }
                if group.reading != Reading::Full {
                    self.slow.push(index);
                }
                self.links.push(Link { group: group_index, number, ..Link::default() });
            }
        }
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.handed_over = self.control.clock.now();
        self.enter(self.phase);
        loop {
            let now = self.control.clock.now();
            let wait = self.wait(now);
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                // A signal came; the course of the run knows of it.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.record.note_error(&format!("the event loop failed: {error}"));
                    break;
                }
            }
            let phase = self.control.phase();
            if phase != self.phase {
                self.enter(phase);
            }
            for (count, event) in events.iter().enumerate() {
                if event.token() != WAKER && event.token() != TIMER {
                    self.ready(event);
                }
                if count % EVENTS_BETWEEN == EVENTS_BETWEEN - 1 {
                    self.send_due();
                }
            }
            self.dial();
            self.send_due();
            self.read_slow_ones();
            self.give_up_closing();
            self.tell();
            if self.phase == Phase::Finish {
                break;
            }
        }
        self.hand_over();
    }

    /// How long nothing will have to be done unless a socket is ready.
    fn wait(&mut self, now: Nanos) -> Duration {
        let paced = self.gangs.iter().filter_map(|gang| gang.next_due(self.phase));
        let due = paced.chain(self.dialer.next_due()).min();
        if due.is_some_and(|due| due <= now) || self.dialer.could_dial() {
            return Duration::ZERO;
        }
        // Without its timer the loop would still look up by the coarse one below.
        let _ = self.timer.arm(due, now);
        let hand_over = (self.handed_over + HAND_OVER).saturating_sub(now);
        let coarse = self
            .dialer
            .next_deadline()
            .map_or(hand_over, |deadline| deadline.saturating_sub(now).min(hand_over));
        Duration::from_nanos(coarse)
    }

    fn ready(&mut self, event: &Event) {
        let index = event.token().0;
        let Some(link) = self.links.get_mut(index) else { return };
        match &link.stage {
            Stage::Waiting | Stage::Gone => {}
            Stage::Shaking(_) => self.shake(index),
            Stage::Open(_) => {
                if event.is_writable() && !link.unsent.is_empty() {
                    self.flush(index);
                }
                let ends = event.is_read_closed() || event.is_error();
                if ends || (event.is_readable() && !self.is_slow(index)) {
                    self.read(index, ends);
                }
            }
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.hand_over();
        self.phase = phase;
        self.told_quiet = false;
        let now = self.control.clock.now();
        if phase == Phase::Measure {
            let measured = |link: &Link| self.plan.groups[link.group].when == When::Measured;
            let late: Vec<usize> =
                (0..self.links.len()).filter(|index| measured(&self.links[*index])).collect();
            late.into_iter().for_each(|index| self.dialer.queue(index));
        }
        if matches!(phase, Phase::Connect | Phase::Measure) {
            self.dialer.start(now);
        }
        if phase.sends() {
            self.start_sending(now);
        }
        match phase {
            Phase::Measure => self.drop_those_that_return(now),
            Phase::Drain => self.read_out_slow_ones(),
            Phase::Close => {
                self.count_missing();
                self.close_all(now);
            }
            _ => {}
        }
        self.notice(Notice::Entered);
    }

    /// Tells the course of the run what it may be waiting for.
    fn tell(&mut self) {
        if self.dialer.is_done_first_time() {
            self.hand_over();
            self.notice(Notice::Dialed);
        }
        let spent = !self.phase.sends() || self.control.quota_is_spent();
        if !self.told_quiet && spent && self.in_flight == 0 && self.nothing_is_coming() {
            self.told_quiet = true;
            self.notice(Notice::Quiet);
        }
        let deserted = self.phase.sends() && self.open == 0 && self.dialer.is_idle();
        if deserted && !self.told_deserted {
            self.told_deserted = true;
            self.notice(Notice::Deserted);
        }
        if self.control.clock.now().saturating_sub(self.handed_over) >= HAND_OVER {
            self.hand_over();
        }
    }

    /// A publish is on its way until its last receiver has it, and slow ones read what is left.
    fn nothing_is_coming(&mut self) -> bool {
        (self.control.fan.is_settled() || self.fan_is_stuck()) && self.slow_ones_are_done()
    }

    pub(super) fn notice(&self, notice: Notice) {
        // Nobody listens any more: the run is over.
        let _ = self.notices.send(Told { worker: self.index, phase: self.phase, notice });
    }

    /// Hands over what was counted since the last time.
    fn hand_over(&mut self) {
        let desk = &self.control.desks[self.index];
        desk.records.lock()[self.phase as usize].add(&self.record);
        desk.recent.lock().add(&self.record);
        self.record.clear();
        self.handed_over = self.control.clock.now();
    }

    pub(super) fn count_open(&mut self, came: bool) {
        self.open = if came { self.open + 1 } else { self.open.saturating_sub(1) };
        self.control.desks[self.index].open.store(self.open, Ordering::Relaxed);
    }

    pub(super) fn deadline(&self, span: Duration) -> Nanos {
        self.control.clock.now() + nanos(span)
    }
}
