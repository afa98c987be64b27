//! All connections: by name, by user, all.

use std::{
    collections::BinaryHeap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ahash::RandomState;
use hashbrown::{HashTable, hash_table::Entry};
use parking_lot::Mutex;
use ws_auth::Identity;

use crate::client::{Client, ConnectionId};

/// More than threads that a server is likely to have, so that connects rarely wait for each other.
const SHARDS: usize = 32;
/// A table that holds less than this part of its room gives half of it back.
const SPARSE: usize = 8;
/// Room that no table gives back.
const ROOM_MIN: usize = 64;

/// Keys are not kept beside the entries, which have them: in tables that are half empty after they
/// have doubled, they would be a good part of what an idle connection costs.
type Sharded<T> = Box<[Mutex<HashTable<T>>]>;

/// Touched when a connection comes or goes and when somebody looks for one; never for a message.
#[derive(Debug)]
pub(crate) struct Registry {
    hasher: RandomState,
    connections: Sharded<Arc<Client>>,
    users: Sharded<User>,
    count: AtomicUsize,
    /// Those among them that are tunnels.
    tunnel_count: AtomicUsize,
    user_count: AtomicUsize,
}

/// The connections of a user; at least one.
#[derive(Debug)]
enum User {
    One(Arc<Client>),
    #[expect(
        clippy::box_collection,
        reason = "few users have more than one, and all pay for the size"
    )]
    Many(Box<Vec<Arc<Client>>>),
}

/// The user has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            connections: (0..SHARDS).map(|_| Mutex::default()).collect(),
            users: (0..SHARDS).map(|_| Mutex::default()).collect(),
            count: AtomicUsize::new(0),
            tunnel_count: AtomicUsize::new(0),
            user_count: AtomicUsize::new(0),
        }
    }

    pub(crate) fn insert(&self, client: Arc<Client>) {
        let hash = hash_of_id(client.id());
        let mut shard = self.connections[shard_of(hash)].lock();
        let entry =
            shard.entry(hash, |known| known.id() == client.id(), |known| hash_of_id(known.id()));
        if let Entry::Vacant(entry) = entry {
            if client.is_tunnel() {
                self.tunnel_count.fetch_add(1, Ordering::Relaxed);
            }
            entry.insert(client);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        let hash = hash_of_id(id);
        let mut shard = self.connections[shard_of(hash)].lock();
        let Ok(entry) = shard.find_entry(hash, |known| known.id() == id) else { return };
        let (client, _) = entry.remove();
        self.count.fetch_sub(1, Ordering::Relaxed);
        if client.is_tunnel() {
            self.tunnel_count.fetch_sub(1, Ordering::Relaxed);
        }
        give_room_back(&mut shard, |known| hash_of_id(known.id()));
        drop(shard);
        // Perhaps the last that refers to it: what that frees is no business of the shard.
        drop(client);
    }

    /// Says who a connection is and adds it to its user's, unless the user has `max` already.
    ///
    /// From then on its identity may be renewed, but always for the same user.
    pub(crate) fn insert_user(
        &self,
        identity: &Arc<Identity>,
        client: Arc<Client>,
        max: Option<usize>,
    ) -> Result<(), TooMany> {
        let user_id = &*identity.user_id;
        let hash = self.hasher.hash_one(user_id);
        let mut shard = self.users[shard_of(hash)].lock();
        let entry = shard.entry(hash, |user| user.is(user_id), |user| user.hash(&self.hasher));
        match entry {
            Entry::Occupied(mut entry) => {
                let user = entry.get_mut();
                if max.is_some_and(|max| user.clients().len() >= max) {
                    return Err(TooMany);
                }
                client.set_identity(identity.clone());
                user.add(client);
            }
            Entry::Vacant(entry) => {
                if max == Some(0) {
                    return Err(TooMany);
                }
                client.set_identity(identity.clone());
                entry.insert(User::One(client));
                self.user_count.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Whether it was the last of those that have been let in.
    pub(crate) fn remove_user(&self, user_id: &str, id: ConnectionId) -> bool {
        let hash = self.hasher.hash_one(user_id);
        let mut shard = self.users[shard_of(hash)].lock();
        let Ok(mut entry) = shard.find_entry(hash, |user| user.is(user_id)) else {
            return true;
        };
        match entry.get_mut() {
            User::One(client) if client.id() != id => !client.is_welcome(),
            User::One(_) => {
                entry.remove();
                self.user_count.fetch_sub(1, Ordering::Relaxed);
                give_room_back(&mut shard, |user| user.hash(&self.hasher));
                true
            }
            User::Many(clients) => {
                clients.retain(|client| client.id() != id);
                let is_last = !clients.iter().any(|client| client.is_welcome());
                if let [last] = &clients[..] {
                    *entry.get_mut() = User::One(last.clone());
                }
                is_last
            }
        }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Arc<Client>> {
        let hash = hash_of_id(id);
        let shard = self.connections[shard_of(hash)].lock();
        shard.find(hash, |known| known.id() == id).cloned()
    }

    pub(crate) fn of_user(&self, user_id: &str) -> Vec<Arc<Client>> {
        let hash = self.hasher.hash_one(user_id);
        let shard = self.users[shard_of(hash)].lock();
        shard
            .find(hash, |user| user.is(user_id))
            .map(|user| user.clients().to_vec())
            .unwrap_or_default()
    }

    /// Calls `each` for every connection, one shard at a time, without a copy of all.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Arc<Client>)) {
        for shard in &self.connections {
            shard.lock().iter().for_each(&mut each);
        }
    }

    /// In how many parts the connections can be looked at.
    pub(crate) fn parts(&self) -> usize {
        self.connections.len()
    }

    /// Calls `each` for every connection of one part.
    pub(crate) fn for_each_of(&self, part: usize, each: impl FnMut(&Arc<Client>)) {
        if let Some(shard) = self.connections.get(part) {
            shard.lock().iter().for_each(each);
        }
    }

    /// At most `max` connections behind `after`, in an order that stays as it is while others come and go.
    /// A page looks at a shard or two, not at all connections, and copies no more than it holds.
    pub(crate) fn page(&self, after: Option<ConnectionId>, max: usize) -> Vec<Arc<Client>> {
        let first = after.map_or(0, |id| shard_of(hash_of_id(id)));
        let mut page = Vec::new();
        for (index, shard) in self.connections.iter().enumerate().skip(first) {
            let wanted = max - page.len();
            if wanted == 0 {
                break;
            }
            let after = after.filter(|_| index == first);
            let shard = shard.lock();
            // The nearest ones, the farthest of them on top.
            let mut nearest = BinaryHeap::new();
            for id in shard.iter().map(|client| client.id()) {
                let is_nearer = || nearest.peek().is_some_and(|farthest| id < *farthest);
                if after.is_some_and(|after| id <= after) {
                    continue;
                }
                if nearest.len() < wanted {
                    nearest.push(id);
                } else if is_nearer() {
                    nearest.pop();
                    nearest.push(id);
                }
            }
            let found = |id: ConnectionId| shard.find(hash_of_id(id), |known| known.id() == id);
            let sorted = nearest.into_sorted_vec();
            page.extend(sorted.into_iter().filter_map(|id| found(id).cloned()));
        }
        page
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many of them a node may ask to go elsewhere.
    pub(crate) fn movable(&self) -> usize {
        // Two counts that change one after the other.
        self.len().saturating_sub(self.tunnel_count.load(Ordering::Relaxed))
    }

    /// How many users have at least one.
    pub(crate) fn user_count(&self) -> usize {
        self.user_count.load(Ordering::Relaxed)
    }
}

impl User {
    fn clients(&self) -> &[Arc<Client>] {
        match self {
            Self::One(client) => std::slice::from_ref(client),
            Self::Many(clients) => clients,
        }
    }

    fn add(&mut self, client: Arc<Client>) {
        match self {
            Self::One(first) => *self = Self::Many(Box::new(vec![first.clone(), client])),
            Self::Many(clients) => clients.push(client),
        }
    }

    fn is(&self, user_id: &str) -> bool {
        self.clients()[0].is_user(user_id)
    }

    fn hash(&self, hasher: &RandomState) -> u64 {
        self.clients()[0].user_id().map_or(0, |user_id| hasher.hash_one(&*user_id))
    }
}

/// Nobody but us chooses names, and they are random already.
fn hash_of_id(id: ConnectionId) -> u64 {
    id.bits() as u64 ^ (id.bits() >> 64) as u64
}

/// Neither the lowest nor the highest bits, which the tables within go by.
fn shard_of(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

/// After a crowd has gone, its room goes, too: bit by bit, so that nobody waits for it.
fn give_room_back<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    let room = table.capacity();
    if room > ROOM_MIN && table.len() < room / SPARSE {
        table.shrink_to(room / 2, hash);
    }
}

#[cfg(test)]
mod tests;
