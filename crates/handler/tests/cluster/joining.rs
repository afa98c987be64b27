//! A node that starts: whatever happens while it does, who connects to it is written down for the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use ws_broker::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Memory, MemoryCluster, Page,
    ReadLimits, Record, Revision, Status,
};

use crate::{
    house::House,
    street::{A_WHILE, Node},
};

/// An engine that is away, and back right after it was asked whether it is so often.
#[derive(Debug)]
struct Turning {
    memory: Arc<Memory>,
    asked: AtomicUsize,
    turns_at: usize,
}

impl Engine for Turning {
    fn kind(&self) -> &'static str {
        self.memory.kind()
    }

    fn is_shared(&self) -> bool {
        self.memory.is_shared()
    }

    fn status(&self) -> Status {
        let status = self.memory.status();
        if self.asked.fetch_add(1, Ordering::Relaxed) == self.turns_at {
            self.memory.set_up();
        }
        status
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        self.memory.start(listener);
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        self.memory.subscribe(topic)
    }

    fn unsubscribe(&self, topic: &str) {
        self.memory.unsubscribe(topic);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        self.memory.publish(topic, payload)
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        self.memory.follow(log)
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.memory.unfollow(log);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        self.memory.append(log, entry, event)
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        self.memory.read(log, after, limits)
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        self.memory.remove(log, offsets)
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        self.memory.get(key)
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        self.memory.put(key, value, expected)
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        self.memory.keys(prefix)
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_while_a_handler_is_built_is_believed() {
    for turns_at in 0..8 {
        let cluster = MemoryCluster::new();
        let (memory, other) = (cluster.node(), cluster.node());
        memory.set_down("not there yet");
        let engine = Arc::new(Turning { memory, asked: AtomicUsize::new(0), turns_at });
        let of_house = engine.clone();
        let house = House::open(|config| config.engine = of_house);
        if engine.memory.status() != Status::Up {
            // It was not asked so often.
            engine.memory.set_up();
        }
        tokio::time::sleep(A_WHILE).await;
        let _ada = house.visit("ada").await;
        tokio::time::sleep(A_WHILE).await;
        let record = other.get("user:ada").await.expect("the engine is there");
        assert!(record.is_some(), "back after it was asked {turns_at} times and once more");
    }
}

/// On threads that are not the runtime's, as a gateway's `main` is none: what is spawned there begins on another
/// before the handler is built to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_faster_than_its_handler_is_built_writes_its_users_down() {
    const ROUNDS: usize = 400;
    let write_down = async |round: usize| {
        let cluster = MemoryCluster::new();
        let node = Node::open(&cluster, |_| {});
        let _ada = node.house.visit("ada").await;
        let written = async {
            while node.engine.get("user:ada").await == Ok(None) {
                tokio::task::yield_now().await;
            }
        };
        let written = tokio::time::timeout(Duration::from_secs(20), written).await;
        written.unwrap_or_else(|_| panic!("not in round {round}"));
    };
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let runtime = runtime.clone();
            scope.spawn(move || {
                (0..ROUNDS).for_each(|round| runtime.block_on(write_down(round)));
            });
        }
    });
}
