//! When it is too much, and when it is no more.

/// What has to be free again, as a part of the whole, before it is enough: otherwise each connection that
/// goes would let another one in.
const RELIEF: u64 = 20;

/// A bound with an edge on either side.
///
/// ```text
///   enough ── more than max ──▶ too much
///      ▲                          │
///      └── a twentieth below max ─┘
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Pressure {
    max: u64,
    is_high: bool,
}

impl Pressure {
    pub(super) fn new(max: u64) -> Self {
        Self { max, is_high: false }
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// So much is used: whether that is too much, if it has changed.
    pub(super) fn handle_use(&mut self, used: u64) -> Option<bool> {
        let is_high = match self.is_high {
            true => used > self.max - self.max / RELIEF,
            false => used > self.max,
        };
        let has_changed = std::mem::replace(&mut self.is_high, is_high) != is_high;
        has_changed.then_some(is_high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_too_much_above_the_bound_and_enough_a_twentieth_below_it() {
        let mut pressure = Pressure::new(1000);
        for (used, expect) in [
            (900, None),
            (1000, None),
            (1001, Some(true)),
            (2000, None),
            (1000, None),
            (951, None),
            (950, Some(false)),
            (1000, None),
            (1001, Some(true)),
        ] {
            assert_eq!(pressure.handle_use(used), expect, "{used}");
        }
    }
}
