use super::*;
use crate::backoff::{BackoffConfig, Jitter};

const SECOND: Duration = Duration::from_secs(1);

fn backoff(attempts_max: Option<u32>) -> Backoff {
    Backoff::new(BackoffConfig { jitter: Jitter::None, attempts_max, ..Default::default() })
}

fn delays(status: NetworkStatus) -> Vec<u64> {
    let mut backoff = backoff(None);
    let delay = |_| match status.next_attempt(&mut backoff, 0.0) {
        NextAttempt::After(delay) => delay.as_secs(),
        other => panic!("{other:?}"),
    };
    (0..6).map(delay).collect()
}

#[test]
fn the_latency_of_a_probe_tells_how_the_network_is() {
    let check = |millis, status| {
        assert_eq!(NetworkStatus::of_latency(Duration::from_millis(millis)), status, "{millis} ms");
    };
    check(0, NetworkStatus::Online);
    check(1_000, NetworkStatus::Online);
    check(1_001, NetworkStatus::Unstable);
    check(5_000, NetworkStatus::Unstable);
    check(5_001, NetworkStatus::Slow);
}

#[test]
fn offline_no_attempt_is_made_or_counted() {
    let mut backoff = backoff(Some(1));
    for _ in 0..3 {
        let next = NetworkStatus::Offline.next_attempt(&mut backoff, 0.0);
        assert_eq!(next, NextAttempt::NetworkBack);
    }
    assert_eq!(backoff.attempts(), 0);
    let next = NetworkStatus::Online.next_attempt(&mut backoff, 0.0);
    assert_eq!(next, NextAttempt::After(SECOND));
}

#[test]
fn a_slow_network_waits_at_least_five_seconds() {
    assert_eq!(delays(NetworkStatus::Slow), [5, 5, 5, 8, 16, 30]);
    assert_eq!(delays(NetworkStatus::Online), [1, 2, 4, 8, 16, 30]);
}

#[test]
fn an_unstable_network_waits_at_least_two_seconds() {
    assert_eq!(delays(NetworkStatus::Unstable), [2, 2, 4, 8, 16, 30]);
}

#[test]
fn a_poor_network_goes_on_beyond_the_bound_of_attempts() {
    for status in [NetworkStatus::Slow, NetworkStatus::Unstable] {
        let mut backoff = backoff(Some(2));
        for _ in 0..5 {
            let next = status.next_attempt(&mut backoff, 0.0);
            assert!(matches!(next, NextAttempt::After(_)), "{status:?}: {next:?}");
        }
        let next = NetworkStatus::Online.next_attempt(&mut backoff, 0.0);
        assert_eq!(next, NextAttempt::Never, "a good network has no such excuse");
    }
}

#[tokio::test]
async fn a_receiver_is_a_source() {
    let (sender, receiver) = watch::channel(NetworkStatus::default());
    let mut watched = NetworkSource::watch(&receiver);
    assert_eq!(*watched.borrow_and_update(), NetworkStatus::Online);
    sender.send_replace(NetworkStatus::Offline);
    watched.changed().await.expect("the sender is there");
    assert_eq!(*watched.borrow_and_update(), NetworkStatus::Offline);
}
