//! The engine of one machine: logs and records in a folder of their own, as safe as its disk.
//!
//! One thread writes. It takes everything that was asked meanwhile, writes it as one frame to the end of a
//! file, has the disk write it, and answers: however many wait, they wait for the disk once. Where entries
//! stand is kept in memory (32 bytes for each), and so are the records, and what is not on the disk yet
//! is seen by nobody. Reading is done by threads of its own and never waits for writing.
//!
//! ```text
//! callers ── commands ──> writer ── frame ──> 0000000007.seg, fdatasync
//!                           │ then: state, followers, answers
//! callers ── pages ─────> readers <── 0000000003.seg … by the places in the state
//! ```
//!
//! Files are given back from the oldest on: what is still needed of one is written again at the end. How it
//! is written is told in `format.rs`, how it is read again in `recover.rs`.

use std::{
    collections::VecDeque,
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Mutex, RwLock};

pub use self::{
    config::DiskConfig,
    error::{Damage, OpenError, Recovery},
};
use self::{
    exchange::Exchange,
    format::{FRAME_HEADER, Frame, SEGMENT_HEADER, SegmentHeader},
    queue::Queue,
    recover::{Opened, Tail},
    segment::Segment,
    state::Bounds,
    writer::Writer,
};
use crate::Status;

mod clean;
mod clock;
mod config;
mod engine;
mod error;
mod exchange;
mod format;
mod log;
mod plan;
mod queue;
mod read;
mod recover;
mod segment;
mod state;
mod writer;

const KIND: &str = "disk";

/// Logs and records in a folder. When it is dropped, what was asked is still written.
pub struct Disk {
    shared: Arc<Exchange>,
    recovery: Recovery,
    threads: Vec<thread::JoinHandle<()>>,
    /// Nobody else is there to be told of topics.
    topics: Mutex<std::collections::HashSet<Box<str>>>,
}

/// What is kept, and what was done since the folder was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// The size of the files.
    pub bytes: u64,
    /// The part of it that is still needed.
    pub live_bytes: u64,
    /// Entries of all logs.
    pub entries: u64,
    /// Logs, with entries and without.
    pub logs: u64,
    /// Records.
    pub records: u64,
    /// Names of events that are remembered.
    pub events: u64,
    /// Entries that were appended.
    pub appends: u64,
    /// Group commits: as often the disk was waited for.
    pub commits: u64,
    /// Entries that were written again so that a file could be given back.
    pub carried: u64,
    /// Entries that were not as they were written when they were read, and were left out.
    pub damaged: u64,
}

impl Disk {
    /// Opens a folder, or makes it, and reads what is in it: that takes as long as reading its files does.
    ///
    /// # Errors
    ///
    /// Another process has it, a later version wrote it, or it is damaged; see [`OpenError`].
    pub fn open(path: impl AsRef<Path>, config: DiskConfig) -> Result<Self, OpenError> {
        let config = config.within_bounds();
        let folder = path.as_ref().to_owned();
        let clock = clock::Clock::default();
        let now_ms = clock.now_ms();
        let opened = recover::open(&folder, &config, now_ms)?;
        let Opened { mut state, recovery, tail, sizes, lock } = opened;
        let mut sizes: VecDeque<_> = sizes.into();
        let at = |error| OpenError::Io { path: folder.clone(), error };
        let is_renewed = tail.is_none() || recovery.is_new_epoch;
        let tail = if is_renewed {
            let epoch = epoch(now_ms);
            begin(&folder, &config, tail.as_ref(), &mut state, epoch).map_err(at)?
        } else {
            match tail {
                Some(tail) => tail,
                None => return Err(at(std::io::Error::other("no segment"))),
            }
        };
        if is_renewed {
            sizes.push_back((tail.segment.number, tail.end));
        }
        let bytes = sizes.iter().map(|(_, bytes)| bytes).sum();
        let shared = Arc::new(Exchange {
            state: RwLock::new(state),
            commands: Queue::new(config.waiting_bytes_max),
            reads: Queue::new(config.waiting_bytes_max),
            config,
            clock,
            listener: OnceLock::new(),
            followed: Mutex::default(),
            status: RwLock::new(Status::Up),
            counts: exchange::Counts {
                bytes: AtomicU64::new(bytes),
                ..exchange::Counts::default()
            },
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            folder: folder.clone(),
            is_fresh: tail.end == SEGMENT_HEADER as u64,
            tail,
            sizes,
            frame: Frame::new(),
            cleaning: None,
            trouble: None,
            next_tick: writer::now(),
            next_log: 0,
            _lock: lock,
        };
        let mut threads = read::start(&shared).map_err(at)?;
        let name = "ws-disk-write".to_owned();
        let writing = thread::Builder::new().name(name).spawn(move || writer.run());
        threads.push(writing.map_err(at)?);
        Ok(Self { shared, recovery, threads, topics: Mutex::default() })
    }

    /// What was found when the folder was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// How large it is now.
    pub fn usage(&self) -> DiskUsage {
        let state = self.shared.state.read();
        let counts = &self.shared.counts;
        DiskUsage {
            bytes: counts.bytes.load(Ordering::Relaxed),
            live_bytes: state.totals.live_bytes,
            entries: state.totals.entries,
            logs: state.logs.len() as u64,
            records: state.records.len() as u64,
            events: state.totals.events,
            appends: counts.appends.load(Ordering::Relaxed),
            commits: counts.commits.load(Ordering::Relaxed),
            carried: counts.carried.load(Ordering::Relaxed),
            damaged: self.shared.damaged(),
        }
    }

    /// Moves the engine's clock, so that tests need not wait for what expires.
    pub fn advance(&self, time: Duration) {
        self.shared.clock.advance(time);
    }
}

/// The first segment, or the first after damage: with everything that is known, under another epoch.
fn begin(
    folder: &Path,
    config: &DiskConfig,
    tail: Option<&Tail>,
    state: &mut state::State,
    epoch: u64,
) -> std::io::Result<Tail> {
    let header = match tail {
        None => SegmentHeader { number: 1, sequence: 1, previous_end: 0, repaired_before: 0 },
        Some(tail) => SegmentHeader {
            number: tail.segment.number + 1,
            sequence: tail.sequence,
            previous_end: tail.end,
            repaired_before: tail.segment.number + 1,
        },
    };
    let mut frames = vec![Frame::new()];
    for item in recover::redeclarations(state, epoch) {
        if let Some(frame) = frames.last_mut() {
            frame.push(&item);
            if frame.body().len() > (4 << 20) {
                frames.push(Frame::new());
            }
        }
    }
    let segment = Arc::new(Segment::create(folder, &header, config.is_synced)?);
    let mut tail = Tail {
        segment: Arc::clone(&segment),
        end: SEGMENT_HEADER as u64,
        sequence: header.sequence,
        repaired_before: header.repaired_before,
    };
    let bounds = Bounds { log_bytes_max: config.log_bytes_max };
    for mut frame in frames.into_iter().filter(|frame| !frame.is_empty()) {
        segment.write(frame.seal(tail.sequence), tail.end)?;
        recover::apply_body(state, frame.body(), segment.number, tail.end, bounds);
        tail.end += (FRAME_HEADER + frame.body().len()) as u64;
        tail.sequence += 1;
    }
    segment.sync()?;
    state.segments.insert(segment.number, segment);
    Ok(tail)
}

/// An epoch that was never there before: the time, and chance. Less than 2^53.
fn epoch(now_ms: u64) -> u64 {
    let chance = RandomState::new().build_hasher().finish();
    ((now_ms << 11) | (chance & 0x7FF)) & ((1 << 53) - 1)
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.commands.close();
        // The writer may still hand on what is to be read.
        if let Some(writer) = self.threads.pop() {
            let _ = writer.join();
        }
        self.shared.reads.close();
        for reader in self.threads.drain(..) {
            let _ = reader.join();
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("usage", &self.usage()).finish_non_exhaustive()
    }
}
