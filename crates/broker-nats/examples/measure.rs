//! What NATS costs: processor time for each message of two nodes and of the server, appends a second, and
//! a million entries read in pages.
//!
//!     cargo run --release -p ws-broker-nats --example measure
//!
//! It starts a nats-server of its own on loopback, and prints one line for each figure.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "it prints, or says what failed")]

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;
use ws_broker::{Engine, Entry, Keep, Listener, Log, ReadLimits, Status, WhenFull};
use ws_broker_nats::{Nats, NatsConfig};
use ws_test_servers::{Nats as TestServer, NatsOptions};

const MESSAGES: u64 = 300_000;
const APPENDS: u64 = 100_000;
const REPLAYED: u64 = 1_000_000;
const PAYLOAD: &[u8] = &[b'x'; 128];
const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(2_000_000).unwrap(),
    ttl: Duration::from_secs(3600),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};

#[derive(Default)]
struct Count(AtomicU64);

impl Listener for Count {
    fn handle_message(&self, _: &str, _: Bytes) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn handle_entry(&self, _: &str, _: Entry) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn handle_status(&self, _: &Status) {}
}

struct Stage {
    server: TestServer,
    near: Nats,
    far: Nats,
    heard: Arc<Count>,
}

/// Processor time so far, in ns: ours and the server's.
#[derive(Clone, Copy)]
struct Spent(u64, u64);

#[tokio::main]
async fn main() {
    let mut server = TestServer::start(&NatsOptions::jetstream()).unwrap();
    let config = || NatsConfig { urls: vec![server.url()], ..NatsConfig::default() };
    let (near, far) = (Nats::connect(config()), Nats::connect(config()));
    let heard = Arc::new(Count::default());
    near.start(Arc::new(Count::default()));
    far.start(heard.clone());
    near.ready().await.unwrap();
    far.ready().await.unwrap();
    let _ = server.process();
    let mut stage = Stage { server, near, far, heard };
    for round in 0..3 {
        for channels in [10, 10_000] {
            stage.publish(round, channels).await;
        }
    }
    for round in 0..3 {
        stage.append(&format!("h:{round}"), APPENDS, true).await;
    }
    stage.append("h:replay", REPLAYED, false).await;
    for (entries_max, bytes_max) in [(256, 64 << 10), (1000, 1 << 20), (10_000, 4 << 20)] {
        stage.replay(ReadLimits { entries_max, bytes_max }).await;
    }
}

impl Stage {
    async fn publish(&mut self, round: u32, channels: u64) {
        let topics: Vec<String> = (0..channels).map(|at| format!("ch:{round}-{at}")).collect();
        let before = resident_kib();
        let subscribing: FuturesUnordered<_> =
            topics.iter().map(|topic| self.far.subscribe(topic)).collect();
        subscribing.for_each(|done| async { done.unwrap() }).await;
        let grown = resident_kib().saturating_sub(before);
        let (spent, start, heard) = (self.spent(), Instant::now(), self.heard());
        for number in 0..MESSAGES {
            let topic = &topics[usize::try_from(number % channels).unwrap()];
            while self.near.publish(topic, Bytes::from_static(PAYLOAD)).is_err() {
                tokio::task::yield_now().await;
            }
            if number.is_multiple_of(64) {
                tokio::task::yield_now().await;
            }
        }
        self.until_heard(heard + MESSAGES).await;
        self.report(&format!("publish to {channels} channels"), MESSAGES, spent, start);
        println!("    {grown} KiB more for {channels} subscriptions");
        topics.iter().for_each(|topic| self.far.unsubscribe(topic));
    }

    async fn append(&mut self, name: &str, count: u64, is_followed: bool) {
        let log = Log { name, keep: &KEEP };
        if is_followed {
            self.far.follow(&log).await.unwrap();
        }
        let (spent, start, heard) = (self.spent(), Instant::now(), self.heard());
        let mut under_way = FuturesUnordered::new();
        for _ in 0..count {
            under_way.push(self.near.append(&log, Bytes::from_static(PAYLOAD), None));
            if under_way.len() == 1000 {
                under_way.next().await.unwrap().unwrap();
            }
        }
        while let Some(appended) = under_way.next().await {
            appended.unwrap();
        }
        if is_followed {
            self.until_heard(heard + count).await;
        }
        let what = if is_followed { "append, followed by one" } else { "append" };
        self.report(what, count, spent, start);
    }

    async fn replay(&mut self, limits: ReadLimits) {
        let log = Log { name: "h:replay", keep: &KEEP };
        let (spent, start) = (self.spent(), Instant::now());
        let (mut after, mut count, mut most) = (0, 0, 0);
        loop {
            let page = self.far.read(&log, after, limits).await.unwrap();
            assert!(page.is_complete);
            count += page.entries.len() as u64;
            after = page.entries.last().unwrap().position.offset;
            most = most.max(resident_kib());
            if after == page.head.offset {
                break;
            }
        }
        assert_eq!(count, REPLAYED);
        self.report(&format!("read in pages of {}", limits.entries_max), count, spent, start);
        println!("    at most {most} KiB resident");
    }

    fn heard(&self) -> u64 {
        self.heard.0.load(Ordering::Relaxed)
    }

    async fn until_heard(&self, count: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.heard() < count {
            assert!(
                Instant::now() < deadline,
                "{} of {count}: {:?}",
                self.heard(),
                self.far.stats()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn spent(&mut self) -> Spent {
        let server = self.server.process().id().unwrap();
        Spent(cpu_ns("self"), cpu_ns(&server.to_string()))
    }

    fn report(&mut self, what: &str, count: u64, before: Spent, start: Instant) {
        let took = start.elapsed().as_secs_f64();
        let now = self.spent();
        let each = |now: u64, before: u64| (now - before) / count;
        let a_second = count as f64 / took;
        println!(
            "{what}: {} ns of ours and {} ns of the server for each, {a_second:.0} a second",
            each(now.0, before.0),
            each(now.1, before.1)
        );
    }
}

/// What all threads of a process have spent.
fn cpu_ns(process: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
