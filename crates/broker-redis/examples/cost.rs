//! What a message costs: CPU time of this process and of the server, in µs, for publishes to 10 and to 10,000
//! topics, alone and heard by another node, and for appends in flight by the thousand.
//!
//! ```sh
//! cargo run --release -p ws-broker-redis --example cost
//! ```
//!
//! Needs a redis-server on the path, which it starts on a free port. CPU time is the first field of each
//! thread's `schedstat`, so that what else runs on the machine counts little.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool tells what it finds")]

use std::{
    fs,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ws_broker::{Engine, Entry, Keep, Listener, Log, Status, WhenFull};
use ws_broker_redis::{Redis, RedisConfig};
use ws_test_servers::RedisOptions;

const MESSAGES: usize = 200_000;
const ROUNDS: usize = 5;
/// So many may be under way, so that batches are neither of one nor of all.
const IN_FLIGHT: u64 = 1_000;

#[derive(Default)]
struct Count(AtomicUsize);

impl Listener for Count {
    fn handle_message(&self, _topic: &str, _payload: Bytes) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn handle_entry(&self, _log: &str, _entry: Entry) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn handle_status(&self, _status: &Status) {}
}

#[tokio::main]
async fn main() {
    let mut server = ws_test_servers::Redis::start(&RedisOptions::default()).unwrap();
    let pid = server.process().id().unwrap();
    let config = RedisConfig {
        servers: vec![server.url()],
        answer_timeout: Duration::from_secs(30),
        ..RedisConfig::default()
    };
    let near = Redis::connect(config.clone()).unwrap();
    near.ready().await.unwrap();
    println!("µs of CPU a message: client, server (calls a write); {MESSAGES} of 64 bytes a row");
    for _ in 0..ROUNDS {
        for topics in [10, 10_000] {
            row(&format!("publish to {topics}, alone"), pid, &near, publish(&near, topics)).await;
            let far = Redis::connect(config.clone()).unwrap();
            far.ready().await.unwrap();
            let count = Arc::new(Count::default());
            far.start(count.clone());
            for topic in 0..topics {
                far.subscribe(&format!("ch:{topic}")).await.unwrap();
            }
            let heard = async {
                publish(&near, topics).await;
                while count.0.load(Ordering::Relaxed) < MESSAGES {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            row(&format!("publish to {topics}, heard by one"), pid, &near, heard).await;
        }
        for (logs, kept) in [(10, 1_000_000), (10_000, 1_000_000), (10, 100)] {
            let name = format!("append to {logs}, {kept} kept");
            row(&name, pid, &near, append(&near, logs, kept)).await;
            server.command(&["FLUSHALL"]).unwrap();
        }
    }
}

async fn row(name: &str, server: u32, engine: &Redis, work: impl Future<Output = ()>) {
    let (own, its, stats) = (cpu(std::process::id()), cpu(server), engine.stats());
    work.await;
    let (own, its) = (cpu(std::process::id()) - own, cpu(server) - its);
    let calls = engine.stats().calls - stats.calls;
    let writes = engine.stats().batches - stats.batches;
    let each = |nanoseconds: u64| nanoseconds as f64 / 1_000.0 / MESSAGES as f64;
    let a_write = calls / writes.max(1);
    println!("{name:36} {:6.2} {:6.2} ({a_write})", each(own), each(its));
}

async fn publish(engine: &Redis, topics: usize) {
    let payload = Bytes::from_static(&[b'x'; 64]);
    for number in 0..MESSAGES {
        while number % 64 == 0 && engine.stats().pending >= IN_FLIGHT {
            tokio::task::yield_now().await;
        }
        engine.publish(&format!("ch:{}", number % topics), payload.clone()).unwrap();
    }
    while engine.stats().pending > 0 {
        tokio::task::yield_now().await;
    }
}

async fn append(engine: &Redis, logs: usize, kept: u32) {
    let keep = Keep {
        entries_max: NonZeroU32::new(kept).unwrap(),
        ttl: Duration::from_secs(300),
        when_full: WhenFull::DropOldest,
        event_window: Duration::from_secs(60),
    };
    let payload = Bytes::from_static(&[b'x'; 64]);
    let mut answers = Vec::new();
    for number in 0..MESSAGES {
        let name = format!("h:{}", number % logs);
        answers.push(engine.append(&Log { name: &name, keep: &keep }, payload.clone(), None));
        if answers.len() as u64 >= IN_FLIGHT {
            for answer in answers.drain(..) {
                answer.await.unwrap();
            }
        }
    }
}

/// Nanoseconds of all threads.
fn cpu(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let times = tasks.filter_map(|task| {
        let stat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    times.sum()
}
