//! What all tasks of an engine share.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use ws_broker::{Answer, EngineError};

use crate::{
    answers,
    config::RedisConfig,
    endpoint::Endpoint,
    error::unavailable,
    health::{Health, MAP, Part},
    names::Names,
    server::Server,
    stats::Counters,
    topology::Map,
};

/// What all tasks of an engine share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) config: RedisConfig,
    pub(crate) seeds: Vec<Endpoint>,
    pub(crate) names: Names,
    pub(crate) health: Health,
    pub(crate) counters: Arc<Counters>,
    /// The channels of everything that is followed. Held while the map changes, so that each channel is
    /// followed where it belongs.
    pub(crate) wanted: Mutex<HashSet<Arc<str>>>,
    pub(crate) map: RwLock<Arc<Map>>,
    /// The map may be old.
    pub(crate) stale: Notify,
    parts: AtomicU64,
}

impl Hub {
    pub(crate) fn new(config: RedisConfig, seeds: Vec<Endpoint>) -> Self {
        Self {
            names: Names::new(&config.prefix),
            config,
            seeds,
            health: Health::new(),
            counters: Arc::default(),
            wanted: Mutex::default(),
            map: RwLock::default(),
            stale: Notify::new(),
            parts: AtomicU64::new(MAP + 1),
        }
    }

    pub(crate) fn new_part(&self) -> Part {
        self.parts.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn map(&self) -> Arc<Map> {
        self.map.read().clone()
    }

    /// The server that has this key.
    pub(crate) fn server(&self, key: &str) -> Result<Arc<Server>, EngineError> {
        let found = self.map.read().server(key).cloned();
        found.ok_or_else(|| {
            self.counters.unavailable.add(1);
            unavailable("no server for this key is known")
        })
    }

    pub(crate) fn follow(&self, channel: &str) -> Answer<()> {
        let mut wanted = self.wanted.lock();
        let followed = self.server(channel).and_then(|server| {
            let channel = match wanted.get(channel) {
                Some(channel) => channel.clone(),
                None => Arc::from(channel),
            };
            let followed = server.follows.follow(channel.clone(), &self.counters)?;
            wanted.insert(channel);
            Ok(followed)
        });
        answers::later(followed, Ok)
    }

    pub(crate) fn unfollow(&self, channel: &str) {
        let mut wanted = self.wanted.lock();
        if let Some(channel) = wanted.take(channel)
            && let Ok(server) = self.server(&channel)
        {
            server.follows.unfollow(channel);
        }
    }

    /// The channels that are followed at this server.
    pub(crate) fn channels_of(&self, part: Part, wanted: &HashSet<Arc<str>>) -> Vec<Arc<str>> {
        let map = self.map();
        let is_here = |channel: &&Arc<str>| {
            map.server(channel).is_some_and(|server| server.follows.part == part)
        };
        wanted.iter().filter(is_here).cloned().collect()
    }
}
