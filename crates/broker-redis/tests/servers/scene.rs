//! An engine, and what it was told.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use ws_broker::{
    Appended, Engine, EngineError, Entry, Keep, Listener, Log, Page, ReadLimits, Status, WhenFull,
};
use ws_broker_redis::{Redis, RedisConfig};
use ws_test_servers::{Redis as Server, RedisOptions};

/// After so long, what has not come does not come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(100).unwrap(),
    ttl: Duration::from_secs(3600),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(60),
};

pub(crate) const ALL: ReadLimits = ReadLimits { entries_max: 1_000, bytes_max: 1 << 20 };

pub(crate) struct Scene {
    pub(crate) engine: Redis,
    pub(crate) heard: Arc<Heard>,
}

pub(crate) struct Heard {
    told: Mutex<Told>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) messages: Vec<(String, Bytes)>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) statuses: Vec<Status>,
}

pub(crate) fn server(options: &RedisOptions) -> Server {
    Server::start(options).unwrap_or_else(|error| panic!("{error}"))
}

/// Quick to notice, so that nobody waits.
pub(crate) fn config(server: &Server) -> RedisConfig {
    RedisConfig {
        servers: vec![server.url()],
        answer_timeout: Duration::from_secs(1),
        ping_interval: Duration::from_millis(100),
        backoff_max: Duration::from_millis(100),
        ..RedisConfig::default()
    }
}

pub(crate) fn log(name: &str) -> Log<'_> {
    Log { name, keep: &KEEP }
}

impl Scene {
    pub(crate) async fn open(config: RedisConfig) -> Self {
        let scene = Self::starting(config);
        scene.until_up().await;
        scene
    }

    pub(crate) fn starting(config: RedisConfig) -> Self {
        let engine = Redis::connect(config).unwrap();
        let heard = Arc::new(Heard { told: Mutex::default(), changes: watch::Sender::new(()) });
        engine.start(heard.clone());
        Self { engine, heard }
    }

    pub(crate) async fn until_up(&self) {
        self.until("it to be up", |_| self.engine.status() == Status::Up).await;
    }

    pub(crate) async fn until_down(&self) {
        self.until("it to be down", |_| matches!(self.engine.status(), Status::Down(_))).await;
    }

    /// Waits until it was away and is up: it may not have noticed yet that it is away.
    pub(crate) async fn until_back(&self) {
        while self.append("h:is anybody there", "").await.is_err()
            || self.engine.status() != Status::Up
        {
            tokio::task::yield_now().await;
        }
    }

    /// Waits for what changes with something that is told.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Told) -> bool) {
        let mut changes = self.heard.changes.subscribe();
        let waiting = async {
            while !is_so(&self.heard.told.lock()) {
                changes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            panic!("waited for {what}; told was {:?}", self.heard.told.lock());
        }
    }

    pub(crate) fn told<T>(&self, look: impl Fn(&Told) -> T) -> T {
        look(&self.heard.told.lock())
    }

    pub(crate) fn ups(&self) -> usize {
        self.told(Told::ups)
    }

    pub(crate) async fn append(&self, name: &str, payload: &str) -> Result<Appended, EngineError> {
        self.engine.append(&log(name), payload.to_owned().into(), None).await
    }

    pub(crate) async fn read(&self, name: &str, after: u64) -> Page {
        self.engine.read(&log(name), after, ALL).await.unwrap()
    }

    /// Publishes until it arrives at `other`: then everything is followed again.
    pub(crate) async fn until_heard_by(&self, other: &Self, topic: &str, payload: &'static str) {
        let arrives = |told: &Told| told.messages.iter().any(|(_, came)| *came == payload);
        self.engine.publish(topic, payload.into()).unwrap();
        other.until("a message", arrives).await;
    }
}

impl Told {
    /// How often it was up.
    pub(crate) fn ups(&self) -> usize {
        self.statuses.iter().filter(|status| **status == Status::Up).count()
    }
}

impl Heard {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock());
        self.changes.send_replace(());
    }
}

impl Listener for Heard {
    fn handle_message(&self, topic: &str, payload: Bytes) {
        self.tell(|told| told.messages.push((topic.to_owned(), payload)));
    }

    fn handle_entry(&self, _log: &str, entry: Entry) {
        self.tell(|told| told.entries.push(entry));
    }

    fn handle_status(&self, status: &Status) {
        self.tell(|told| told.statuses.push(status.clone()));
    }
}
