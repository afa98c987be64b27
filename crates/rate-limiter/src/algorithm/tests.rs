use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::clock;

const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
const SECOND: Duration = Duration::from_secs(1);

fn limits() -> [AnyLimit; 3] {
    [
        TokenBucket::per_second(TWO).into(),
        FixedWindow::new(SECOND, TWO).unwrap().into(),
        SlidingWindow::new(SECOND, TWO).unwrap().into(),
    ]
}

#[test]
fn each_algorithm_denies_the_third_of_two() {
    for limit in limits() {
        let mut state = limit.new_state(clock::millis(0));
        assert_eq!(limit.check(&mut state, 2, clock::millis(0)), Ok(()), "{limit:?}");
        let denied = limit.check(&mut state, 1, clock::millis(0)).unwrap_err();
        assert_eq!(limit.check(&mut state, 1, denied.retry_at), Ok(()), "{limit:?}");
    }
}

#[test]
fn each_algorithm_is_as_good_as_new_from_the_instant_that_it_names_and_not_before() {
    for limit in limits() {
        let mut state = limit.new_state(clock::millis(0));
        assert_eq!(limit.fresh_at(&state), clock::millis(0), "{limit:?}");
        limit.check(&mut state, 1, clock::millis(0)).unwrap();
        let fresh_at = limit.fresh_at(&state);
        let mut early = state;
        assert!(limit.check(&mut early, 2, fresh_at - Duration::from_nanos(1)).is_err());
        assert_eq!(limit.check(&mut state, 2, fresh_at), Ok(()), "{limit:?}");
    }
}

#[test]
fn unlimited_allows_everything() {
    let limit = AnyLimit::Unlimited;
    let mut state = limit.new_state(clock::millis(0));
    for _ in 0..1000 {
        assert_eq!(limit.check(&mut state, u32::MAX, clock::millis(0)), Ok(()));
    }
    assert_eq!(limit.fresh_at(&state), clock::millis(0));
}

#[test]
fn state_of_another_algorithm_counts_as_new() {
    for from in limits() {
        for to in limits() {
            let mut state = from.new_state(clock::millis(0));
            from.check(&mut state, 2, clock::millis(0)).unwrap();
            let same = std::mem::discriminant(&from) == std::mem::discriminant(&to);
            let mut adopted = to.adopt(state, clock::millis(1));
            let adopted = to.check(&mut adopted, 2, clock::millis(1));
            let taken_as_is = to.check(&mut state, 2, clock::millis(1));
            assert_eq!(
                (adopted.is_err(), taken_as_is.is_err()),
                (same, same),
                "{from:?} to {to:?}"
            );
        }
    }
}

#[test]
fn state_of_any_algorithm_is_sixty_four_bytes() {
    assert!(size_of::<AnyState>() <= 64);
}
