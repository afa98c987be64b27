//! Reading pages of a log, in threads that may wait for the disk.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    thread,
};

use bytes::Bytes;

use super::{
    exchange::{Counts, Exchange, unavailable},
    format::{Kept, entry_payload},
    log::Slot,
    segment::Segment,
};
use crate::{EngineError, Entry, Page, Position, ReadLimits};

/// What a reader does.
pub(super) type ReadJob = Box<dyn FnOnce(&Exchange) + Send>;

/// A page that was asked for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) log: Arc<str>,
    pub(super) kept: Kept,
    pub(super) after: u64,
    pub(super) limits: ReadLimits,
}

/// A page before its payloads are read.
struct Outline {
    log: u32,
    head: Position,
    is_complete: bool,
    places: Vec<(Slot, Arc<Segment>)>,
}

/// Ends when the queue is closed.
pub(super) fn run(shared: &Exchange) {
    while let Some(job) = shared.reads.take_one() {
        job(shared);
    }
}

/// The threads that read.
pub(super) fn start(shared: &Arc<Exchange>) -> io::Result<Vec<thread::JoinHandle<()>>> {
    /// One more than one, so that a long read of cold pages does not hold up all others.
    const READERS: usize = 2;
    let reader = |number| {
        let shared = Arc::clone(shared);
        thread::Builder::new().name(format!("ws-disk-read-{number}")).spawn(move || run(&shared))
    };
    (0..READERS).map(reader).collect()
}

/// Where the log is; the answer if there is nothing to be read from the disk.
pub(super) fn page_without_reading(shared: &Exchange, request: &Request) -> Option<Page> {
    let outline = outline(shared, request, 1);
    let is_bare = outline.places.is_empty();
    is_bare.then(|| Page {
        head: outline.head,
        is_complete: outline.is_complete,
        entries: Vec::new(),
    })
}

pub(super) fn page(shared: &Exchange, request: &Request) -> Result<Page, EngineError> {
    let outline = outline(shared, request, request.limits.entries_max as usize);
    let Outline { log, head, mut is_complete, places } = outline;
    let mut entries = Vec::with_capacity(places.len());
    let mut previous = request.after;
    let mut rest = &places[..];
    while !rest.is_empty() {
        let (span, more) = rest.split_at(span(rest));
        rest = more;
        let bytes = read_span(span).map_err(|error| unavailable(&error.to_string()))?;
        for (slot, _) in span {
            let start = (slot.at - span[0].0.at) as usize;
            let entry = bytes.slice(start..start + slot.bytes());
            let Some(payload) = entry_payload(&entry, log, slot.offset) else {
                Counts::add(&shared.counts.damaged, 1);
                if entries.is_empty() {
                    is_complete = false;
                    continue;
                }
                // The next page begins with it, and says that something is missing.
                return Ok(Page { head, is_complete, entries });
            };
            let position = Position { epoch: head.epoch, offset: slot.offset };
            let appended_ms = slot.appended_ms;
            entries.push(Entry {
                position,
                previous,
                appended_ms,
                payload: entry.slice(payload..),
            });
            previous = slot.offset;
        }
    }
    Ok(Page { head, is_complete, entries })
}

fn outline(shared: &Exchange, request: &Request, entries_max: usize) -> Outline {
    let state = shared.state.read();
    let Some((id, log)) =
        state.ids.get(&request.log).and_then(|id| Some((*id, state.logs.get(id)?)))
    else {
        let head = Position { epoch: shared.epoch_to_be(&request.log, &state), offset: 0 };
        return Outline { log: 0, head, is_complete: request.after == 0, places: Vec::new() };
    };
    let slots = log.slots();
    let expired = log.expired(request.kept.old_ms(shared.clock.now_ms()));
    let dropped = match expired.checked_sub(1) {
        Some(last) => log.dropped.max(slots[last].offset),
        None => log.dropped,
    };
    let first = slots.partition_point(|slot| slot.offset <= request.after).max(expired);
    let mut bytes = 0_usize;
    let within = slots.range(first..).take(entries_max.min(request.limits.entries_max as usize));
    let places = within.enumerate().map_while(|(index, slot)| {
        bytes = bytes.saturating_add(slot.payload_bytes as usize);
        let segment = state.segments.get(&slot.segment)?;
        (index == 0 || bytes <= request.limits.bytes_max).then(|| (*slot, Arc::clone(segment)))
    });
    Outline {
        log: id,
        head: Position { epoch: log.epoch, offset: log.head },
        // A place that is still to come is one of another life.
        is_complete: (dropped..=log.head).contains(&request.after),
        places: places.collect(),
    }
}

/// How many of the first stand side by side, and are read in one go. What is between them is kept in
/// memory with them for as long as one of them is.
fn span(places: &[(Slot, Arc<Segment>)]) -> usize {
    const BYTES_MAX: usize = 256 << 10;
    let mut bytes = places[0].0.bytes();
    let side_by_side = places.windows(2).take_while(|pair| {
        let ((slot, segment), (next, next_segment)) = (&pair[0], &pair[1]);
        let end = slot.at as usize + slot.bytes();
        let gap = (next.at as usize).checked_sub(end);
        let is_near = gap.is_some_and(|gap| gap <= slot.bytes() / 4 + 64);
        bytes += gap.unwrap_or_default() + next.bytes();
        is_near && bytes <= BYTES_MAX && segment.number == next_segment.number
    });
    1 + side_by_side.count()
}

fn read_span(span: &[(Slot, Arc<Segment>)]) -> io::Result<Bytes> {
    let ((first, segment), (last, _)) = (&span[0], &span[span.len() - 1]);
    let mut bytes = vec![0; (last.at - first.at) as usize + last.bytes()];
    match segment.read(&mut bytes, u64::from(first.at)) {
        Ok(()) => Ok(bytes.into()),
        // Cut off behind our back: what is left does not have the right checksums.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(bytes.into()),
        Err(error) => Err(error),
    }
}

impl Exchange {
    /// Entries that were not as they were written.
    pub(super) fn damaged(&self) -> u64 {
        self.counts.damaged.load(Ordering::Relaxed)
    }
}
