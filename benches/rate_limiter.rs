//! One check of a limiter: each algorithm, one key and 100,000, one thread and eight, beside governor.
//!
//! governor reads a clock of its own where ours is told the time. So that algorithms and tables are
//! compared, and not clocks, it is given one that stands still; the group `limiter, clock read` has
//! both read theirs.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    hint::black_box,
    num::{NonZeroU32, NonZeroUsize},
    sync::Barrier,
    thread,
    time::Duration,
};

use criterion::{BenchmarkGroup, BenchmarkId, Throughput, measurement::Measurement};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter, clock::FakeRelativeClock,
    middleware::NoOpMiddleware, nanos::Nanos, state::keyed::DashMapStateStore,
};
use ws_gateway_benches::now;
use ws_rate_limiter::{FixedWindow, KeyedLimiter, Limit, SlidingWindow, TokenBucket};

mod measured;

use measured::{Criterion, ProcessorTime};

const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
const CAPACITY: NonZeroUsize = NonZeroUsize::new(200_000).unwrap();
const SECOND: Duration = Duration::from_secs(1);
const KEYS: [(&str, u64); 2] = [("1 key", 1), ("100,000 keys", 100_000)];
const THREADS: u64 = 8;

/// Ten a second, so that no key recovers and is forgotten while it is measured, and so much at once
/// that none is denied.
fn bucket() -> TokenBucket {
    TokenBucket::per_second(TEN).with_burst(NonZeroU32::MAX)
}

fn fixed() -> FixedWindow {
    FixedWindow::new(SECOND, NonZeroU32::MAX).unwrap()
}

fn sliding() -> SlidingWindow {
    SlidingWindow::new(SECOND, NonZeroU32::MAX).unwrap()
}

fn quota() -> Quota {
    Quota::per_second(TEN).allow_burst(NonZeroU32::MAX)
}

/// governor's limiter by key at a time that stands still.
type Peer = RateLimiter<u64, DashMapStateStore<u64>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

fn peer(quota: Quota) -> Peer {
    RateLimiter::dashmap_with_clock(quota, FakeRelativeClock::default())
}

/// The `i`-th of a walk over all keys that comes back to none of them early.
fn key(i: u64, keys: u64) -> u64 {
    i.wrapping_mul(48_271) % keys
}

/// A way to call checks: by one thread, or by eight.
trait Bench {
    /// Measures `check`, whose argument becomes a key.
    fn run(&mut self, who: &str, name: &str, check: impl Fn(u64) -> bool + Sync);
}

/// Hands each limiter to `bench`, with a number of keys that are all known already.
fn each_limiter(bench: &mut impl Bench) {
    for (name, keys) in KEYS {
        ours(&format!("bucket, {name}"), bucket(), keys, bench);
        ours(&format!("fixed window, {name}"), fixed(), keys, bench);
        ours(&format!("sliding window, {name}"), sliding(), keys, bench);
        let peer = peer(quota());
        let check = |i| peer.check_key(&key(i, keys)).is_ok();
        assert!((0..keys).all(check));
        bench.run("governor", &format!("bucket, {name}"), check);
        assert_eq!(peer.len() as u64, keys);
    }
}

fn ours<L>(name: &str, limit: L, keys: u64, bench: &mut impl Bench)
where
    L: Limit + Sync,
    L::State: Send,
{
    let now = now();
    let limiter = KeyedLimiter::<u64, L>::new(limit, CAPACITY);
    let check = |i| limiter.check(&key(i, keys), now).is_ok();
    assert!((0..keys).all(check));
    bench.run("ours", name, check);
    assert_eq!(limiter.len() as u64, keys);
}

struct OneThread<'c>(BenchmarkGroup<'c, ProcessorTime>);

impl Bench for OneThread<'_> {
    fn run(&mut self, who: &str, name: &str, check: impl Fn(u64) -> bool + Sync) {
        let mut i = 0;
        self.0.bench_function(BenchmarkId::new(who, name), |bencher| {
            bencher.iter(|| {
                i += 1;
                assert!(check(i));
            });
        });
    }
}

/// All threads begin together; the time is what they spend until the last is done.
struct EightThreads<'c>(BenchmarkGroup<'c, ProcessorTime>);

impl Bench for EightThreads<'_> {
    fn run(&mut self, who: &str, name: &str, check: impl Fn(u64) -> bool + Sync) {
        self.0.bench_function(BenchmarkId::new(who, name), |bencher| {
            bencher.iter_custom(|iterations| {
                let line = Barrier::new(THREADS as usize + 1);
                let start = thread::scope(|scope| {
                    for thread in 0..THREADS {
                        let (line, check) = (&line, &check);
                        scope.spawn(move || {
                            line.wait();
                            for i in 0..iterations.div_ceil(THREADS) {
                                assert!(check(i + thread * 1_000_003));
                            }
                        });
                    }
                    // Read before they go: whoever waits for a processor behind them reads late.
                    let start = ProcessorTime.start();
                    line.wait();
                    start
                });
                ProcessorTime.end(start)
            });
        });
    }
}

fn one_thread(criterion: &mut Criterion) {
    each_limiter(&mut OneThread(criterion.benchmark_group("limiter, 1 thread")));
}

fn eight_threads(criterion: &mut Criterion) {
    each_limiter(&mut EightThreads(criterion.benchmark_group("limiter, 8 threads")));
}

fn clock_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limiter, clock read");
    for (name, keys) in KEYS {
        let limiter = KeyedLimiter::<u64, _>::new(bucket(), CAPACITY);
        let mut i = 0;
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| {
                i += 1;
                assert!(limiter.check(&key(i, keys), now()).is_ok());
            });
        });
        let peer = DefaultKeyedRateLimiter::<u64>::dashmap(quota());
        let mut i = 0;
        group.bench_function(BenchmarkId::new("governor", name), |bencher| {
            bencher.iter(|| {
                i += 1;
                assert!(peer.check_key(&key(i, keys)).is_ok());
            });
        });
    }
}

/// A limit that belongs to one connection: no key, no table.
fn one_caller(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limiter, one caller");
    let now = now();
    let mut ours = |name: &str, check: &mut dyn FnMut() -> bool| {
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| assert!(check()));
        });
    };
    let (limit, mut state) = (bucket(), bucket().new_state(now));
    ours("bucket", &mut || limit.check(black_box(&mut state), 1, now).is_ok());
    let (limit, mut state) = (fixed(), fixed().new_state(now));
    ours("fixed window", &mut || limit.check(black_box(&mut state), 1, now).is_ok());
    let (limit, mut state) = (sliding(), sliding().new_state(now));
    ours("sliding window", &mut || limit.check(black_box(&mut state), 1, now).is_ok());
    let peer = RateLimiter::direct_with_clock(quota(), FakeRelativeClock::default());
    group.bench_function(BenchmarkId::new("governor", "bucket"), |bencher| {
        bencher.iter(|| assert!(peer.check().is_ok()));
    });
}

/// Who is over the limit must not cost more than who is not; nor must who comes once and never again.
fn under_attack(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limiter, under attack");
    let now = now();
    let one = NonZeroU32::MIN;

    let limiter = KeyedLimiter::<u64, _>::new(TokenBucket::per_hour(one), CAPACITY);
    assert!(limiter.check(&1, now).is_ok());
    group.bench_function(BenchmarkId::new("ours", "denied"), |bencher| {
        bencher.iter(|| assert!(limiter.check(black_box(&1), now).is_err()));
    });
    let peer = peer(Quota::per_hour(one));
    assert!(peer.check_key(&1).is_ok());
    group.bench_function(BenchmarkId::new("governor", "denied"), |bencher| {
        bencher.iter(|| assert!(peer.check_key(black_box(&1)).is_err()));
    });

    // governor's table would grow without a bound, so there is nothing to compare with.
    let capacity = NonZeroUsize::new(10_000).unwrap();
    let limiter = KeyedLimiter::<u64, _>::new(TokenBucket::per_hour(one), capacity);
    let mut stranger = 0;
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("ours", "a new key each time"), |bencher| {
        bencher.iter(|| {
            stranger += 1;
            limiter.check(&stranger, now).is_ok()
        });
    });
    assert!(limiter.len() <= capacity.get());
}

fn main() {
    measured::run(&[one_thread, eight_threads, clock_read, one_caller, under_attack]);
}
