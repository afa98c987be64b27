//! Many threads on one limiter: the limit and the bound of the table hold all the same.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ws_rate_limiter::{FixedWindow, KeyedLimiter, Limit, SlidingWindow, TokenBucket};

const THREADS: u64 = 8;

#[expect(clippy::disallowed_methods, reason = "a test needs one base instant to add durations to")]
fn base() -> Instant {
    Instant::now()
}

#[expect(clippy::unwrap_used, reason = "a zero in a test is a mistake in the test")]
fn of(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

#[expect(clippy::unwrap_used, reason = "a zero in a test is a mistake in the test")]
fn limiter<K, L: Limit>(limit: L, capacity: usize) -> KeyedLimiter<K, L>
where
    K: std::hash::Hash + Eq + Clone,
{
    KeyedLimiter::new(limit, NonZeroUsize::new(capacity).unwrap())
}

/// Lets all threads loose on the same keys at the same instants, and returns what each key was granted.
fn storm<L>(limit: L, keys: u64, rounds: u64, at: impl Fn(u64) -> Instant + Sync) -> Vec<u64>
where
    L: Limit + Sync,
    L::State: Send,
{
    let limiter = limiter::<u64, L>(limit, 1000);
    let granted: Vec<_> = (0..keys).map(|_| AtomicU64::new(0)).collect();
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for round in 0..rounds {
                    for key in 0..keys {
                        if limiter.check(&key, at(round)).is_ok() {
                            granted[key as usize].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let granted: Vec<u64> = granted.into_iter().map(AtomicU64::into_inner).collect();
    let stats = limiter.stats();
    assert_eq!(stats.allowed, granted.iter().sum::<u64>());
    assert_eq!(stats.allowed + stats.denied, THREADS * rounds * keys);
    assert_eq!(stats.evicted, 0);
    granted
}

#[test]
fn at_one_instant_exactly_the_limit_is_granted_to_each_key() {
    let now = base();
    let second = Duration::from_secs(1);
    let bucket = storm(TokenBucket::per_second(of(50)), 20, 100, |_| now);
    let fixed = storm(FixedWindow::new(second, of(50)).unwrap(), 20, 100, |_| now);
    let sliding = storm(SlidingWindow::new(second, of(50)).unwrap(), 20, 100, |_| now);
    for granted in [bucket, fixed, sliding] {
        assert_eq!(granted, [50; 20]);
    }
}

#[test]
fn while_time_passes_no_key_is_granted_more_than_burst_and_rate() {
    // Threads run apart, so that each sees the instants of the others go forth and back.
    let now = base();
    let granted = storm(TokenBucket::per_second(of(1000)).with_burst(of(10)), 8, 2000, |round| {
        now + Duration::from_micros(100 * round)
    });
    // 1999 rounds of 100 µs refill 199 tokens.
    for granted in granted {
        assert!((10..=209).contains(&granted), "{granted}");
    }
}

#[test]
fn spray_from_many_threads_stays_within_the_capacity() {
    const CAPACITY: usize = 4096;
    const KEYS: u64 = 20_000;
    let now = base();
    let limiter = limiter::<u64, _>(TokenBucket::per_hour(of(10)), CAPACITY);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let limiter = &limiter;
            scope.spawn(move || {
                for n in 0..KEYS {
                    limiter.check(&(thread * KEYS + n), now).unwrap();
                    if n % 64 == 0 {
                        limiter.forget(&(thread * KEYS + n / 2));
                    }
                    // The common count runs ahead by the key that each thread is bringing in.
                    assert!(limiter.len() <= CAPACITY + THREADS as usize);
                }
            });
        }
    });
    let stats = limiter.stats();
    assert!(stats.keys <= CAPACITY, "{} keys", stats.keys);
    assert_eq!(stats.keys, limiter.len());
    assert_eq!(stats.allowed, THREADS * KEYS);
}
