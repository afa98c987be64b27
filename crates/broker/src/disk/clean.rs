//! Giving back the oldest file: what is still needed of it is written again, at the end.
//!
//! Only ever the oldest, so that nothing it takes back (a removal, a deletion) can concern what is left: the
//! thing that was removed was in it or before it.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};

use ahash::RandomState;

use super::{
    format::{Frame, Item, Items, SEGMENT_HEADER},
    log::LogState,
    segment::{Found, Segment},
    state::State,
};

/// How far the oldest segment was looked through.
#[derive(Debug)]
pub(super) struct Cleaning {
    pub(super) segment: Arc<Segment>,
    at: u64,
    end: u64,
    body: Vec<u8>,
}

/// What a step found.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Logs that lose all entries up to an offset.
    pub(super) dropped: HashMap<u32, u64, RandomState>,
    pub(super) carried: u64,
    /// Nothing in the segment is needed when the frame is on the disk.
    pub(super) is_last: bool,
    /// Logs that are to be declared again.
    declared: HashSet<u32, RandomState>,
}

/// What is needed to tell what is needed.
#[derive(Clone, Copy)]
pub(super) struct Now<'a> {
    pub(super) state: &'a State,
    pub(super) now_ms: u64,
    /// Whether entries go that would be kept if there were room.
    pub(super) is_dropping: bool,
}

impl Cleaning {
    /// As much is read in one step; others wait for so long.
    const READ_MAX: u64 = 4 << 20;
    /// As much is written in one step.
    const CARRIED_MAX: usize = 1 << 20;

    pub(super) fn new(segment: Arc<Segment>, end: u64) -> Self {
        Self { segment, at: SEGMENT_HEADER as u64, end, body: Vec::new() }
    }

    /// Puts the next things that are still needed into a frame.
    pub(super) fn step(&mut self, now: Now<'_>, frame: &mut Frame) -> io::Result<Step> {
        let mut step = Step::default();
        let until = self.at + Self::READ_MAX;
        while self.at < until && frame.body().len() < Self::CARRIED_MAX {
            match self.segment.frame(self.at, self.end, &mut self.body)? {
                Found::Frame { end, .. } => {
                    let start = self.at + super::format::FRAME_HEADER as u64;
                    for (at, _, item) in Items::new(&self.body).flatten() {
                        step.carry(now, self.segment.number, start + at as u64, &item, frame);
                    }
                    self.at = end;
                }
                Found::Unsound => match self.segment.next_frame(self.at, self.end)? {
                    Some(sound) => self.at = sound,
                    None => self.at = self.end,
                },
                Found::End => {
                    step.is_last = true;
                    break;
                }
            }
        }
        for id in &step.declared {
            if let Some(log) = now.state.logs.get(id) {
                frame.push(&declaration(*id, log, step.dropped.get(id).copied()));
            }
        }
        Ok(step)
    }
}

/// With what is being dropped just now.
fn declaration(id: u32, log: &LogState, dropping: Option<u64>) -> Item<'_> {
    let mut item = log.declaration(id);
    if let Item::Log { dropped, .. } = &mut item {
        *dropped = (*dropped).max(dropping.unwrap_or_default());
    }
    item
}

impl Step {
    fn carry(&mut self, now: Now<'_>, segment: u32, at: u64, item: &Item<'_>, frame: &mut Frame) {
        let is_here = |id: &u32| now.state.logs.get(id);
        match *item {
            Item::Log { id, .. } => {
                if is_here(&id).is_some_and(|log| log.declared_in == segment) {
                    self.declared.insert(id);
                }
            }
            Item::Entry { id, .. } => {
                if let Some(log) = is_here(&id) {
                    self.carry_entry(now, log, (segment, at), item, frame);
                }
            }
            Item::Event { id, offset, event, .. } => {
                let known = is_here(&id).and_then(|log| log.event(event, now.now_ms));
                if known == Some((offset, segment)) {
                    frame.push(item);
                }
            }
            Item::Put { key, revision, .. } => {
                let stored = now.state.records.get(key);
                let is_needed = |stored: &super::state::StoredRecord| {
                    stored.segment == segment && stored.record.revision.0 == revision
                };
                if stored.is_some_and(is_needed) {
                    frame.push(item);
                }
            }
            Item::Counters { .. }
            | Item::Removal { .. }
            | Item::Deletion { .. }
            | Item::Forgotten { .. } => {}
        }
    }

    fn carry_entry(
        &mut self,
        now: Now<'_>,
        log: &LogState,
        (segment, at): (u32, u64),
        item: &Item<'_>,
        frame: &mut Frame,
    ) {
        let Item::Entry { id, offset, appended_ms, event, payload } = *item else { return };
        let known = event.and_then(|event| log.event(event, now.now_ms));
        let event = event.filter(|_| known == Some((offset, segment)));
        let slot = log.slot(offset);
        let slot = slot.filter(|slot| slot.segment == segment && u64::from(slot.at) == at);
        let is_kept = slot.is_some_and(|slot| {
            let is_old = slot.appended_ms < log.kept.old_ms(now.now_ms);
            !is_old && (log.kept.refuses || !now.is_dropping)
        });
        if is_kept {
            frame.push(&Item::Entry { id, offset, appended_ms, event, payload });
            self.carried += 1;
            return;
        }
        if slot.is_some() {
            let dropped = self.dropped.entry(id).or_default();
            *dropped = offset.max(*dropped);
        }
        // That it was here, and that a bound took it, must be known when the file is gone.
        if slot.is_some() || (offset <= log.dropped && log.dropped_on_disk < offset) {
            self.declared.insert(id);
        }
        if let Some(event) = event {
            frame.push(&Item::Event { id, offset, appended_ms, event });
        }
    }
}
