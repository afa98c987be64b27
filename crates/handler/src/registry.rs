//! All connections: by name, by user, all.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ahash::RandomState;
use parking_lot::Mutex;

use crate::client::{Client, ConnectionId};

/// More than threads that a server is likely to have, so that connects rarely wait for each other.
const SHARDS: usize = 32;

type Sharded<K, V> = Box<[Mutex<HashMap<K, V, RandomState>>]>;

/// Touched when a connection comes or goes and when somebody looks for one; never for a message.
#[derive(Debug)]
pub(crate) struct Registry {
    hasher: RandomState,
    connections: Sharded<ConnectionId, Arc<Client>>,
    users: Sharded<Arc<str>, Vec<Arc<Client>>>,
    count: AtomicUsize,
    user_count: AtomicUsize,
}

/// The user has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Registry {
    pub(crate) fn new() -> Self {
        let hasher = RandomState::new();
        Self {
            connections: (0..SHARDS)
                .map(|_| Mutex::new(HashMap::with_hasher(hasher.clone())))
                .collect(),
            users: (0..SHARDS).map(|_| Mutex::new(HashMap::with_hasher(hasher.clone()))).collect(),
            hasher,
            count: AtomicUsize::new(0),
            user_count: AtomicUsize::new(0),
        }
    }

    pub(crate) fn insert(&self, client: Arc<Client>) {
        let mut shard = self.connections[self.shard_of(&client.id())].lock();
        if shard.insert(client.id(), client).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        let removed = self.connections[self.shard_of(&id)].lock().remove(&id);
        if removed.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Adds a connection of a user, unless the user has `max` already.
    pub(crate) fn insert_user(
        &self,
        user_id: &Arc<str>,
        client: Arc<Client>,
        max: Option<usize>,
    ) -> Result<(), TooMany> {
        let mut shard = self.users[self.shard_of(&**user_id)].lock();
        match shard.entry(user_id.clone()) {
            Entry::Occupied(mut entry) => {
                let clients = entry.get_mut();
                if max.is_some_and(|max| clients.len() >= max) {
                    return Err(TooMany);
                }
                clients.push(client);
            }
            Entry::Vacant(entry) => {
                if max == Some(0) {
                    return Err(TooMany);
                }
                // Most users have one: `vec!` allocates for just that.
                entry.insert(vec![client]);
                self.user_count.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    pub(crate) fn remove_user(&self, user_id: &str, id: ConnectionId) {
        let mut shard = self.users[self.shard_of(user_id)].lock();
        let Some(clients) = shard.get_mut(user_id) else { return };
        clients.retain(|client| client.id() != id);
        if clients.is_empty() {
            shard.remove(user_id);
            self.user_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Arc<Client>> {
        self.connections[self.shard_of(&id)].lock().get(&id).cloned()
    }

    pub(crate) fn of_user(&self, user_id: &str) -> Vec<Arc<Client>> {
        let shard = self.users[self.shard_of(user_id)].lock();
        shard.get(user_id).cloned().unwrap_or_default()
    }

    /// Calls `each` for every connection, one shard at a time, without a copy of all.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Arc<Client>)) {
        for shard in &self.connections {
            shard.lock().values().for_each(&mut each);
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many users have at least one.
    pub(crate) fn user_count(&self) -> usize {
        self.user_count.load(Ordering::Relaxed)
    }

    fn shard_of<K: Hash + ?Sized>(&self, key: &K) -> usize {
        // The upper bits: the maps within take the lower ones.
        (self.hasher.hash_one(key) >> 32) as usize % SHARDS
    }
}
