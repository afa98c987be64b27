//! Masking alone, beside the loop that RFC 6455 §5.3 writes down.
//!
//! tungstenite keeps its own to itself; `frames` compares with it inside whole frames.

use std::hint::black_box;

use criterion::{BenchmarkId, Throughput};
use ws_connection::apply_mask;

mod measured;

use measured::Criterion;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn mask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for (name, len) in [("20 B", 20), ("125 B", 125), ("1 KiB", 1024), ("64 KiB", 64 * 1024)] {
        let mut bytes = vec![0x5a; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| apply_mask(black_box(&mut bytes), black_box(KEY), 0));
        });
        // A payload that was cut by a read goes on in the middle of the key, on an odd address.
        group.bench_function(BenchmarkId::new("ours, cut", name), |bencher| {
            bencher.iter(|| apply_mask(black_box(&mut bytes[1..]), black_box(KEY), 3));
        });
        group.bench_function(BenchmarkId::new("by the definition", name), |bencher| {
            bencher.iter(|| {
                let key = black_box(KEY);
                for (i, byte) in black_box(&mut bytes).iter_mut().enumerate() {
                    *byte ^= key[i % 4];
                }
            });
        });
    }
}

fn main() {
    measured::run(&[mask]);
}
