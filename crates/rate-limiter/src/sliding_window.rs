//! The sliding window, cut into slices.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::config::period_nanos;
use crate::{ConfigError, Denied, Limit};

#[cfg(test)]
mod tests;

/// Into how many slices a window is cut. More would be finer, and four bytes a caller each.
const SLICES: u32 = 8;

/// The slices of one window, and the current one, which has only begun.
const COUNTERS: usize = SLICES as usize + 1;

/// At most `max` in *any* span of the length of the window, wherever it begins.
///
/// The window is cut into eight slices, and each caller has a counter for each (56 bytes
/// altogether). What has been used is given back when its whole slice has left the window. Against an
/// exact list of times the error is therefore one-sided and bounded: **it never allows more than `max` in
/// any window, and gives back at most an eighth of a window late.** The well-known approximation by two
/// counters would save 32 bytes and let nearly twice `max` through when a caller bunches its requests
/// at the end of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    slice: Duration,
    max: NonZeroU32,
}

/// What a [`SlidingWindow`] remembers of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindowState {
    /// When the current slice began.
    pub(crate) began: Instant,
    /// By age: the current slice first, the one that leaves next last.
    used: [u32; COUNTERS],
}

impl SlidingWindow {
    /// At most `max` in any span of `window`.
    ///
    /// # Errors
    ///
    /// If the window is zero or longer than 366 days.
    pub const fn new(window: Duration, max: NonZeroU32) -> Result<Self, ConfigError> {
        match period_nanos(window) {
            Ok(nanos) => {
                Ok(Self { slice: Duration::from_nanos(nanos.div_ceil(SLICES as u64)), max })
            }
            Err(error) => Err(error),
        }
    }

    /// When what was used in the slice of this age is given back.
    fn leaves_at(&self, state: &SlidingWindowState, age: usize) -> Instant {
        debug_assert!(age < COUNTERS);
        state.began + self.slice * (COUNTERS - age) as u32
    }

    /// Makes the slice that contains `now` the current one.
    fn advance(&self, state: &mut SlidingWindowState, now: Instant) {
        let elapsed = now.saturating_duration_since(state.began);
        if elapsed < self.slice {
            return;
        }
        let passed = elapsed.as_nanos() / self.slice.as_nanos();
        if passed >= COUNTERS as u128 {
            *state = self.new_state(now);
            return;
        }
        let passed = passed as usize;
        state.used.copy_within(..COUNTERS - passed, passed);
        state.used[..passed].fill(0);
        state.began += self.slice * passed as u32;
        debug_assert!(now.saturating_duration_since(state.began) < self.slice);
    }
}

impl Limit for SlidingWindow {
    type State = SlidingWindowState;

    fn new_state(&self, now: Instant) -> SlidingWindowState {
        SlidingWindowState { began: now, used: [0; COUNTERS] }
    }

    fn check(&self, state: &mut SlidingWindowState, cost: u32, now: Instant) -> Result<(), Denied> {
        if cost == 0 {
            return Ok(());
        }
        self.advance(state, now);
        let max = u64::from(self.max.get());
        if cost > self.max.get() {
            return Err(Denied::cost_above(self.max, self.fresh_at(state).max(now)));
        }
        let wanted = state.used.iter().map(|used| u64::from(*used)).sum::<u64>() + u64::from(cost);
        if wanted <= max {
            state.used[0] += cost;
            return Ok(());
        }
        // The oldest slices leave first; the request waits for the one that makes enough room.
        let mut excess = wanted - max;
        let mut age = COUNTERS - 1;
        while excess > u64::from(state.used[age]) && age > 0 {
            excess -= u64::from(state.used[age]);
            age -= 1;
        }
        Err(Denied::exhausted(self.leaves_at(state, age)))
    }

    fn fresh_at(&self, state: &SlidingWindowState) -> Instant {
        match state.used.iter().position(|used| *used > 0) {
            Some(age) => self.leaves_at(state, age),
            None => state.began,
        }
    }

    fn adopt(&self, state: SlidingWindowState, _now: Instant) -> SlidingWindowState {
        state
    }
}
