use proptest::prelude::*;

use super::*;
use crate::{DeniedReason, clock};

fn limit(window_ms: u64, max: u32) -> SlidingWindow {
    SlidingWindow::new(Duration::from_millis(window_ms), NonZeroU32::new(max).unwrap()).unwrap()
}

#[test]
fn state_of_a_caller_is_fifty_six_bytes() {
    assert!(size_of::<SlidingWindowState>() <= 56);
}

#[test]
fn burst_at_the_edge_of_a_window_is_not_followed_by_another() {
    let limit = limit(1000, 10);
    let mut state = limit.new_state(clock::millis(0));
    assert_eq!(limit.check(&mut state, 1, clock::millis(0)), Ok(()));
    assert_eq!(limit.check(&mut state, 9, clock::millis(999)), Ok(()));
    // A fixed window would begin anew here and let ten through.
    assert!(limit.check(&mut state, 10, clock::millis(1125)).is_err());
    assert_eq!(limit.check(&mut state, 1, clock::millis(1125)), Ok(()));
    let denied = limit.check(&mut state, 9, clock::millis(1125)).unwrap_err();
    // 999 ms lies in the slice that began at 875 and leaves nine slices later.
    assert_eq!(denied.retry_at, clock::millis(2000));
    assert_eq!(limit.check(&mut state, 9, clock::millis(2000)), Ok(()));
}

#[test]
fn cost_above_the_limit_can_never_be_paid() {
    let limit = limit(1000, 10);
    let mut state = limit.new_state(clock::millis(0));
    limit.check(&mut state, 10, clock::millis(100)).unwrap();
    let denied = limit.check(&mut state, 11, clock::millis(100)).unwrap_err();
    assert_eq!(denied.reason, DeniedReason::CostAboveLimit { limit: 10 });
    assert_eq!(limit.check(&mut state, 10, denied.retry_at), Ok(()));
}

#[test]
fn zero_cost_is_allowed_even_when_nothing_is_left() {
    let limit = limit(1000, 10);
    let mut state = limit.new_state(clock::millis(0));
    limit.check(&mut state, 10, clock::millis(0)).unwrap();
    assert_eq!(limit.check(&mut state, 0, clock::millis(0)), Ok(()));
}

#[test]
fn time_that_goes_back_allows_nothing_more() {
    let limit = limit(1000, 10);
    let mut state = limit.new_state(clock::millis(5000));
    limit.check(&mut state, 10, clock::millis(5000)).unwrap();
    assert!(limit.check(&mut state, 1, clock::millis(0)).is_err());
    assert!(limit.check(&mut state, 1, clock::millis(5999)).is_err());
}

#[test]
fn largest_limit_does_not_overflow() {
    let limit = limit(1000, u32::MAX);
    let mut state = limit.new_state(clock::millis(0));
    assert_eq!(limit.check(&mut state, u32::MAX, clock::millis(0)), Ok(()));
    assert!(limit.check(&mut state, u32::MAX, clock::millis(500)).is_err());
}

#[test]
fn stricter_limit_adopts_what_has_been_used() {
    let mut state = limit(1000, 10).new_state(clock::millis(0));
    limit(1000, 10).check(&mut state, 5, clock::millis(0)).unwrap();
    let strict = limit(1000, 3);
    let mut state = strict.adopt(state, clock::millis(1));
    let denied = strict.check(&mut state, 1, clock::millis(1)).unwrap_err();
    assert_eq!(strict.check(&mut state, 3, denied.retry_at), Ok(()));
}

proptest! {
    /// The naive model is the exact list of everything that was granted.
    #[test]
    fn decisions_lie_between_the_exact_window_and_one_that_is_an_eighth_longer(
        window_ns in prop_oneof![1u64..100, 1_000u64..2_000, Just(1_000_000_000)],
        max in 1u32..30,
        requests in prop::collection::vec((0.0f64..0.6, 0u32..35), 1..200),
    ) {
        let window = Duration::from_nanos(window_ns);
        let limit = SlidingWindow::new(window, NonZeroU32::new(max).unwrap()).unwrap();
        let longer = window_ns.div_ceil(8) * 9;
        let mut state = limit.new_state(clock::nanos(0));
        let mut granted: Vec<(u64, u32)> = Vec::new();
        let mut now = 0;
        for (pause, cost) in requests {
            now += (pause * window_ns as f64) as u64;
            let used = |span: u64| -> u32 {
                granted.iter().filter(|(at, _)| at + span > now).map(|(_, cost)| cost).sum()
            };
            let (exact, late) = (used(window_ns), used(longer));
            match limit.check(&mut state, cost, clock::nanos(now)) {
                Ok(()) => {
                    prop_assert!(cost == 0 || exact + cost <= max, "{} used, {} more", exact, cost);
                    granted.push((now, cost));
                }
                Err(denied) => {
                    prop_assert!(late + cost > max, "{} used, {} denied", late, cost);
                    prop_assert!(denied.retry_at >= clock::nanos(now));
                    let mut then = state;
                    prop_assert_eq!(limit.check(&mut then, cost.min(max), denied.retry_at), Ok(()));
                    if cost <= max {
                        let mut then = state;
                        let early = denied.retry_at - Duration::from_nanos(1);
                        prop_assert!(limit.check(&mut then, cost, early).is_err());
                    }
                }
            }
        }
    }
}
