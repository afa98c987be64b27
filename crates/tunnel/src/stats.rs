//! What tunnels have done so far.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::end::{Refused, TunnelEnd};

/// Counts of all tunnels.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    /// From clients to targets, and back.
    bytes: [AtomicU64; 2],
    refusals: [AtomicU64; Refused::ALL.len()],
    ends: [AtomicU64; TunnelEnd::ALL.len()],
}

/// What tunnels have done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelStats {
    /// Tunnels that there are.
    pub open: usize,
    /// Tunnels that were granted; whether their targets could be reached is among the ends.
    pub opened: u64,
    /// Bytes of clients that targets have taken.
    pub bytes_to_targets: u64,
    /// Bytes of targets that were handed to connections.
    pub bytes_to_clients: u64,
    /// Tunnels that were not granted, by [`Refused::label`].
    pub refusals: Vec<(&'static str, u64)>,
    /// Tunnels that have ended, by [`TunnelEnd::label`].
    pub ends: Vec<(&'static str, u64)>,
}

impl Counters {
    pub(crate) fn note_opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_refusal(&self, refused: Refused) {
        self.refusals[refused as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_end(&self, end: TunnelEnd) {
        self.ends[end.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_to_target(&self, bytes: usize) {
        self.bytes[0].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn note_to_client(&self, bytes: usize) {
        self.bytes[1].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, open: usize) -> TunnelStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let refusals = Refused::ALL.iter().zip(&self.refusals);
        let ends = TunnelEnd::ALL.iter().zip(&self.ends);
        TunnelStats {
            open,
            opened: read(&self.opened),
            bytes_to_targets: read(&self.bytes[0]),
            bytes_to_clients: read(&self.bytes[1]),
            refusals: refusals.map(|(refused, count)| (refused.label(), read(count))).collect(),
            ends: ends.map(|(end, count)| (end.label(), read(count))).collect(),
        }
    }
}
