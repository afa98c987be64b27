use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::{DeniedReason, FixedWindow, TokenBucket, clock};

fn of(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn capacity(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn ten_an_hour<K: Hash + Eq + Clone>(n: usize) -> KeyedLimiter<K, TokenBucket> {
    KeyedLimiter::new(TokenBucket::per_hour(of(10)), capacity(n))
}

#[test]
fn keys_do_not_share_an_allowance() {
    let limiter = ten_an_hour::<String>(100);
    for _ in 0..10 {
        assert_eq!(limiter.check("alice", clock::millis(0)), Ok(()));
    }
    let denied = limiter.check("alice", clock::millis(0)).unwrap_err();
    assert_eq!(denied.retry_at, clock::millis(360_000));
    assert_eq!(limiter.check(&String::from("bob"), clock::millis(0)), Ok(()));
    let expect = LimiterStats { allowed: 11, denied: 1, keys: 2, ..LimiterStats::default() };
    assert_eq!(limiter.stats(), expect);
}

#[test]
fn cost_is_taken_at_once_or_not_at_all() {
    let limiter = ten_an_hour::<u32>(100);
    assert_eq!(limiter.check_cost(&1, 7, clock::millis(0)), Ok(()));
    assert!(limiter.check_cost(&1, 4, clock::millis(0)).is_err());
    assert_eq!(limiter.check_cost(&1, 3, clock::millis(0)), Ok(()));
}

#[test]
fn forgotten_key_has_its_whole_allowance() {
    let limiter = ten_an_hour::<u32>(100);
    limiter.check_cost(&1, 10, clock::millis(0)).unwrap();
    assert!(limiter.forget(&1));
    assert!(!limiter.forget(&1));
    assert!(limiter.is_empty());
    assert_eq!(limiter.check_cost(&1, 10, clock::millis(0)), Ok(()));
}

#[test]
fn key_that_has_used_nothing_gets_no_entry() {
    let limiter = ten_an_hour::<u32>(100);
    assert_eq!(limiter.check_cost(&1, 0, clock::millis(0)), Ok(()));
    let denied = limiter.check_cost(&2, 11, clock::millis(0)).unwrap_err();
    assert_eq!(denied.reason, DeniedReason::CostAboveLimit { limit: 10 });
    assert_eq!(limiter.len(), 0);
}

#[test]
fn recovered_keys_make_way_for_new_ones_without_a_sweep() {
    let limiter =
        KeyedLimiter::new(FixedWindow::new(Duration::from_secs(1), of(5)).unwrap(), capacity(1000));
    for key in 0..100 {
        limiter.check(&key, clock::millis(0)).unwrap();
    }
    assert_eq!(limiter.len(), 100);
    for key in 100..200 {
        limiter.check(&key, clock::millis(1000)).unwrap();
    }
    let stats = limiter.stats();
    assert_eq!((stats.keys, stats.recovered, stats.evicted), (100, 100, 0));
}

#[test]
fn sweep_forgets_the_recovered_and_keeps_the_others() {
    let limiter = ten_an_hour::<u32>(10_000);
    for key in 0..500 {
        limiter.check_cost(&key, 1 + key % 2, clock::millis(0)).unwrap();
    }
    // One token is back after six minutes, two after twelve.
    assert_eq!(limiter.forget_recovered(clock::millis(360_000)), 250);
    assert_eq!((limiter.len(), limiter.stats().keys), (250, 250));
    assert_eq!(limiter.forget_recovered(clock::millis(360_000)), 0);
    assert_eq!(limiter.forget_recovered(clock::millis(720_000)), 250);
    assert!(limiter.is_empty());
}

#[test]
fn table_never_outgrows_its_capacity_and_is_used_nearly_whole() {
    for n in [1, 2, 255, 256, 1000, 5000] {
        let limiter = ten_an_hour::<u64>(n);
        for key in 0..4 * n as u64 {
            limiter.check(&key, clock::millis(0)).unwrap();
            assert!(limiter.len() <= n, "{} keys of {n}", limiter.len());
            if limiter.len() < n - n / 256 {
                assert_eq!(limiter.stats().evicted, 0, "at {} keys of {n}", limiter.len());
            }
        }
        let stats = limiter.stats();
        assert!(stats.keys >= n - n / 256, "{} keys of {n}", stats.keys);
        assert_eq!(stats.keys, limiter.len());
        assert_eq!(stats.evicted, 4 * n as u64 - stats.keys as u64);
    }
}

#[test]
fn spray_of_addresses_does_not_pardon_the_key_that_is_denied() {
    let limiter = ten_an_hour::<u64>(1000);
    limiter.check_cost(&0, 10, clock::millis(0)).unwrap();
    // Fifty tables full of others come by, and the denied key stays silent all the while.
    for key in 1..50_000 {
        limiter.check(&key, clock::millis(1)).unwrap();
    }
    assert!(limiter.check(&0, clock::millis(2)).is_err());
    assert!(limiter.len() <= 1000);
}

#[test]
fn full_table_forgets_a_recovered_key_before_any_other() {
    // One shard: the order of eviction is that of the whole table.
    let limiter = ten_an_hour::<u32>(8);
    for (key, cost) in [(0, 9), (1, 8), (2, 1), (3, 7), (4, 9), (5, 9), (6, 9), (7, 9)] {
        limiter.check_cost(&key, cost, clock::millis(0)).unwrap();
    }
    // After six minutes only key 2 has recovered; it goes, though it is not the most silent.
    limiter.check(&8, clock::millis(360_000)).unwrap();
    let stats = limiter.stats();
    assert_eq!((stats.keys, stats.recovered, stats.evicted), (8, 1, 0));
    // Next it is the one that has used least among the silent: key 8 itself, with one token.
    limiter.check_cost(&9, 5, clock::millis(360_000)).unwrap();
    assert_eq!(limiter.stats().evicted, 1);
    assert_eq!(limiter.check_cost(&8, 10, clock::millis(360_000)), Ok(()));
}

#[test]
fn debug_of_a_limiter_does_not_print_its_keys() {
    let limiter = ten_an_hour::<String>(10);
    limiter.check("alice", clock::millis(0)).unwrap();
    let debug = format!("{limiter:?}");
    assert!(debug.contains("keys: 1") && !debug.contains("alice"), "{debug}");
}

#[test]
fn what_costs_more_than_there_can_be_costs_all_of_it() {
    let limiter = ten_an_hour::<u32>(100);
    assert_eq!(limiter.charge(&1, 1, clock::millis(0)), Ok(()));
    // Nine are left; the tenth is back after six minutes.
    let denied = limiter.charge(&1, u32::MAX, clock::millis(0)).unwrap_err();
    assert_eq!(denied, Denied::exhausted(clock::millis(360_000)));
    assert_eq!(limiter.charge(&1, u32::MAX, denied.retry_at), Ok(()));
    assert!(limiter.charge(&1, 1, denied.retry_at).is_err());
    let expect = LimiterStats { allowed: 2, denied: 2, keys: 1, ..LimiterStats::default() };
    assert_eq!(limiter.stats(), expect);
}

#[test]
fn limit_that_is_only_watched_denies_nobody_and_counts_whom_it_would_have_denied() {
    let limiter = ten_an_hour::<u32>(100).with_mode(Mode::Shadow);
    assert_eq!(limiter.mode(), Mode::Shadow);
    for _ in 0..25 {
        assert_eq!(limiter.check(&1, clock::millis(0)), Ok(()));
    }
    let expect = LimiterStats { allowed: 25, shadowed: 15, keys: 1, ..LimiterStats::default() };
    assert_eq!(limiter.stats(), expect);
    // What would have been denied takes nothing: enforced, the limit is where it would have been.
    limiter.set_mode(Mode::Enforce);
    assert_eq!(limiter.check(&1, clock::millis(0)), Err(Denied::exhausted(clock::millis(360_000))));
}

#[test]
fn who_asks_whether_it_would_be_allowed_takes_nothing() {
    let limiter = ten_an_hour::<u32>(100);
    for _ in 0..20 {
        assert_eq!(limiter.probe(&1, 10, clock::millis(0)), Ok(()));
    }
    assert_eq!((limiter.len(), limiter.stats().allowed), (0, 0));
    limiter.check_cost(&1, 10, clock::millis(0)).unwrap();
    let denied = limiter.probe(&1, 1, clock::millis(0)).unwrap_err();
    assert_eq!(limiter.probe(&1, 1, denied.retry_at), Ok(()));
}
