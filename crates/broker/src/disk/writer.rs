//! The one thread that writes: it takes everything that waits, writes it as one frame, waits for the disk once,
//! and answers.

use std::{
    collections::VecDeque,
    fs::File,
    io, mem,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    KIND,
    clean::{Cleaning, Now, Step},
    exchange::{Command, Counts, Exchange, unavailable},
    format::Frame,
    plan::Plan,
    recover::{Tail, apply_body},
    state::{Bounds, Totals},
};
use crate::{EngineError, Status};

mod answers;
mod housekeeping;

/// Owns the files.
pub(super) struct Writer {
    pub(super) shared: Arc<Exchange>,
    pub(super) folder: PathBuf,
    pub(super) tail: Tail,
    /// The segments and their sizes, the oldest first; the last is that of the tail.
    pub(super) sizes: VecDeque<(u32, u64)>,
    pub(super) frame: Frame,
    /// The first frame of a segment begins with the counters.
    pub(super) is_fresh: bool,
    pub(super) cleaning: Option<Cleaning>,
    pub(super) trouble: Option<Trouble>,
    pub(super) next_tick: Instant,
    /// Where the walk over all logs goes on.
    pub(super) next_log: u32,
    /// The folder is ours until this is dropped.
    pub(super) _lock: File,
}

/// Something could not be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    retry_at: Instant,
    wait: Duration,
}

/// Why a commit failed.
pub(super) struct Failure {
    reason: String,
    /// Perhaps it is on the disk nevertheless.
    is_unknown: bool,
}

impl Writer {
    const TICK: Duration = Duration::from_secs(1);
    /// A frame takes about so much, if there is so much.
    const FRAME_BYTES: usize = 4 << 20;
    const FRAME_COMMANDS: usize = 8192;

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        while let Some(commands) = self.shared.commands.take(self.pause()) {
            self.turn(commands);
        }
    }

    fn pause(&self) -> Duration {
        if self.trouble.is_none() && self.is_cleaning_due() {
            return Duration::ZERO;
        }
        self.next_tick.saturating_duration_since(now())
    }

    fn turn(&mut self, mut commands: VecDeque<Command>) {
        if now() >= self.next_tick {
            self.next_tick = now() + Self::TICK;
            self.tick();
        }
        loop {
            self.make_room();
            let group = next_group(&mut commands);
            let is_idle = group.is_empty();
            self.serve(group);
            if is_idle || commands.is_empty() {
                return;
            }
        }
    }

    /// One group commit.
    fn serve(&mut self, group: Vec<Command>) {
        if self.trouble.is_some() {
            let reason = match &*self.shared.status.read() {
                Status::Down(reason) => Arc::clone(reason),
                _ => "the disk takes nothing".into(),
            };
            answers::refuse(&self.shared, group, &unavailable(&reason));
            return;
        }
        if let Err(failure) = self.roll_if_full() {
            let error = self.handle_failure(&failure);
            answers::refuse(&self.shared, group, &error);
            return;
        }
        let step = self.begin();
        let shared = Arc::clone(&self.shared);
        let outcomes = {
            let state = shared.state.read();
            let now_ms = shared.clock.now_ms();
            let mut plan = Plan::new(&shared, &state, &mut self.frame, now_ms);
            for command in group {
                plan.add(command);
            }
            plan.outcomes
        };
        match self.commit(step) {
            Ok(()) => answers::deliver(&shared, outcomes),
            Err(failure) => {
                let error = self.handle_failure(&failure);
                answers::fail(&shared, outcomes, &error);
            }
        }
    }

    /// Begins a frame: with the counters, and with what is carried if a segment is to be given back.
    fn begin(&mut self) -> Option<Step> {
        self.frame.clear();
        let shared = Arc::clone(&self.shared);
        let state = shared.state.read();
        if self.is_fresh {
            self.frame.push(&state.counters());
        }
        let due = self.due_cleaning(&state.totals)?;
        let cleaning = match &mut self.cleaning {
            Some(cleaning) => cleaning,
            None => {
                let (number, bytes) = *self.sizes.front()?;
                let segment = Arc::clone(state.segments.get(&number)?);
                self.cleaning.insert(Cleaning::new(segment, bytes))
            }
        };
        let now_ms = shared.clock.now_ms();
        let now = Now { state: &state, now_ms, is_dropping: due.is_dropping };
        // What cannot be read stays where it is.
        cleaning.step(now, &mut self.frame).ok()
    }

    /// Writes the frame, if there is anything in it, and does to the state what it says.
    fn commit(&mut self, step: Option<Step>) -> Result<(), Failure> {
        if !self.frame.is_empty() {
            self.write()?;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.write();
        let bounds = Bounds { log_bytes_max: shared.config.log_bytes_max };
        if !self.frame.is_empty() {
            let segment = self.tail.segment.number;
            apply_body(&mut state, self.frame.body(), segment, self.tail.end, bounds);
            self.tail.end += self.frame.sealed_bytes();
            self.tail.sequence += 1;
            self.is_fresh = false;
            if let Some((_, bytes)) = self.sizes.back_mut() {
                *bytes = self.tail.end;
            }
            Counts::add(&shared.counts.commits, 1);
        }
        let Some(step) = step else {
            drop(state);
            self.count_bytes();
            return Ok(());
        };
        for (id, offset) in &step.dropped {
            state.change(*id, |log| log.drop_through(*offset));
        }
        drop(state);
        Counts::add(&shared.counts.carried, step.carried);
        if step.is_last {
            self.give_back();
        }
        self.count_bytes();
        Ok(())
    }

    fn write(&mut self) -> Result<(), Failure> {
        let bytes = self.frame.seal(self.tail.sequence);
        if let Err(error) = self.tail.segment.write(bytes, self.tail.end) {
            // What is there of it is no frame. If it cannot be cut off, the next segment says where this one ends.
            let _ = self.tail.segment.cut(self.tail.end);
            return Err(Failure::of(&error));
        }
        if self.shared.config.is_synced
            && let Err(error) = self.tail.segment.sync()
        {
            let _ = self.tail.segment.cut(self.tail.end);
            return Err(Failure { is_unknown: true, ..Failure::of(&error) });
        }
        Ok(())
    }

    fn count_bytes(&self) {
        let bytes = self.sizes.iter().map(|(_, bytes)| bytes).sum();
        self.shared.counts.bytes.store(bytes, Ordering::Relaxed);
    }

    /// From now on nothing is taken until something could be written again.
    fn handle_failure(&mut self, failure: &Failure) -> EngineError {
        const FIRST_WAIT: Duration = Duration::from_secs(1);
        self.trouble = Some(Trouble { retry_at: now() + FIRST_WAIT, wait: FIRST_WAIT });
        // What it looked through so far was perhaps not written.
        self.cleaning = None;
        self.shared.set_status(&Status::Down(failure.reason.as_str().into()));
        if failure.is_unknown {
            EngineError::Unknown { kind: KIND }
        } else {
            unavailable(&failure.reason)
        }
    }

    fn is_cleaning_due(&self) -> bool {
        let totals = self.shared.state.read().totals;
        self.due_cleaning(&totals).is_some()
    }

    fn bytes(&self) -> u64 {
        self.shared.counts.bytes.load(Ordering::Relaxed)
    }

    /// Whether the oldest segment is to go.
    fn due_cleaning(&self, totals: &Totals) -> Option<Due> {
        if self.sizes.len() < 2 {
            return None;
        }
        let (config, bytes) = (&self.shared.config, self.bytes());
        let garbage = bytes.saturating_sub(totals.live_bytes);
        let is_too_much = bytes > config.bytes_wanted() || totals.entries > config.entries_max;
        if is_too_much && (totals.droppable_bytes > 0 || garbage > 2 * config.segment_bytes) {
            return Some(Due { is_dropping: true });
        }
        // At most half is garbage, beside two segments: so nothing is carried more than once for
        // each time that as much was appended.
        let is_wasteful = garbage > totals.live_bytes + 2 * config.segment_bytes;
        (is_wasteful || self.cleaning.is_some()).then_some(Due { is_dropping: false })
    }
}

impl Drop for Writer {
    /// The end, or a mistake of ours: nobody waits for a thread that is gone.
    fn drop(&mut self) {
        self.shared.commands.close();
        self.shared.commands.take(Duration::ZERO);
        if thread::panicking() {
            self.shared.set_status(&Status::Down("its writer has ended".into()));
        }
    }
}

/// The oldest segment is to go.
struct Due {
    /// And with it what would be kept if there were room.
    is_dropping: bool,
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        Self { reason: error.to_string(), is_unknown: false }
    }
}

/// As much of what waits as goes into one frame.
fn next_group(commands: &mut VecDeque<Command>) -> Vec<Command> {
    let (mut bytes, mut count) = (0, 0);
    for command in commands.iter().take(Writer::FRAME_COMMANDS) {
        bytes += answers::bytes(command);
        if count > 0 && bytes > Writer::FRAME_BYTES {
            break;
        }
        count += 1;
    }
    if count == commands.len() {
        mem::take(commands).into()
    } else {
        commands.drain(..count).collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of our own keeps its times, and no runtime"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
