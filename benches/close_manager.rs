//! Ten thousand connections told to go, on virtual time: the bookkeeping of a drain.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{hint::black_box, num::NonZeroU32, time::Duration};

use criterion::{BenchmarkId, Throughput};
use ws_close_manager::{
    CloseHandshake, CloseOptions, GracefulCloseManager, Pace, Role, SendableCode,
};
use ws_gateway_benches::now;

mod measured;

use measured::Criterion;

const CONNECTIONS: u32 = 10_000;

fn close_many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("close of 10,000");
    group.throughput(Throughput::Elements(CONNECTIONS.into()));
    let restart = || CloseOptions::new(SendableCode::RESTART).reason("Server restart");
    let pace = Pace::new(NonZeroU32::new(5_000).unwrap(), 42);
    let cases = [
        ("all answer", restart(), true),
        ("all answer, at a pace", restart().pace(pace), true),
        ("none answers", restart(), false),
    ];
    for (name, options, answered) in cases {
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| drain(&options, answered));
        });
    }
}

/// The whole drain, from the first close frame to the last connection's end.
fn drain(options: &CloseOptions, answered: bool) {
    let mut now = now();
    let mut manager = GracefulCloseManager::default();
    assert_eq!(manager.close_all(0..CONNECTIONS, options, now), CONNECTIONS as usize);
    let mut told = Vec::with_capacity(CONNECTIONS as usize);
    loop {
        manager.handle_timeout(now);
        while let Some((key, frame)) = manager.poll_close(now) {
            black_box(frame);
            told.push(key);
        }
        while let Some(key) = manager.poll_force(now) {
            black_box(key);
        }
        if answered && !told.is_empty() {
            now += Duration::from_millis(1);
            for key in told.drain(..) {
                manager.handle_closed(&key, true, now);
            }
        } else {
            let Some(due) = manager.poll_timeout() else { break };
            now = due;
        }
    }
    let report = manager.report();
    assert!(report.is_done());
    let (acknowledged, forced) = if answered { (CONNECTIONS, 0) } else { (0, CONNECTIONS) };
    assert_eq!((report.acknowledged, report.forced), (acknowledged as usize, forced as usize));
}

fn close_one(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("close of one");
    let now = now();
    let timeout = Duration::from_secs(5);
    group.bench_function(BenchmarkId::new("ours", "begun here"), |bencher| {
        bencher.iter(|| {
            let mut handshake = CloseHandshake::new(black_box(Role::Server), timeout);
            assert!(handshake.start_close(SendableCode::NORMAL, now));
            black_box(handshake.handle_close(Some(SendableCode::NORMAL.into()), now));
            assert!(handshake.must_close_transport());
            handshake.outcome()
        });
    });
}

fn main() {
    measured::run(&[close_many, close_one]);
}
