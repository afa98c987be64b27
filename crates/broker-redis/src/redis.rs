//! The engine.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::task::AbortHandle;
use ws_broker::{
    Answer, Appended, Conflict, Engine, EngineError, Listener, Log, Page, ReadLimits, Record,
    Revision, Status, WhenFull,
};

use crate::{
    answers::{self, later},
    config::RedisConfig,
    endpoint,
    error::{ConfigError, KIND, StartError, UNKNOWN},
    health::MAP,
    hub::Hub,
    lane::Open,
    scripts::Script,
    server::{Parts, Server, Target},
    stats::RedisStats,
    topology::{self, Map},
};

/// However much is asked for, the server is not held up longer.
const PAGE_ENTRIES_MAX: u32 = 1_000;
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Keys that are looked at in one step of a scan.
const SCAN_STEP: u32 = 1_000;
/// What a call holds besides what it carries, about.
const CALL_BYTES: usize = 256;
/// What JavaScript holds.
const EPOCH_MAX: u64 = (1 << 53) - 1;

/// Topics, logs and records on Redis.
#[derive(Debug)]
pub struct Redis {
    hub: Arc<Hub>,
    cluster: Option<AbortHandle>,
}

impl Redis {
    /// Starts to connect, and goes on trying until it is dropped. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// A setting is wrong, so that trying would not help.
    pub fn connect(config: RedisConfig) -> Result<Self, ConfigError> {
        let seeds = endpoint::all(&config)?;
        let hub = Arc::new(Hub::new(config, seeds.clone()));
        if hub.config.is_cluster {
            hub.health.add(MAP, "the cluster is not known yet".into());
            let watching = tokio::spawn(topology::watch(hub.clone()));
            return Ok(Self { hub, cluster: Some(watching.abort_handle()) });
        }
        let target = match hub.config.sentinel_master.clone() {
            Some(master) => Target::Watched(seeds, master),
            None => Target::First(seeds),
        };
        let server = Server::new(&hub, target, Parts::new(&hub));
        *hub.map.write() = Arc::new(Map::of_one(server));
        Ok(Self { hub, cluster: None })
    }

    /// Waits until it was up once. It goes on trying whatever this says.
    ///
    /// # Errors
    ///
    /// A try failed before it was up.
    pub async fn ready(&self) -> Result<(), StartError> {
        self.hub.health.ready().await
    }

    /// What was done so far.
    pub fn stats(&self) -> RedisStats {
        let pending: usize =
            self.hub.map().servers.iter().map(|server| server.lane.pending()).sum();
        RedisStats {
            pending: pending as u64,
            connections: self.hub.health.connections() as u64,
            follows: self.hub.wanted.lock().len() as u64,
            ..self.hub.counters.read()
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        key: &str,
        bytes: usize,
        command: impl FnOnce(&Open) -> Cmd,
        read: impl FnOnce(Value) -> Result<T, EngineError> + Send + 'static,
    ) -> Answer<T> {
        let asked = self.hub.server(key);
        later(asked.and_then(|server| server.lane.ask(CALL_BYTES + bytes, command)), read)
    }

    /// What the scripts of a log want to know first.
    fn add_life(&self, command: &mut Cmd, log: &Log<'_>, open: &Open) {
        let ttl = log.keep.ttl;
        let kept = self.hub.config.positions_ttl.max(ttl.saturating_mul(4));
        command.arg(&open.life).arg(fastrand::u64(1..=EPOCH_MAX));
        command.arg(milliseconds(ttl)).arg(milliseconds(kept));
    }
}

/// Redis expires at no later time than this.
fn milliseconds(time: Duration) -> u64 {
    const LONGEST: u64 = 100 * 365 * 24 * 3600 * 1000;
    u64::try_from(time.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

impl Engine for Redis {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn status(&self) -> Status {
        self.hub.health.status()
    }

    fn start(&self, listener: Arc<dyn Listener>) {
        self.hub.health.start(listener);
    }

    fn subscribe(&self, topic: &str) -> Answer<()> {
        self.hub.follow(&self.hub.names.topic(topic))
    }

    fn unsubscribe(&self, topic: &str) {
        self.hub.unfollow(&self.hub.names.topic(topic));
    }

    fn publish(&self, topic: &str, payload: Bytes) -> Result<(), EngineError> {
        let channel = self.hub.names.topic(topic);
        let server = self.hub.server(&channel)?;
        server.lane.tell(CALL_BYTES + payload.len(), || {
            let name = self.hub.config.publish_command();
            let mut command = Cmd::with_capacity(3, name.len() + channel.len() + payload.len());
            command.arg(name).arg(&channel).arg(&*payload);
            command
        })?;
        self.hub.counters.publishes.add(1);
        Ok(())
    }

    fn follow(&self, log: &Log<'_>) -> Answer<()> {
        self.hub.follow(&self.hub.names.log(log.name).feed)
    }

    fn unfollow(&self, log: &Log<'_>) {
        self.hub.unfollow(&self.hub.names.log(log.name).feed);
    }

    fn append(&self, log: &Log<'_>, entry: Bytes, event: Option<&str>) -> Answer<Appended> {
        let keys = self.hub.names.log(log.name);
        let command = |open: &Open| {
            let keep = log.keep;
            let mut command = Script::Append.call(if event.is_some() { 4 } else { 3 });
            command.arg(&keys.meta).arg(&keys.entries).arg(&keys.feed);
            if let Some(event) = event {
                command.arg(keys.event(event));
            }
            self.add_life(&mut command, log, open);
            command.arg(keep.entries_max.get()).arg(u8::from(keep.when_full == WhenFull::Refuse));
            command.arg(self.hub.config.publish_command()).arg(&*entry);
            command.arg(milliseconds(keep.event_window));
            command
        };
        self.ask(&keys.meta, entry.len(), command, answers::appended)
    }

    fn read(&self, log: &Log<'_>, after: u64, limits: ReadLimits) -> Answer<Page> {
        let keys = self.hub.names.log(log.name);
        let command = |open: &Open| {
            let mut command = Script::Read.call(2);
            command.arg(&keys.meta).arg(&keys.entries);
            self.add_life(&mut command, log, open);
            command.arg(after).arg(limits.entries_max.min(PAGE_ENTRIES_MAX));
            command.arg(limits.bytes_max.min(PAGE_BYTES_MAX));
            command
        };
        self.ask(&keys.meta, 0, command, move |value| answers::page(value, after))
    }

    fn remove(&self, log: &Log<'_>, offsets: &[u64]) -> Answer<()> {
        let keys = self.hub.names.log(log.name);
        let command = |_: &Open| {
            let mut command = Script::Remove.call(2);
            command.arg(&keys.meta).arg(&keys.entries).arg(offsets);
            command
        };
        self.ask(&keys.meta, offsets.len() * 16, command, |_| Ok(()))
    }

    fn get(&self, key: &str) -> Answer<Option<Record>> {
        let key = self.hub.names.record(key);
        let command = |_: &Open| {
            let mut command = Cmd::new();
            command.arg("GET").arg(&key);
            command
        };
        self.ask(&key, 0, command, answers::record)
    }

    fn put(
        &self,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Answer<Result<Revision, Conflict>> {
        let key = self.hub.names.record(key);
        // One of 2^64: no two of a key are the same, also if the server forgot what was there.
        let revision = Revision(fastrand::u64(..));
        let bytes = value.as_ref().map_or(0, Bytes::len);
        let command = |_: &Open| {
            let expected = expected.map(|revision| revision.0.to_be_bytes());
            let mut command = Script::Put.call(1);
            command.arg(&key).arg(expected.as_ref().map_or(&[][..], |bytes| &bytes[..]));
            command.arg(&revision.0.to_be_bytes()[..]).arg(u8::from(value.is_some()));
            command.arg(value.as_deref().unwrap_or_default());
            command
        };
        self.ask(&key, bytes, command, move |value| answers::put(value, revision))
    }

    fn keys(&self, prefix: &str) -> Answer<Vec<String>> {
        let hub = self.hub.clone();
        let pattern = hub.names.records_pattern(prefix);
        let scanning = tokio::spawn(scan(hub, pattern));
        Box::pin(async move { scanning.await.unwrap_or(Err(UNKNOWN)) })
    }
}

/// Looks at all keys of all servers. A scan may find one twice.
async fn scan(hub: Arc<Hub>, pattern: String) -> Result<Vec<String>, EngineError> {
    let mut found = HashSet::new();
    let map = hub.map();
    if map.servers.is_empty() {
        // Says why.
        hub.server(&pattern)?;
    }
    for server in &map.servers {
        let mut cursor = 0;
        loop {
            let asked = server.lane.ask(CALL_BYTES, |_| {
                let mut command = Cmd::new();
                command.arg("SCAN").arg(cursor).arg("MATCH").arg(&pattern);
                command.arg("COUNT").arg(SCAN_STEP);
                command
            });
            let (next, keys) = later(asked, answers::scanned).await?;
            for key in &keys {
                if let Value::BulkString(key) = key
                    && let Some(name) = hub.names.record_of(key)
                {
                    found.insert(name.to_owned());
                }
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
    }
    Ok(found.into_iter().collect())
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(cluster) = &self.cluster {
            cluster.abort();
        }
        let map = std::mem::take(&mut *self.hub.map.write());
        for server in &map.servers {
            server.end();
        }
    }
}
