//! What is done beside writing: new segments, old ones given back, what is too old, and coming back after trouble.

use std::{fs, fs::File, ops::Bound, sync::Arc};

use super::{Failure, Trouble, Writer, now};
use crate::{
    Status,
    disk::{
        epoch,
        format::{Item, SEGMENT_HEADER, SegmentHeader},
        segment::Segment,
    },
};

impl Writer {
    /// Logs that are looked through in one tick.
    const LOGS_A_TICK: usize = 8192;
    /// Logs that are forgotten in one tick.
    const FORGOTTEN_A_TICK: usize = 1024;

    /// Once a second.
    pub(super) fn tick(&mut self) {
        if self.trouble.is_some() {
            self.retry();
            return;
        }
        let forgotten = self.expire();
        if !forgotten.is_empty() {
            self.forget(&forgotten);
        }
    }

    /// Looks through some of the logs, and answers which of them are not needed any more.
    fn expire(&mut self) -> Vec<u32> {
        /// For so many the lock is held at a time.
        const AT_ONCE: usize = 256;
        let shared = Arc::clone(&self.shared);
        let now_ms = shared.clock.now_ms();
        let forget_ms =
            now_ms.saturating_sub(crate::disk::format::millis(shared.config.forget_after));
        let mut forgotten = Vec::new();
        for _ in 0..Self::LOGS_A_TICK / AT_ONCE {
            let mut state = shared.state.write();
            let from = (Bound::Included(self.next_log), Bound::Unbounded);
            let ids: Vec<u32> = state.logs.range(from).take(AT_ONCE).map(|(id, _)| *id).collect();
            let Some(last) = ids.last() else {
                self.next_log = 0;
                break;
            };
            self.next_log = last + 1;
            for id in ids {
                state.change(id, |log| {
                    log.expire(now_ms);
                    if log.is_bare() && log.last_ms < forget_ms {
                        forgotten.push(id);
                    }
                });
            }
        }
        forgotten.truncate(Self::FORGOTTEN_A_TICK);
        let state = shared.state.read();
        let followed = shared.followed.lock();
        forgotten
            .retain(|id| state.logs.get(id).is_some_and(|log| !followed.contains_key(&log.name)));
        forgotten
    }

    /// In a frame of their own: nothing in it appends to them.
    fn forget(&mut self, logs: &[u32]) {
        if let Err(failure) = self.roll_if_full() {
            self.handle_failure(&failure);
            return;
        }
        self.frame.clear();
        let mut counters = self.shared.state.read().counters();
        if let Item::Counters { new_epoch, .. } = &mut counters {
            *new_epoch = epoch(self.shared.clock.now_ms());
        }
        self.frame.push(&counters);
        for id in logs {
            self.frame.push(&Item::Forgotten { id: *id });
        }
        if let Err(failure) = self.commit(None) {
            self.handle_failure(&failure);
        }
    }

    /// While the files are larger than they may be: what is asked waits until they are not.
    pub(super) fn make_room(&mut self) {
        while self.trouble.is_none() && self.bytes() > self.shared.config.bytes_max {
            if !self.is_cleaning_due() {
                return;
            }
            self.serve(Vec::new());
        }
    }

    pub(super) fn roll_if_full(&mut self) -> Result<(), Failure> {
        if self.tail.end < self.shared.config.segment_bytes {
            return Ok(());
        }
        self.roll()
    }

    /// Begins the next segment.
    pub(in crate::disk) fn roll(&mut self) -> Result<(), Failure> {
        let header = SegmentHeader {
            number: self.tail.segment.number + 1,
            sequence: self.tail.sequence,
            previous_end: self.tail.end,
            repaired_before: self.tail.repaired_before,
        };
        let is_synced = self.shared.config.is_synced;
        let segment = Segment::create(&self.folder, &header, is_synced);
        let segment = Arc::new(segment.map_err(|error| Failure::of(&error))?);
        self.shared.state.write().segments.insert(header.number, Arc::clone(&segment));
        self.tail.segment = segment;
        self.tail.end = SEGMENT_HEADER as u64;
        self.sizes.push_back((header.number, self.tail.end));
        self.is_fresh = true;
        Ok(())
    }

    /// Nothing in the oldest segment is needed any more.
    pub(super) fn give_back(&mut self) {
        self.cleaning = None;
        // What was carried is on the disk before what it was carried from is gone.
        if !self.shared.config.is_synced && self.tail.segment.sync().is_err() {
            return;
        }
        let Some((number, _)) = self.sizes.pop_front() else { return };
        let segment = self.shared.state.write().segments.remove(&number);
        if let Some(segment) = segment {
            // One that stays is read again when the folder is opened, and given back again.
            let _ = fs::remove_file(&segment.path);
            let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        }
    }

    /// Tries to write something, in a new segment: of the last one nobody knows what the disk has.
    fn retry(&mut self) {
        let Some(trouble) = self.trouble.filter(|trouble| trouble.retry_at <= now()) else {
            return;
        };
        let before = self.tail.clone();
        let tried = self.roll().and_then(|()| {
            self.frame.clear();
            let counters = self.shared.state.read().counters();
            self.frame.push(&counters);
            self.commit(None)
        });
        match tried {
            Ok(()) => {
                self.trouble = None;
                self.shared.set_status(&Status::Up);
            }
            Err(failure) => {
                if self.tail.segment.number != before.segment.number {
                    self.shared.state.write().segments.remove(&self.tail.segment.number);
                    self.sizes.pop_back();
                    let _ = fs::remove_file(&self.tail.segment.path);
                    self.tail = before;
                }
                self.handle_failure(&failure);
                self.trouble = Some(trouble.longer());
            }
        }
    }
}

impl Trouble {
    /// Tried again after twice the time, but every 10 s.
    fn longer(self) -> Self {
        let wait = (self.wait * 2).min(std::time::Duration::from_secs(10));
        Self { retry_at: now() + wait, wait }
    }
}
