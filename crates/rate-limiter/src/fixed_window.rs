//! The fixed window: a counter that starts anew.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::config::period_nanos;
use crate::{ConfigError, Denied, Limit};

/// At most `max` in a window that opens with the caller's first request and is followed by the next
/// one that opens with the first request after it.
///
/// Never more than `max` within one of its windows, but up to `2 × max` within a span of the same
/// length that straddles two of them: `max` at the end of one, `max` at the start of the next. Where that
/// matters, take a [`SlidingWindow`](crate::SlidingWindow) or a [`TokenBucket`](crate::TokenBucket).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedWindow {
    window: Duration,
    max: NonZeroU32,
}

/// What a [`FixedWindow`] remembers of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedWindowState {
    pub(crate) opened: Instant,
    used: u32,
}

impl FixedWindow {
    /// At most `max` in each `window`.
    ///
    /// # Errors
    ///
    /// If the window is zero or longer than 366 days.
    pub const fn new(window: Duration, max: NonZeroU32) -> Result<Self, ConfigError> {
        match period_nanos(window) {
            Ok(_) => Ok(Self { window, max }),
            Err(error) => Err(error),
        }
    }
}

impl Limit for FixedWindow {
    type State = FixedWindowState;

    fn new_state(&self, now: Instant) -> FixedWindowState {
        FixedWindowState { opened: now, used: 0 }
    }

    fn check(&self, state: &mut FixedWindowState, cost: u32, now: Instant) -> Result<(), Denied> {
        if cost == 0 {
            return Ok(());
        }
        let fresh_at = self.fresh_at(state);
        if cost > self.max.get() {
            return Err(Denied::cost_above(self.max, fresh_at.max(now)));
        }
        if now >= fresh_at {
            *state = FixedWindowState { opened: now, used: cost };
            return Ok(());
        }
        match state.used.checked_add(cost) {
            Some(used) if used <= self.max.get() => {
                state.used = used;
                Ok(())
            }
            _ => Err(Denied::exhausted(fresh_at)),
        }
    }

    fn fresh_at(&self, state: &FixedWindowState) -> Instant {
        // A window that nothing was taken from has not been opened.
        if state.used == 0 { state.opened } else { state.opened + self.window }
    }

    fn adopt(&self, state: FixedWindowState, _now: Instant) -> FixedWindowState {
        state
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    fn ten_in_a_second() -> FixedWindow {
        FixedWindow::new(Duration::from_secs(1), NonZeroU32::new(10).unwrap()).unwrap()
    }

    #[test]
    fn window_opens_with_the_first_request_and_not_before() {
        let limit = ten_in_a_second();
        let mut state = limit.new_state(clock::millis(0));
        assert_eq!(limit.check(&mut state, 10, clock::millis(900)), Ok(()));
        let denied = Err(Denied::exhausted(clock::millis(1900)));
        assert_eq!(limit.check(&mut state, 1, clock::millis(1899)), denied);
        assert_eq!(limit.check(&mut state, 10, clock::millis(1900)), Ok(()));
    }

    #[test]
    fn cost_above_the_limit_can_never_be_paid() {
        let limit = ten_in_a_second();
        let mut state = limit.new_state(clock::millis(0));
        let max = NonZeroU32::new(10).unwrap();
        let denied = Err(Denied::cost_above(max, clock::millis(5)));
        assert_eq!(limit.check(&mut state, 11, clock::millis(5)), denied);
        assert_eq!(limit.check(&mut state, u32::MAX, clock::millis(5)), denied);
        assert_eq!(limit.check(&mut state, 10, clock::millis(5)), Ok(()));
    }

    #[test]
    fn zero_cost_is_allowed_even_when_nothing_is_left() {
        let limit = ten_in_a_second();
        let mut state = limit.new_state(clock::millis(0));
        limit.check(&mut state, 10, clock::millis(0)).unwrap();
        assert_eq!(limit.check(&mut state, 0, clock::millis(1)), Ok(()));
    }

    #[test]
    fn stricter_limit_adopts_what_has_been_used() {
        let strict = FixedWindow::new(Duration::from_secs(1), NonZeroU32::MIN).unwrap();
        let mut state = ten_in_a_second().new_state(clock::millis(0));
        ten_in_a_second().check(&mut state, 5, clock::millis(0)).unwrap();
        let mut state = strict.adopt(state, clock::millis(1));
        assert!(strict.check(&mut state, 1, clock::millis(2)).is_err());
        assert_eq!(strict.check(&mut state, 1, clock::millis(1000)), Ok(()));
    }

    proptest! {
        #[test]
        fn decisions_are_those_of_a_list_of_windows(
            max in 1u32..20,
            requests in prop::collection::vec((0u64..400, 0u32..25), 1..200),
        ) {
            let limit =
                FixedWindow::new(Duration::from_millis(1000), NonZeroU32::new(max).unwrap()).unwrap();
            let mut state = limit.new_state(clock::millis(0));
            // The model keeps each window with all that was granted in it.
            let mut windows: Vec<(u64, Vec<u32>)> = Vec::new();
            let mut now = 0;
            for (pause, cost) in requests {
                now += pause;
                let open = windows.last().filter(|(opened, _)| now < opened + 1000);
                let used: u32 = open.map_or(0, |(_, granted)| granted.iter().sum());
                let expect = cost == 0 || used + cost <= max;
                let got = limit.check(&mut state, cost, clock::millis(now));
                prop_assert_eq!(got.is_ok(), expect, "at {} ms, cost {}, used {}", now, cost, used);
                if let Err(denied) = got {
                    prop_assert!(denied.retry_at >= clock::millis(now));
                    let mut then = state;
                    let retried = limit.check(&mut then, cost.min(max), denied.retry_at);
                    prop_assert_eq!(retried, Ok(()));
                } else if cost > 0 {
                    if open.is_none() {
                        windows.push((now, Vec::new()));
                    }
                    if let Some((_, granted)) = windows.last_mut() {
                        granted.push(cost);
                    }
                }
            }
        }
    }
}
