//! Sizes judged and counted: what each frame and each message costs.

use std::hint::black_box;

use criterion::{BenchmarkId, Throughput};
use ws_frame_validator::{FrameSizeValidator, SizeLimits, SizeTally};

mod measured;

use measured::Criterion;

const SIZES: usize = 1024;

/// Sizes as they come: most small, one in a hundred above the warning threshold.
fn sizes() -> Vec<u64> {
    (0..SIZES as u64).map(|i| if i % 100 == 99 { 600_000 } else { i * 7919 % 4096 }).collect()
}

fn judge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame size");
    let (limits, sizes) = (SizeLimits::default(), sizes());
    group.throughput(Throughput::Elements(SIZES as u64));
    group.bench_function(BenchmarkId::new("ours", "check"), |bencher| {
        let limits = black_box(limits);
        bencher.iter(|| {
            sizes.iter().filter(|size| black_box(limits.check(**size, 0)).is_ok()).count()
        });
    });
    group.bench_function(BenchmarkId::new("ours", "check compressed"), |bencher| {
        let limits = black_box(limits);
        let check = |size: &&u64| black_box(limits.check_compressed(**size, 0)).is_ok();
        bencher.iter(|| sizes.iter().filter(check).count());
    });
    group.bench_function(BenchmarkId::new("ours", "check and tally"), |bencher| {
        let validator = FrameSizeValidator::new(limits);
        bencher.iter(|| {
            let mut tally = SizeTally::default();
            for size in &sizes {
                if let Ok(verdict) = limits.check(black_box(*size), 0) {
                    tally.record(*size, verdict);
                }
            }
            validator.absorb(&mut tally);
        });
    });
    group.bench_function(BenchmarkId::new("ours", "validate, shared books"), |bencher| {
        let validator = FrameSizeValidator::new(limits);
        bencher.iter(|| {
            let valid = |size: &&u64| validator.validate_frame_size(**size, Some("u"), "c").valid;
            sizes.iter().filter(valid).count()
        });
    });
}

fn refuse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame size refused");
    let validator = FrameSizeValidator::default();
    let mut offender = 0;
    // As many connections as are remembered, and ten times as many.
    for (name, connections) in [("1,000 offenders", 1000), ("10,000 offenders", 10_000)] {
        let names: Vec<_> = (0..connections).map(|i| format!("connection-{i}")).collect();
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| {
                offender = (offender + 1) % connections;
                validator.validate_frame_size(2_000_000, Some("user-1"), &names[offender])
            });
        });
    }
}

fn main() {
    measured::run(&[judge, refuse]);
}
