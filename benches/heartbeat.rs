//! A frame noted, a deadline passed, an interval of ten thousand connections.
//!
//! The peer is tokio's timer, moved on each frame: what a server does that has a timeout around its
//! next read.

use std::{
    future::Future,
    hint::black_box,
    pin::Pin,
    task::Context,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Throughput};
use tokio::{runtime::Builder, time::Sleep};
use ws_gateway_benches::now;
use ws_heartbeat::{Action, Heartbeat, HeartbeatConfig, HeartbeatManager};

mod measured;

use measured::Criterion;

const CONNECTIONS: u64 = 10_000;
const INTERVAL: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

fn on_a_frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heartbeat, frame");
    let now = now();
    let key = |i: u64| i.wrapping_mul(48_271) % CONNECTIONS;

    let mut heartbeat = Heartbeat::new(HeartbeatConfig::default(), now, 42);
    group.bench_function(BenchmarkId::new("ours", "1 connection"), |bencher| {
        bencher.iter(|| black_box(&mut heartbeat).handle_frame(black_box(now)));
    });
    let mut heartbeats: Vec<_> = (0..CONNECTIONS)
        .map(|seed| Heartbeat::new(HeartbeatConfig::default(), now, seed))
        .collect();
    let mut i = 0;
    group.bench_function(BenchmarkId::new("ours", "10,000 connections"), |bencher| {
        bencher.iter(|| {
            i += 1;
            heartbeats[key(i) as usize].handle_frame(black_box(now));
        });
    });
    let mut registry = registry(now);
    let mut i = 0;
    group.bench_function(BenchmarkId::new("ours, by key", "10,000 connections"), |bencher| {
        bencher.iter(|| {
            i += 1;
            registry.handle_frame(&key(i), black_box(now));
        });
    });

    let Ok(runtime) = Builder::new_current_thread().enable_time().build() else { return };
    let _guard = runtime.enter();
    for (name, connections) in [("1 connection", 1), ("10,000 connections", CONNECTIONS)] {
        let mut sleeps: Vec<_> = (0..connections).map(|_| armed_sleep()).collect();
        let start = tokio::time::Instant::now();
        let mut i = 0;
        group.bench_function(BenchmarkId::new("tokio's timer", name), |bencher| {
            bencher.iter(|| {
                i += 1;
                // Each frame comes a little later than the one before.
                let deadline = start + INTERVAL + Duration::from_nanos(i * 100);
                sleeps[(key(i) % connections) as usize].as_mut().reset(deadline);
            });
        });
    }
}

/// A timer that somebody waits for: one that nobody has polled is moved for free.
fn armed_sleep() -> Pin<Box<Sleep>> {
    let mut sleep = Box::pin(tokio::time::sleep(INTERVAL));
    let pending = sleep.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    assert!(pending.is_pending());
    sleep
}

fn on_a_deadline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heartbeat, deadline");
    let start = now();
    let heartbeat = || Heartbeat::new(HeartbeatConfig::default(), start, 42);

    let mut early = heartbeat();
    group.bench_function(BenchmarkId::new("ours", "not yet"), |bencher| {
        bencher.iter(|| assert!(black_box(&mut early).handle_timeout(start).is_none()));
    });
    let (mut busy, mut now) = (heartbeat(), start);
    group.bench_function(BenchmarkId::new("ours", "moved by traffic"), |bencher| {
        bencher.iter(|| {
            now += INTERVAL;
            busy.handle_frame(now - MS);
            assert!(black_box(&mut busy).handle_timeout(now).is_none());
        });
    });
    let (mut silent, mut now) = (heartbeat(), start);
    group.bench_function(BenchmarkId::new("ours", "ping and pong"), |bencher| {
        bencher.iter(|| {
            now += INTERVAL;
            let Some(Action::SendPing(payload)) = silent.handle_timeout(now) else {
                panic!("a silent peer is pinged");
            };
            assert_eq!(silent.handle_pong(black_box(&payload), now), Some(Duration::ZERO));
        });
    });
}

fn registry(now: Instant) -> HeartbeatManager<u64> {
    let mut registry = HeartbeatManager::new(HeartbeatConfig::default(), 42);
    for key in 0..CONNECTIONS {
        registry.start(key, now);
    }
    registry
}

fn registry_of_many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heartbeat, registry of 10,000");

    let start = now();
    let mut quiet = registry(start);
    group.bench_function(BenchmarkId::new("ours", "tick, nothing due"), |bencher| {
        bencher.iter(|| assert!(quiet.handle_timeout(black_box(start)).is_none()));
    });

    group.throughput(Throughput::Elements(CONNECTIONS));
    let (mut busy, mut now_busy) = (registry(start), start);
    group.bench_function(BenchmarkId::new("ours", "interval, all talk"), |bencher| {
        bencher.iter(|| {
            now_busy += INTERVAL;
            for key in 0..CONNECTIONS {
                busy.handle_frame(&key, now_busy - MS);
            }
            assert!(busy.handle_timeout(now_busy).is_none());
        });
    });
    let (mut silent, mut now_silent) = (registry(start), start);
    group.bench_function(BenchmarkId::new("ours", "interval, all are pinged"), |bencher| {
        bencher.iter(|| {
            now_silent += INTERVAL + MS;
            let mut pings = 0;
            while let Some((key, action)) = silent.handle_timeout(now_silent) {
                let Action::SendPing(payload) = action else { panic!("nobody is dead") };
                silent.handle_pong(&key, &payload, now_silent);
                pings += 1;
            }
            assert_eq!(pings, CONNECTIONS);
        });
    });
}

fn main() {
    measured::run(&[on_a_frame, on_a_deadline, registry_of_many]);
}
