//! Readers that take their time, and what a fan-out owes at the end.

use std::io::ErrorKind;

use super::{
    Phase,
    link::{Flow, Link},
    worker::Worker,
};
use crate::{
    clock::Nanos,
    plan::{Reading, Role},
};

/// How often slow readers read.
const TURN: Nanos = 100_000_000;
/// Slow readers for whom nothing came for so long have all that there was.
const LEFT_OVER: Nanos = 300_000_000;
const TURNS_A_SECOND: u64 = 10;

impl Worker {
    /// Whether it reads slowly now. Until it counts as open it does not, for it waits for something; and
    /// once nothing more is measured all is taken: a close frame may lie behind what was left.
    pub(super) fn is_slow(&self, index: usize) -> bool {
        let Link { group, flow, .. } = &self.links[index];
        self.phase < Phase::Drain
            && flow.awaiting.is_none()
            && self.plan.groups[*group].reading != Reading::Full
    }

    pub(super) fn read_slow_ones(&mut self) {
        let now = self.control.clock.now();
        if self.slow.is_empty() || now < self.read_slowly + TURN || self.phase >= Phase::Drain {
            return;
        }
        self.read_slowly = now;
        for at in 0..self.slow.len() {
            let index = self.slow[at];
            let link = &self.links[index];
            if let Reading::Slow(per_second) = self.plan.groups[link.group].reading
                && link.is_open()
                && per_second > 0
            {
                self.read_some(index, (per_second / TURNS_A_SECOND).max(1) as usize);
            }
        }
    }

    fn read_some(&mut self, index: usize, mut budget: usize) {
        while budget > 0 && self.links[index].is_open() {
            let buffer = self.workspace.read_buffer();
            let room = budget.min(buffer.len());
            match self.links[index].read(&mut buffer[..room]) {
                Ok(0) => return self.lose(index, None),
                Ok(len) => {
                    self.workspace.filled(len);
                    self.record.bytes_received += len as u64;
                    self.work_off(index);
                    budget -= len;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.lose(index, None),
            }
        }
    }

    /// A slow one has read, once it may.
    pub(super) fn note_slow_read(&mut self, index: usize) {
        if self.plan.groups[self.links[index].group].reading != Reading::Full {
            self.read_slowly = self.control.clock.now();
        }
    }

    /// Looks at what slow ones have left.
    pub(super) fn read_out_slow_ones(&mut self) {
        self.read_slowly = self.control.clock.now();
        for at in 0..self.slow.len() {
            let index = self.slow[at];
            if self.links[index].is_open() {
                self.read(index, true);
            }
        }
    }

    /// Whether they have read all that was left for them.
    pub(super) fn slow_ones_are_done(&self) -> bool {
        let some_are_left = || self.slow.iter().any(|index| self.links[*index].is_open());
        self.phase != Phase::Drain
            || self.control.clock.now() > self.read_slowly + LEFT_OVER
            || !some_are_left()
    }

    /// What was published and never came, of those that are still there.
    pub(super) fn count_missing(&mut self) {
        let groups = &self.plan.groups;
        let is_owed = |link: &&Link| {
            let group = &groups[link.group];
            link.is_open() && group.role == Role::Receive && group.reading == Reading::Full
        };
        for Link { flow: Flow { tracks, .. }, .. } in self.links.iter().filter(is_owed) {
            for (publisher, published) in self.control.fan.published().enumerate() {
                let track = tracks.get(publisher).copied().unwrap_or_default();
                self.record.deliveries.skipped += track.missing(published);
            }
        }
    }
}
