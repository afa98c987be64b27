//! Topics, logs and records of the engine that is the default, beside what one writes by hand.
//!
//! All calls are answered when they return, so that a bench asks and takes; the box around an answer, which
//! the trait asks for, is in every figure.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    collections::{HashMap, VecDeque},
    hint::black_box,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use futures_util::FutureExt;
use parking_lot::Mutex;
use ws_broker::{
    Answer, Engine, Entry, Keep, Listener, Log, Memory, MemoryConfig, ReadLimits, Status, WhenFull,
};
use ws_gateway_benches::json;

mod measured;

use measured::Criterion;

const LOGS: [(&str, usize); 2] = [("1 log", 1), ("10,000 logs", 10_000)];
const PAGE: ReadLimits = ReadLimits { entries_max: 100, bytes_max: usize::MAX };

/// Counts what it is told.
#[derive(Default)]
struct Counter(AtomicU64);

impl Listener for Counter {
    fn handle_message(&self, _topic: &str, payload: Bytes) {
        self.0.fetch_add(payload.len() as u64, Ordering::Relaxed);
    }

    fn handle_entry(&self, _log: &str, entry: Entry) {
        self.0.fetch_add(entry.position.offset, Ordering::Relaxed);
    }

    fn handle_status(&self, _status: &Status) {}
}

fn keep(entries_max: u32) -> Keep {
    Keep {
        entries_max: NonZeroU32::new(entries_max).unwrap(),
        ttl: Duration::from_secs(3600),
        when_full: WhenFull::DropOldest,
        event_window: Duration::from_secs(120),
    }
}

fn engine() -> Memory {
    let config = MemoryConfig { logs_bytes_max: usize::MAX, ..MemoryConfig::default() };
    let engine = Memory::with_config(config);
    engine.start(Arc::new(Counter::default()));
    engine
}

fn now<T>(answer: Answer<T>) -> T {
    answer.now_or_never().unwrap().unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("h:channel:{number}")).collect()
}

/// What one writes first: a queue for each name, an offset beside it, one lock around all.
#[derive(Default)]
struct ByHand(Mutex<HashMap<String, Queue>>);

type Queue = (u64, VecDeque<(u64, Bytes)>);

impl ByHand {
    fn append(&self, name: &str, payload: Bytes, entries_max: usize) -> u64 {
        let mut logs = self.0.lock();
        let (head, entries) = match logs.get_mut(name) {
            Some(log) => log,
            None => logs.entry(name.to_owned()).or_default(),
        };
        if entries.len() == entries_max {
            entries.pop_front();
        }
        *head += 1;
        entries.push_back((*head, payload));
        *head
    }

    fn read(&self, name: &str, after: u64, entries_max: usize) -> Vec<(u64, Bytes)> {
        let logs = self.0.lock();
        let (_, entries) = &logs[name];
        let behind = entries.iter().skip_while(|(offset, _)| *offset <= after);
        behind.take(entries_max).cloned().collect()
    }
}

/// One entry of 200 bytes, into logs that keep 100 each and are full.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("broker append");
    let (keep, payload) = (keep(100), Bytes::from(json(200, 1)));
    for (case, count) in LOGS {
        let names = names(count);
        let mut turn = names.iter().cycle();
        let by_hand = ByHand::default();
        group.bench_function(BenchmarkId::new("by hand", case), |bencher| {
            bencher.iter(|| by_hand.append(turn.next().unwrap(), payload.clone(), 100));
        });
        for (who, is_followed, has_event) in [
            ("ours", false, false),
            ("ours, followed", true, false),
            ("ours, with an event", false, true),
        ] {
            let engine = engine();
            if is_followed {
                names.iter().for_each(|name| now(engine.follow(&Log { name, keep: &keep })));
            }
            let mut number = 0_u64;
            group.bench_function(BenchmarkId::new(who, case), |bencher| {
                bencher.iter(|| {
                    let log = Log { name: turn.next().unwrap(), keep: &keep };
                    number += 1;
                    let event = has_event.then(|| format!("{number:016x}"));
                    now(engine.append(&log, payload.clone(), event.as_deref()))
                });
            });
        }
    }
    group.finish();
}

/// A page of 100 out of 1,000,000, at their beginning, in their middle and at their end; and only where
/// the log is.
fn read(criterion: &mut Criterion) {
    const COUNT: u64 = 1_000_000;
    let mut group = criterion.benchmark_group("broker read");
    let (engine, by_hand) = (engine(), ByHand::default());
    let (keep, payload) = (keep(COUNT as u32), Bytes::from(json(200, 1)));
    let log = Log { name: "h:long", keep: &keep };
    for _ in 0..COUNT {
        now(engine.append(&log, payload.clone(), None));
        by_hand.append("h:long", payload.clone(), COUNT as usize);
    }
    group.throughput(Throughput::Elements(100));
    for (case, after) in [("first of a million", 0), ("middle", COUNT / 2), ("last", COUNT - 100)] {
        group.bench_function(BenchmarkId::new("ours", case), |bencher| {
            bencher.iter(|| black_box(now(engine.read(&log, after, PAGE))));
        });
        group.bench_function(BenchmarkId::new("by hand", case), |bencher| {
            bencher.iter(|| black_box(by_hand.read("h:long", after, 100)));
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("ours/where it is", |bencher| {
        bencher.iter(|| black_box(now(engine.read(&log, COUNT, ReadLimits::NOTHING))));
    });
    group.finish();
}

/// One message to a topic with a listener; one change of one of 10,000 records.
fn publish_and_put(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("broker publish, put");
    let engine = engine();
    now(engine.subscribe("ch:a"));
    let payload = Bytes::from(json(200, 1));
    group.bench_function("ours/publish", |bencher| {
        bencher.iter(|| engine.publish("ch:a", payload.clone()).unwrap());
    });
    let keys: Vec<String> = (0..10_000).map(|number| format!("user:{number}")).collect();
    let put =
        |key: &String, expected| now(engine.put(key, Some(payload.clone()), expected)).unwrap();
    let mut revisions: Vec<_> = keys.iter().map(|key| put(key, None)).collect();
    let mut turn = (0..keys.len()).cycle();
    group.bench_function("ours/put", |bencher| {
        bencher.iter(|| {
            let index = turn.next().unwrap();
            revisions[index] = put(&keys[index], Some(revisions[index]));
        });
    });
    group.bench_function("ours/get", |bencher| {
        bencher.iter(|| black_box(now(engine.get(&keys[turn.next().unwrap()]))));
    });
    group.finish();
}

fn main() {
    measured::run(&[append, read, publish_and_put]);
}
