//! What becomes of what was acknowledged when servers die.

#![expect(clippy::unwrap_used, reason = "a server that cannot be started fails the test")]

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use ws_broker::{Engine, EngineError, Entry, Keep, Listener, Log, ReadLimits, Status, WhenFull};
use ws_broker_nats::{Nats, NatsConfig};
use ws_test_servers::{Nats as TestServer, NatsCluster, NatsOptions};

const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(100_000).unwrap(),
    ttl: Duration::from_secs(3600),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};
const LOG: Log<'_> = Log { name: "h:a", keep: &KEEP };
const PAGE: ReadLimits = ReadLimits { entries_max: 500, bytes_max: 1 << 20 };
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Heard(Mutex<Vec<Status>>);

impl Listener for Heard {
    fn handle_message(&self, _: &str, _: Bytes) {}

    fn handle_entry(&self, _: &str, _: Entry) {}

    fn handle_status(&self, status: &Status) {
        self.0.lock().push(status.clone());
    }
}

async fn node(urls: Vec<String>, replicas: usize) -> Nats {
    let nats = Nats::connect(NatsConfig { urls, replicas, ..NatsConfig::default() });
    nats.start(Arc::new(Heard::default()));
    up(&nats).await;
    nats
}

async fn up(nats: &Nats) {
    let up = async {
        while nats.ready().await.is_err() || nats.status() != Status::Up {
            tokio::task::yield_now().await;
        }
    };
    let is_up = tokio::time::timeout(PATIENCE, up).await.is_ok();
    assert!(is_up, "it does not come up: {:?}", nats.status());
}

/// Appends numbers, each until it is acknowledged, under its number as the event; `disturb` is called
/// somewhere in the middle.
async fn append_all(nats: &Nats, count: usize, disturb: impl FnOnce()) {
    let mut disturb = Some(disturb);
    for number in 0..count {
        if number == count / 2
            && let Some(disturb) = disturb.take()
        {
            disturb();
        }
        let text = number.to_string();
        loop {
            match nats.append(&LOG, text.clone().into(), Some(&text)).await {
                Ok(_) => break,
                Err(EngineError::Unknown { .. } | EngineError::Unavailable { .. }) => {
                    up(nats).await;
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// All numbers, page after page, as another node reads them.
async fn read_all(nats: &Nats) -> Vec<usize> {
    let (mut read, mut after) = (Vec::new(), 0);
    loop {
        let page = match nats.read(&LOG, after, PAGE).await {
            Ok(page) => page,
            Err(EngineError::Unknown { .. } | EngineError::Unavailable { .. }) => {
                up(nats).await;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(page.is_complete, "behind {after}");
        for entry in page.entries {
            after = entry.position.offset;
            read.push(str::from_utf8(&entry.payload).unwrap().parse().unwrap());
        }
        if after == page.head.offset {
            return read;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_a_killed_server() {
    let server = Arc::new(Mutex::new(TestServer::start(&NatsOptions::jetstream()).unwrap()));
    let url = server.lock().url();
    let nats = node(vec![url.clone()], 1).await;
    let before = nats.read(&LOG, 0, ReadLimits::NOTHING).await.unwrap().head;
    let restarted = Arc::clone(&server);
    append_all(&nats, 2000, move || {
        std::thread::spawn(move || {
            let mut server = restarted.lock();
            server.kill().unwrap();
            server.restart().unwrap();
        });
    })
    .await;
    let reading = node(vec![url], 1).await;
    assert_eq!(read_all(&reading).await, (0..2000).collect::<Vec<_>>());
    let after = reading.read(&LOG, 0, ReadLimits::NOTHING).await.unwrap().head;
    assert_eq!(after.epoch, before.epoch, "nothing was lost, and the server vouches for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_each_server_of_a_cluster() {
    let cluster = NatsCluster::start(&NatsOptions::jetstream()).unwrap();
    let urls = cluster.urls().to_vec();
    let cluster = Arc::new(Mutex::new(cluster));
    let nats = node(urls.clone(), 3).await;
    append_all(&nats, 1500, {
        let cluster = Arc::clone(&cluster);
        // One of them leads the stream, and one is what we are connected to.
        move || {
            std::thread::spawn(move || {
                for number in 0..3 {
                    let mut cluster = cluster.lock();
                    cluster.nodes()[number].kill().unwrap();
                    cluster.nodes()[number].restart().unwrap();
                    cluster.wait_until_agreed().unwrap();
                }
            });
        }
    })
    .await;
    // Not before the last one is back.
    let agreed = Arc::clone(&cluster);
    let agreeing = move || agreed.lock().wait_until_agreed().unwrap();
    tokio::task::spawn_blocking(agreeing).await.unwrap();
    let reading = node(urls, 3).await;
    assert_eq!(read_all(&reading).await, (0..1500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_counts_what_it_writes_as_we_do() {
    let server = TestServer::start(&NatsOptions::jetstream()).unwrap();
    let nats = node(vec![server.url()], 1).await;
    for number in 0..1000 {
        nats.publish("ch:a", vec![b'x'; number].into()).unwrap();
    }
    for number in 0..50 {
        nats.append(&LOG, "x".into(), Some(&number.to_string())).await.unwrap();
    }
    nats.put("user:a", Some("there".into()), None).await.unwrap().unwrap();
    nats.read(&LOG, 0, PAGE).await.unwrap();
    nats.read(&LOG, 0, ReadLimits::NOTHING).await.unwrap();
    // The answer to the last question came, so that all is written.
    assert_eq!(nats.stats().bytes_queued, 0);
    assert_eq!((nats.stats().published, nats.stats().appended), (1000, 50));
}
