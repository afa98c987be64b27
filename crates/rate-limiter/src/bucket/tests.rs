use proptest::prelude::*;

use super::*;
use crate::{DeniedReason, clock};

const SECOND_NS: u64 = 1_000_000_000;

fn of(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// Takes single tokens until one is denied.
fn drain(limit: &TokenBucket, state: &mut BucketState, now: Instant) -> u32 {
    let mut taken = 0;
    while limit.check(state, 1, now).is_ok() {
        taken += 1;
    }
    taken
}

#[test]
fn state_of_a_caller_is_at_most_sixteen_bytes() {
    assert!(size_of::<BucketState>() <= 16);
    assert!(size_of::<Option<BucketState>>() <= 16);
}

#[test]
fn bucket_is_made_in_a_constant() {
    const LIMIT: TokenBucket =
        TokenBucket::per_minute(NonZeroU32::new(100).unwrap()).with_burst(NonZeroU32::MIN);
    assert_eq!(LIMIT.burst(), NonZeroU32::MIN);
}

#[test]
fn burst_goes_at_once_and_then_one_for_each_interval() {
    for (limit, burst, interval_ns) in [
        (TokenBucket::per_second(of(10)), 10, SECOND_NS / 10),
        (TokenBucket::per_minute(of(100)), 100, 600_000_000),
        (TokenBucket::per_hour(of(10)), 10, 360 * SECOND_NS),
        (TokenBucket::per_second(of(10)).with_burst(of(3)), 3, SECOND_NS / 10),
        (TokenBucket::new(Duration::from_millis(250), of(5)).unwrap(), 5, 50_000_000),
        // A third of a second has no whole number of nanoseconds; the burst is whole all the same.
        (TokenBucket::per_second(of(3)), 3, 333_333_334),
        (TokenBucket::per_second(of(u32::MAX)).with_burst(of(7)), 7, 1),
    ] {
        let mut state = limit.new_state(clock::nanos(0));
        assert_eq!(drain(&limit, &mut state, clock::nanos(0)), burst, "{limit:?}");
        let denied = limit.check(&mut state, 1, clock::nanos(0)).unwrap_err();
        assert_eq!(denied.retry_at, clock::nanos(interval_ns), "{limit:?}");
        assert_eq!(drain(&limit, &mut state, clock::nanos(interval_ns - 1)), 0);
        assert_eq!(drain(&limit, &mut state, clock::nanos(interval_ns)), 1);
        let full = clock::nanos(interval_ns * (u64::from(burst) + 1));
        assert_eq!(drain(&limit, &mut state, full), burst);
    }
}

#[test]
fn silence_never_saves_up_more_than_the_burst() {
    let limit = TokenBucket::per_second(of(10)).with_burst(of(5));
    let mut state = limit.new_state(clock::nanos(0));
    assert_eq!(drain(&limit, &mut state, clock::nanos(3600 * SECOND_NS)), 5);
}

#[test]
fn cost_above_the_burst_can_never_be_paid() {
    let limit = TokenBucket::per_second(of(10));
    let mut state = limit.new_state(clock::nanos(0));
    limit.check(&mut state, 5, clock::nanos(0)).unwrap();
    let denied = limit.check(&mut state, 11, clock::nanos(0)).unwrap_err();
    assert_eq!(denied.reason, DeniedReason::CostAboveLimit { limit: 10 });
    // What it names instead is when the most costly request can pass.
    assert_eq!(limit.check(&mut state, 10, denied.retry_at), Ok(()));
}

#[test]
fn zero_cost_is_allowed_even_when_nothing_is_left() {
    let limit = TokenBucket::per_second(of(1));
    let mut state = limit.new_state(clock::nanos(0));
    drain(&limit, &mut state, clock::nanos(0));
    let before = state;
    assert_eq!(limit.check(&mut state, 0, clock::nanos(0)), Ok(()));
    assert_eq!(state, before);
}

#[test]
fn time_that_goes_back_allows_nothing_more() {
    let limit = TokenBucket::per_second(of(10));
    let mut state = limit.new_state(clock::millis(1000));
    assert_eq!(drain(&limit, &mut state, clock::millis(1000)), 10);
    assert_eq!(drain(&limit, &mut state, clock::millis(0)), 0);
    assert_eq!(drain(&limit, &mut state, clock::millis(1099)), 0);
    assert_eq!(drain(&limit, &mut state, clock::millis(1100)), 1);
}

#[test]
fn absurd_limits_neither_overflow_nor_get_stuck() {
    let year = Duration::from_secs(366 * 24 * 3600);
    let limit = TokenBucket::new(year, of(1)).unwrap().with_burst(of(u32::MAX));
    let mut state = limit.new_state(clock::nanos(0));
    assert_eq!(limit.check(&mut state, u32::MAX, clock::nanos(0)), Ok(()));
    let denied = limit.check(&mut state, u32::MAX, clock::nanos(0)).unwrap_err();
    assert_eq!(limit.check(&mut state, u32::MAX, denied.retry_at), Ok(()));
}

#[test]
fn faster_bucket_adopts_a_debt_of_hours_as_an_empty_bucket() {
    let slow = TokenBucket::per_hour(of(1));
    let fast = TokenBucket::per_second(of(10));
    let now = clock::nanos(0);
    let mut state = slow.new_state(now);
    drain(&slow, &mut state, now);
    let mut adopted = fast.adopt(state, now);
    assert_eq!(drain(&fast, &mut adopted, now), 0);
    assert_eq!(drain(&fast, &mut adopted, clock::millis(100)), 1);
    // And a debt that the new bucket can hold is kept as it is.
    let mut state = fast.new_state(now);
    fast.check(&mut state, 4, now).unwrap();
    assert_eq!(slow.adopt(state, now), state);
}

/// Counts tokens, as a child would explain a token bucket; a token has `token_ns` parts.
struct Naive {
    parts: u128,
    burst_parts: u128,
    token_ns: u128,
    now: u64,
}

impl Naive {
    fn new(token_ns: u64, burst: u32) -> Self {
        let burst_parts = u128::from(token_ns) * u128::from(burst);
        Self { parts: burst_parts, burst_parts, token_ns: token_ns.into(), now: 0 }
    }

    /// `Err` carries the earliest nanosecond at which there will be enough.
    fn check(&mut self, cost: u32, now: u64) -> Result<(), u64> {
        self.parts = (self.parts + u128::from(now - self.now)).min(self.burst_parts);
        self.now = now;
        let price = u128::from(cost) * self.token_ns;
        if price > self.parts {
            return Err(now + u64::try_from(price - self.parts).unwrap());
        }
        self.parts -= price;
        Ok(())
    }
}

proptest! {
    #[test]
    fn decisions_and_retry_times_are_those_of_counted_tokens(
        period_ns in prop_oneof![1u64..100_000, Just(SECOND_NS), Just(60 * SECOND_NS)],
        tokens in 1u32..200,
        burst in 1u32..50,
        requests in prop::collection::vec((0.0f64..3.0, 0u32..60), 1..200),
    ) {
        let limit =
            TokenBucket::new(Duration::from_nanos(period_ns), of(tokens)).unwrap().with_burst(of(burst));
        let token_ns = period_ns.div_ceil(tokens.into());
        let mut naive = Naive::new(token_ns, burst);
        let mut state = limit.new_state(clock::nanos(0));
        let mut now = 0;
        for (pause_tokens, cost) in requests {
            now += (pause_tokens * token_ns as f64) as u64;
            match limit.check(&mut state, cost, clock::nanos(now)) {
                Err(denied) if cost > burst => {
                    prop_assert_eq!(denied.reason, DeniedReason::CostAboveLimit { limit: burst });
                }
                got => {
                    let expect = naive.check(cost, now);
                    let got = got.map_err(|denied| denied.retry_at);
                    prop_assert_eq!(got, expect.map_err(clock::nanos), "at {} ns, cost {}", now, cost);
                }
            }
        }
    }

    #[test]
    fn no_span_of_time_sees_more_than_burst_and_rate(
        tokens in 1u32..100_000,
        burst in 1u32..50,
        requests in prop::collection::vec((0u64..2_000_000, 1u32..4), 1..120),
    ) {
        let limit = TokenBucket::per_second(of(tokens)).with_burst(of(burst));
        let mut state = limit.new_state(clock::nanos(0));
        let mut granted: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        for (pause, cost) in requests {
            now += pause;
            if limit.check(&mut state, cost, clock::nanos(now)).is_err() {
                continue;
            }
            granted.push((now, cost.into()));
            let mut sum = 0;
            for (then, cost) in granted.iter().rev() {
                sum += cost;
                // sum ≤ burst + tokens × span, in whole numbers.
                let allowed =
                    u64::from(burst) * SECOND_NS + u64::from(tokens) * (now - then);
                prop_assert!(sum * SECOND_NS <= allowed, "{} in {} ns", sum, now - then);
            }
        }
    }
}
