//! Counting without sharing: what one connection adds up for itself.

use crate::SizeVerdict;

/// Sizes added up by one connection (or one thread), in 24 bytes that nobody else touches.
///
/// Record every message here, and hand the sums over with
/// [`FrameSizeValidator::absorb`](crate::FrameSizeValidator::absorb) when [`SizeTally::is_due`] says
/// so and when the connection ends. The path of a message then costs four additions and no atomic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeTally {
    pub(crate) frames: u32,
    pub(crate) warnings: u32,
    pub(crate) bytes: u64,
    pub(crate) largest: u64,
}

impl SizeTally {
    /// After so many frames the shared statistics deserve an update.
    const DUE_FRAMES: u32 = 1024;

    /// Adds one frame or message of `size` bytes that was permitted with `verdict`.
    #[inline]
    pub const fn record(&mut self, size: u64, verdict: SizeVerdict) {
        self.frames = self.frames.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        if size > self.largest {
            self.largest = size;
        }
        if matches!(verdict, SizeVerdict::Large) {
            self.warnings = self.warnings.saturating_add(1);
        }
    }

    /// How many have been recorded since the last hand-over.
    #[must_use]
    pub const fn frames(&self) -> u32 {
        self.frames
    }

    /// Whether enough has been added up for a hand-over to be worth its atomics.
    #[inline]
    #[must_use]
    pub const fn is_due(&self) -> bool {
        self.frames >= Self::DUE_FRAMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tally_adds_up_what_it_is_given() {
        let mut tally = SizeTally::default();
        for (size, verdict) in
            [(10, SizeVerdict::Fine), (700, SizeVerdict::Large), (90, SizeVerdict::Fine)]
        {
            tally.record(size, verdict);
        }
        let expect = SizeTally { frames: 3, warnings: 1, bytes: 800, largest: 700 };
        assert_eq!(tally, expect);
    }

    #[test]
    fn tally_becomes_due_at_its_thousand_and_twenty_fourth_frame() {
        let mut tally = SizeTally::default();
        for _ in 1..1024 {
            tally.record(1, SizeVerdict::Fine);
        }
        assert!(!tally.is_due());
        tally.record(1, SizeVerdict::Fine);
        assert!(tally.is_due());
    }

    #[test]
    fn tally_saturates_instead_of_wrapping() {
        let mut tally =
            SizeTally { frames: u32::MAX, warnings: u32::MAX, bytes: u64::MAX, largest: 1 };
        tally.record(5, SizeVerdict::Large);
        let expect =
            SizeTally { frames: u32::MAX, warnings: u32::MAX, bytes: u64::MAX, largest: 5 };
        assert_eq!(tally, expect);
    }

    #[test]
    fn tally_fits_into_every_connection() {
        assert_eq!(size_of::<SizeTally>(), 24);
    }
}
