//! The engine.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use ws_broker::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Page, ReadLimits, Record,
    Revision, Status,
};

use crate::{
    Client, NatsConfig, NatsStats, StartError,
    api::ApiFailure,
    error::{KIND, unavailable},
    link::{CallError, Following, Link, Linked, Tasks, run},
    logs::Logs,
    records::Records,
    topics::Topics,
};

/// What JetStream says of streams that have a leader, by the stream.
const ELECTIONS: &str = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.*";

/// Topics, logs and records on NATS: core subjects, JetStream's streams, a key-value bucket.
#[derive(Debug)]
pub struct Nats {
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
}

struct Shared {
    link: Arc<Link>,
    topics: Topics,
    logs: Arc<Logs>,
    records: Arc<Records>,
    listener: OnceLock<Arc<dyn Listener>>,
    /// Hears of streams that have another leader.
    elections: OnceLock<Following>,
}

impl Nats {
    /// Goes to work and returns at once; the server is reached later, and tried again for as long as it
    /// takes. [`Nats::ready`] tells who does not want to wait.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn connect(config: NatsConfig) -> Self {
        let (link, workers) = Link::new(config);
        let shared = Arc::new(Shared {
            topics: Topics::new(Arc::clone(&link)),
            logs: Arc::new(Logs::new(Arc::clone(&link))),
            records: Arc::new(Records::new(Arc::clone(&link))),
            listener: OnceLock::new(),
            elections: OnceLock::new(),
            link,
        });
        let linked: Arc<dyn Linked> = Arc::clone(&shared) as _;
        let tasks = Arc::new(run(&shared.link, workers, linked));
        Self { shared, tasks }
    }

    /// Returns when it is up.
    ///
    /// # Errors
    ///
    /// What the last attempt failed by. It goes on trying nevertheless.
    pub async fn ready(&self) -> Result<(), StartError> {
        self.shared.link.ready().await
    }

    /// What was done, and what waits.
    pub fn stats(&self) -> NatsStats {
        self.shared.link.stats()
    }

    /// Requests and bridges over the same connection.
    pub fn client(&self) -> Client {
        Client::over(Arc::clone(&self.shared.link), Arc::clone(&self.tasks))
    }

    fn listener(&self) -> Result<Arc<dyn Listener>, EngineError> {
        let listener = self.shared.listener.get().cloned();
        listener.ok_or_else(|| unavailable("nobody listens: it was not started"))
    }
}

impl Engine for Nats {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn status(&self) -> Status {
        self.shared.link.status()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        let is_first = self.shared.listener.set(listener).is_ok();
        debug_assert!(is_first, "an engine is started once");
        self.shared.link.handle_listener();
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        match self.listener() {
            Ok(listener) => self.shared.topics.subscribe(topic, listener),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn unsubscribe(&self, topic: &str) {
        self.shared.topics.unsubscribe(topic);
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        self.shared.topics.publish(topic, payload)
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        match self.listener() {
            Ok(listener) => self.shared.logs.follow(log, listener),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.shared.logs.unfollow(log);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        self.shared.logs.append(log, entry, event)
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        self.shared.logs.read(log, after, limits)
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        self.shared.logs.remove(log, offsets)
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        self.shared.records.get(key)
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        self.shared.records.put(key, value, expected)
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        self.shared.records.keys(prefix)
    }
}

impl Linked for Shared {
    fn handle_up(&self) -> Pin<Box<dyn Future<Output = Result<(), StartError>> + Send + '_>> {
        Box::pin(async move {
            self.check_jetstream().await?;
            let streams = |failure: ApiFailure| StartError::Streams(failure.reason());
            self.records.look_after().await.map_err(streams)?;
            self.logs.streams.look_after(&self.link).await.map_err(streams)?;
            self.hear_elections().map_err(|error| StartError::Unreachable(error.to_string()))
        })
    }

    fn handle_break(&self) {
        self.logs.handle_break();
    }

    fn handle_status(&self, status: &Status) {
        if let Some(listener) = self.listener.get() {
            listener.handle_status(status);
        }
    }
}

impl Shared {
    /// Entries are republished by a stream's leader: the last ones may not have been if it died. The library
    /// subscribes again by itself.
    fn hear_elections(&self) -> Result<(), EngineError> {
        if self.elections.get().is_some() || !self.link.is_clustered() {
            return Ok(());
        }
        let (logs, link) = (Arc::downgrade(&self.logs), Arc::downgrade(&self.link));
        let hearing = self.link.subscribe(ELECTIONS.to_owned(), move |message| {
            let (Some(logs), Some(link)) = (logs.upgrade(), link.upgrade()) else { return };
            let stream = message.subject.rsplit('.').next().unwrap_or_default();
            if logs.streams.is_used(stream) {
                link.handle_doubt();
            }
        })?;
        // Nobody else sets it: there is one task that gets up.
        let _ = self.elections.set(hearing);
        Ok(())
    }

    async fn check_jetstream(&self) -> Result<(), StartError> {
        match self.link.account_info().await {
            Ok(_) => Ok(()),
            Err(ApiFailure::Call(CallError::NoResponders)) => {
                Err(StartError::NoJetStream("it is not turned on".to_owned()))
            }
            Err(ApiFailure::Said(error)) if error.is_off() => {
                Err(StartError::NoJetStream(error.to_string()))
            }
            Err(failure) => Err(StartError::Streams(failure.reason())),
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("status", &self.link.status()).finish_non_exhaustive()
    }
}
