//! Whether a receiver got each message of a publisher once and in order.

use crate::record::Deliveries;

/// What one receiver has seen of one publisher.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Track {
    /// The number that should come next; `None` before the first.
    next: Option<u64>,
    /// Bit `i` is set when number `next - 1 - i` was received.
    seen: u64,
}

impl Track {
    /// Notes the message with this number; whether it is new.
    pub(super) fn note(&mut self, seq: u64, found: &mut Deliveries) -> bool {
        let Some(next) = self.next else {
            // Whoever comes late has not lost what was before.
            *self = Self { next: Some(seq + 1), seen: u64::MAX };
            return true;
        };
        if seq >= next {
            let skipped = seq - next;
            found.skipped += skipped;
            self.seen = self.seen.checked_shl(skipped as u32 + 1).unwrap_or(0) | 1;
            if skipped >= 63 {
                self.seen = 1;
            }
            self.next = Some(seq + 1);
            return true;
        }
        let back = next - 1 - seq;
        if back >= 64 || self.seen & (1 << back) != 0 {
            found.doubled += 1;
            return false;
        }
        // It was counted as skipped and only was late.
        self.seen |= 1 << back;
        found.reordered += 1;
        true
    }

    /// How many of `published` messages are missing at the end.
    pub(super) fn missing(&self, published: u64) -> u64 {
        self.next.map_or(published, |next| published.saturating_sub(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(numbers: &[u64]) -> (Deliveries, usize) {
        let mut track = Track::default();
        let mut found = Deliveries::default();
        let new = numbers.iter().filter(|seq| track.note(**seq, &mut found)).count();
        (found, new)
    }

    #[test]
    fn gaps_doubles_and_late_ones_are_told_apart() {
        for (numbers, skipped, doubled, reordered, new) in [
            (&[0, 1, 2, 3][..], 0, 0, 0, 4),
            (&[7, 8], 0, 0, 0, 2),
            (&[0, 1, 3], 1, 0, 0, 3),
            (&[0, 1, 1, 2], 0, 1, 0, 3),
            (&[0, 2, 1, 3], 1, 0, 1, 4),
            (&[0, 2, 1, 1, 3], 1, 1, 1, 4),
            (&[0, 100, 50, 50], 99, 1, 1, 3),
            (&[0, 100, 1], 99, 1, 0, 2),
            (&[5, 4], 0, 1, 0, 1),
        ] {
            let expected = Deliveries { skipped, doubled, reordered };
            assert_eq!(noted(numbers), (expected, new), "{numbers:?}");
        }
    }

    #[test]
    fn what_never_came_is_missing_at_the_end() {
        let mut track = Track::default();
        assert_eq!(track.missing(10), 10, "it got nothing at all");
        track.note(3, &mut Deliveries::default());
        assert_eq!(track.missing(10), 6);
        assert_eq!(track.missing(4), 0);
    }
}
