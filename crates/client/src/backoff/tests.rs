use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn backoff(jitter: Jitter) -> Backoff {
    Backoff::new(BackoffConfig { jitter, ..BackoffConfig::default() })
}

fn delays(backoff: &mut Backoff, random: f64) -> Vec<u64> {
    (0..8).map(|_| backoff.next_delay_unbounded(random).as_millis() as u64).collect()
}

#[test]
fn the_delays_grow_to_the_cap_and_are_spread_over_all_of_it() {
    let ceilings = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    assert_eq!(delays(&mut backoff(Jitter::Full), 1.0), ceilings);
    assert_eq!(delays(&mut backoff(Jitter::Full), 0.5), ceilings.map(|ms| ms / 2));
    assert_eq!(delays(&mut backoff(Jitter::Full), 0.0), [0; 8]);
}

#[test]
fn equal_jitter_keeps_half_of_the_delay() {
    let ceilings = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    assert_eq!(delays(&mut backoff(Jitter::Equal), 0.0), ceilings.map(|ms| ms / 2));
    assert_eq!(delays(&mut backoff(Jitter::Equal), 1.0), ceilings);
    assert_eq!(delays(&mut backoff(Jitter::None), 0.0), ceilings);
}

#[test]
fn bounded_attempts_are_used_up() {
    let config = BackoffConfig { attempts_max: Some(2), ..BackoffConfig::default() };
    let mut backoff = Backoff::new(config);
    assert_eq!(backoff.next_delay(1.0), Some(SECOND));
    assert_eq!(backoff.next_delay(1.0), Some(2 * SECOND));
    assert_eq!(backoff.next_delay(1.0), None);
    assert_eq!(backoff.attempts(), 2, "what was not granted does not count");
    assert_eq!(backoff.next_delay_unbounded(1.0), 4 * SECOND);

    let config = BackoffConfig { attempts_max: Some(0), ..BackoffConfig::default() };
    assert_eq!(Backoff::new(config).next_delay(1.0), None);
}

#[test]
fn a_healthy_period_makes_the_next_attempt_the_first_again() {
    let start = tokio::time::Instant::now().into_std();
    let mut backoff = backoff(Jitter::None);
    for _ in 0..3 {
        backoff.next_delay_unbounded(0.0);
    }
    backoff.handle_connected(start);
    backoff.handle_lost(start + backoff.config().reset_after);
    assert_eq!(backoff.attempts(), 0);
    assert_eq!(backoff.next_delay(0.0), Some(SECOND));
}

#[test]
fn a_connection_that_is_dropped_at_once_does_not_reset_the_attempts() {
    let start = tokio::time::Instant::now().into_std();
    let mut backoff = backoff(Jitter::None);
    for _ in 0..3 {
        backoff.next_delay_unbounded(0.0);
        backoff.handle_connected(start);
        backoff.handle_lost(start + backoff.config().reset_after - Duration::from_nanos(1));
    }
    assert_eq!(backoff.next_delay(0.0), Some(8 * SECOND));
}

#[test]
fn failed_attempts_are_no_healthy_period() {
    let start = tokio::time::Instant::now().into_std();
    let mut backoff = backoff(Jitter::None);
    backoff.handle_connected(start);
    backoff.handle_lost(start + SECOND);
    for _ in 0..3 {
        backoff.next_delay_unbounded(0.0);
        // An hour of vain attempts: nothing was connected in it.
        backoff.handle_lost(start + 3_600 * SECOND);
    }
    assert_eq!(backoff.attempts(), 3);
    backoff.reset();
    assert_eq!(backoff.attempts(), 0);
}

fn jitters() -> impl Strategy<Value = Jitter> {
    prop_oneof![Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::None)]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        any::<u64>().prop_map(Duration::from_nanos),
        (0..120_000u64).prop_map(Duration::from_millis),
    ]
}

proptest! {
    #[test]
    fn no_delay_leaves_its_bounds(
        base in durations(),
        cap in durations(),
        jitter in jitters(),
        randoms in prop::collection::vec(prop_oneof![0.0..=1.0, any::<f64>()], 0..200),
    ) {
        let mut backoff = Backoff::new(BackoffConfig { base, cap, jitter, ..Default::default() });
        let mut ceiling = base.min(cap);
        for random in randoms {
            let delay = backoff.next_delay(random).expect("attempts have no bound");
            prop_assert!(delay <= ceiling, "{delay:?} is over {ceiling:?}");
            let floor = match jitter {
                Jitter::Full => Duration::ZERO,
                // Half of a nanosecond is none, and so is what a float cannot tell apart.
                Jitter::Equal => ceiling.mul_f64(0.499_999).saturating_sub(Duration::from_nanos(1)),
                Jitter::None => ceiling,
            };
            prop_assert!(delay >= floor, "{delay:?} is under {floor:?}");
            ceiling = ceiling.saturating_mul(2).min(cap);
        }
    }

    #[test]
    fn a_longer_draw_is_never_a_shorter_delay(
        attempts in 0..40u32, low in 0.0..=1.0, high in 0.0..=1.0, jitter in jitters(),
    ) {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        let mut first = backoff(jitter);
        (0..attempts).for_each(|_| { first.next_delay(0.0); });
        let mut second = first.clone();
        prop_assert!(first.next_delay(low) <= second.next_delay(high));
    }
}
