//! The engine on disk: group commits, pages, and opening a folder as a killed process leaves it.
//!
//! Processor time of all its threads, so that neither the disk nor who else uses it is in the figures: what
//! the disk takes beside that is one `fdatasync` for each group. The folder is in the system's place for temporary files.

#![expect(clippy::unwrap_used, reason = "a bench says what is wrong by panicking")]

use std::{
    fs,
    hint::black_box,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;
use ws_broker::{Disk, DiskConfig, Engine, Keep, Log, ReadLimits, WhenFull};
use ws_gateway_benches::json;

mod measured;

use measured::Criterion;

const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(10_000_000).unwrap(),
    ttl: Duration::from_secs(3600),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};
const PAGE: ReadLimits = ReadLimits { entries_max: 100, bytes_max: usize::MAX };
const LOGS: usize = 1000;

/// Removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ws-bench-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self, is_synced: bool) -> Disk {
        Disk::open(&self.0, DiskConfig { is_synced, ..DiskConfig::default() }).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// So many wait at once, each with an entry of 200 bytes for one of 1,000 logs.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("disk append");
    let payload = Bytes::from(json(200, 1));
    let names: Vec<String> = (0..LOGS).map(|number| format!("h:{number}")).collect();
    for waiters in [1, 16, 256] {
        let folder = Folder::new("append");
        let (disk, runtime) = (folder.open(true), runtime());
        let mut turn = names.iter().cycle();
        group.throughput(Throughput::Elements(waiters));
        group.bench_function(BenchmarkId::new("waiters", waiters), |bencher| {
            bencher.iter(|| {
                let answers = (0..waiters).map(|_| {
                    let log = Log { name: turn.next().unwrap(), keep: &KEEP };
                    disk.append(&log, payload.clone(), None)
                });
                runtime.block_on(try_join_all(answers)).unwrap()
            });
        });
    }
    group.finish();
}

/// 200,000 entries in one log, or one after the other in 1,000.
fn fill(disk: &Disk, logs: usize) {
    let (payload, runtime) = (Bytes::from(json(200, 1)), runtime());
    let names: Vec<String> = (0..logs).map(|number| format!("h:{number}")).collect();
    for _ in 0..200_000 / LOGS {
        let answers = (0..LOGS).map(|number| {
            let log = Log { name: &names[number % logs], keep: &KEEP };
            disk.append(&log, payload.clone(), None)
        });
        runtime.block_on(try_join_all(answers)).unwrap();
    }
}

/// A page of 100.
fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("disk read");
    group.throughput(Throughput::Elements(100));
    for (case, logs) in [("of a log alone", 1), ("of one among 1,000", LOGS)] {
        let folder = Folder::new("read");
        let (disk, runtime) = (folder.open(false), runtime());
        fill(&disk, logs);
        let log = Log { name: "h:0", keep: &KEEP };
        group.bench_function(BenchmarkId::new("page", case), |bencher| {
            bencher.iter(|| black_box(runtime.block_on(disk.read(&log, 50, PAGE)).unwrap()));
        });
    }
    group.finish();
}

/// 200,000 entries, 50 MB.
fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("disk open");
    let folder = Folder::new("open");
    fill(&folder.open(false), LOGS);
    let bytes = size(&folder.0);
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("200,000 entries", |bencher| {
        bencher.iter(|| black_box(folder.open(false)));
    });
    group.finish();
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

fn main() {
    measured::run(&[append, read, open]);
}
