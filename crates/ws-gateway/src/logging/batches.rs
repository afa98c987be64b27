//! Lines on their way to standard error: many to a write, and never more than a bound of them.
//!
//! A write costs more than the line that it writes. So whoever logs leaves its line in a queue, and
//! a thread writes what it finds there. The thread is parked while nobody logs; the first line wakes
//! it and is written at once, and what comes meanwhile waits for up to [`INTERVAL`]. Waking a thread
//! costs as much as a write: in a burst only the first line does so, each that is urgent, and the one
//! that completes what is written at once.
//!
//! When standard error takes nothing, as the pipe to a reader that hangs, nobody waits for it: lines
//! are dropped once [`HELD_BYTES_MAX`] of them are held, and how many is said after those.

use std::{
    io::{self, ErrorKind, Write},
    sync::Arc,
    thread::{self, Thread},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::json;

/// How long a line that is not urgent may wait for others.
const INTERVAL: Duration = Duration::from_millis(10);
/// What is held for a reader that is slow: some 3,500 lines.
pub(super) const HELD_BYTES_MAX: usize = 1 << 20;
/// What is held of warnings and errors beyond that.
pub(super) const URGENT_BYTES_MAX: usize = 64 << 10;
/// What a pipe takes at once. More would not be cheaper, and would hide that a slow reader reads.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// How much memory a queue keeps that was longer once.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// How long the end of the process waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are left.
#[derive(Clone, Debug)]
pub(super) struct Batches {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    has_written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    /// What the thread has taken and not yet written.
    in_flight: usize,
    /// How much was written since the start.
    written: u64,
    /// Lines that found no room, and of which nothing has been said yet.
    dropped: u64,
    /// Whether the thread will look here again without being woken.
    is_awake: bool,
}

impl Batches {
    /// Starts the thread, which lives as long as the process.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let of_thread = shared.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        let thread = thread.spawn(move || of_thread.write_all(output))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// Leaves a line. It waits for nothing but others who do so.
    fn append(&self, line: &[u8], is_urgent: bool) {
        let mut queue = self.shared.queue.lock();
        if !queue.has_room(line.len(), is_urgent) {
            queue.dropped += 1;
            return;
        }
        let before = queue.lines.len();
        queue.lines.extend_from_slice(line);
        let is_full = before < WRITE_BYTES_MAX && queue.lines.len() >= WRITE_BYTES_MAX;
        let wakes = is_urgent || is_full || !queue.is_awake;
        queue.is_awake = true;
        drop(queue);
        if wakes {
            self.thread.unpark();
        }
    }

    /// Waits until all is written that was left before, or until nothing moves.
    pub(super) fn flush(&self) {
        let mut queue = self.shared.queue.lock();
        let end = queue.written + queue.held() as u64;
        while queue.written < end || queue.dropped > 0 {
            let before = queue.written;
            self.thread.unpark();
            let waited = self.shared.has_written.wait_for(&mut queue, PATIENCE);
            if waited.timed_out() && queue.written == before {
                return;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.shared.queue.lock().held()
    }
}

impl Queue {
    fn held(&self) -> usize {
        self.lines.len() + self.in_flight
    }

    /// Room is for each line that comes alone, however long it is.
    fn has_room(&self, bytes: usize, is_urgent: bool) -> bool {
        let max = HELD_BYTES_MAX + if is_urgent { URGENT_BYTES_MAX } else { 0 };
        self.held() == 0 || self.held() + bytes <= max
    }
}

impl Shared {
    /// What the thread does.
    fn write_all(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        loop {
            if !self.take(&mut batch) {
                thread::park();
                continue;
            }
            let mut rest = &batch[..];
            while !rest.is_empty() {
                let (part, others) = rest.split_at(end_of_part(rest));
                write_part(&mut output, part);
                self.count(part.len());
                rest = others;
            }
            batch.clear();
            batch.shrink_to(KEPT_BYTES_MAX);
            thread::park_timeout(INTERVAL);
        }
    }

    /// Swaps an empty batch for the lines that are there; false if there are none.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        debug_assert!(batch.is_empty(), "a batch that was not written");
        let mut queue = self.queue.lock();
        if queue.dropped > 0 {
            // They would stand here, behind those that found room.
            let line = json::dropped_lines(queue.dropped);
            queue.lines.extend_from_slice(line.as_bytes());
            queue.dropped = 0;
        }
        if queue.lines.is_empty() {
            queue.is_awake = false;
            return false;
        }
        std::mem::swap(&mut queue.lines, batch);
        queue.in_flight = batch.len();
        true
    }

    fn count(&self, bytes: usize) {
        let mut queue = self.queue.lock();
        queue.in_flight -= bytes;
        queue.written += bytes as u64;
        drop(queue);
        self.has_written.notify_all();
    }
}

/// As many whole lines as are written at once, or one that is longer.
fn end_of_part(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let (first, others) = lines.split_at(lines.len().min(WRITE_BYTES_MAX));
    let end = first.iter().rposition(is_end);
    let end = end.or_else(|| Some(first.len() + others.iter().position(is_end)?));
    end.map_or(lines.len(), |end| end + 1)
}

/// Writes all of it, unless the output is gone: then nobody is left to be told.
fn write_part(output: &mut impl Write, mut part: &[u8]) {
    while !part.is_empty() {
        match output.write(part) {
            Ok(0) => return,
            Ok(written) => part = &part[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares a pipe with us may have made it one that does not block.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(INTERVAL),
            Err(_) => return,
        }
    }
}

/// A line that is being left.
pub(super) struct Line<'a> {
    batches: &'a Batches,
    is_urgent: bool,
}

impl<'a> MakeWriter<'a> for Batches {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { batches: self, is_urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { batches: self, is_urgent: *metadata.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    /// Takes a whole line at once, as the subscriber writes them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.batches.append(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
