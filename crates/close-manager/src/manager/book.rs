//! The counts behind a report.

use std::time::{Duration, Instant};

use super::entry::Stage;
use crate::{CloseReport, report::Histogram};

/// The counts since the manager was idle.
#[derive(Debug, Default)]
pub(super) struct Book {
    began: Option<Instant>,
    took: Duration,
    total: usize,
    acknowledged: usize,
    dropped: usize,
    forced: usize,
    already_closed: usize,
    handshakes: Histogram,
}

impl Book {
    /// Empty, from now on.
    pub(super) fn open(now: Instant) -> Self {
        Self { began: Some(now), ..Self::default() }
    }

    pub(super) fn note_begun(&mut self) {
        self.total += 1;
    }

    /// A connection in this stage is gone without our doing.
    pub(super) fn note_closed(&mut self, stage: Stage, acknowledged: bool, now: Instant) {
        match stage {
            Stage::Told { at } | Stage::InFlight { at } if acknowledged => {
                self.acknowledged += 1;
                self.handshakes.record(now.saturating_duration_since(at));
            }
            Stage::ToForce if acknowledged => self.acknowledged += 1,
            Stage::Told { .. } | Stage::InFlight { .. } | Stage::ToForce => self.dropped += 1,
            Stage::Waiting | Stage::Single | Stage::ByPeer => self.already_closed += 1,
        }
        self.note_time(now);
    }

    pub(super) fn note_forced(&mut self, now: Instant) {
        self.forced += 1;
        self.note_time(now);
    }

    pub(super) fn report(&self, waiting: usize, closing: usize) -> CloseReport {
        let gone = self.acknowledged + self.dropped + self.forced + self.already_closed;
        debug_assert_eq!(self.total, waiting + closing + gone, "each is counted once");
        CloseReport {
            total: self.total,
            waiting,
            closing,
            acknowledged: self.acknowledged,
            dropped: self.dropped,
            forced: self.forced,
            already_closed: self.already_closed,
            took: self.took,
            handshake: self.handshakes.percentiles(),
        }
    }

    fn note_time(&mut self, now: Instant) {
        self.took = self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
    }
}
