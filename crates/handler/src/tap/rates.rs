//! What each connection receives and sends, while somebody counts.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::Tap;
use crate::client::ConnectionId;

/// More than threads that are likely to look something up at once.
const SHARDS: usize = 32;

/// What one connection has received and sent since the counting began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Messages from the client.
    pub messages_in: u64,
    /// Their bytes, inflated.
    pub bytes_in: u64,
    /// Messages to the client.
    pub messages_out: u64,
    /// Their bytes, before they are deflated.
    pub bytes_out: u64,
}

/// One connection's counts; all are told apart by relaxed additions of the one task that serves it.
#[derive(Debug, Default)]
pub(super) struct Counted {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_out: AtomicU64,
}

/// The connections that did something since the counting began.
#[derive(Debug, Default)]
pub(super) struct ActivityTable {
    shards: [Mutex<HashMap<ConnectionId, Arc<Counted>, ahash::RandomState>>; SHARDS],
}

/// The table, and how many want it.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) table: Arc<ActivityTable>,
    /// Beside the first.
    others: usize,
}

/// Counts what each connection receives and sends, until it is dropped. Those that are made while another one is
/// there share its counts, and so begin with what that one has seen.
pub struct Measurement {
    tap: Arc<Tap>,
    table: Arc<ActivityTable>,
}

impl Counted {
    pub(super) fn count_in(&self, bytes: usize) {
        self.messages_in.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_out(&self, bytes: usize) {
        self.messages_out.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn activity(&self) -> Activity {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Activity {
            messages_in: of(&self.messages_in),
            bytes_in: of(&self.bytes_in),
            messages_out: of(&self.messages_out),
            bytes_out: of(&self.bytes_out),
        }
    }
}

impl Activity {
    /// What has been added since.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            messages_in: self.messages_in.saturating_sub(before.messages_in),
            bytes_in: self.bytes_in.saturating_sub(before.bytes_in),
            messages_out: self.messages_out.saturating_sub(before.messages_out),
            bytes_out: self.bytes_out.saturating_sub(before.bytes_out),
        }
    }
}

impl ActivityTable {
    pub(super) fn of(&self, id: ConnectionId) -> Arc<Counted> {
        self.shard(id).lock().entry(id).or_default().clone()
    }

    pub(super) fn forget(&self, id: ConnectionId) {
        self.shard(id).lock().remove(&id);
    }

    fn shard(
        &self,
        id: ConnectionId,
    ) -> &Mutex<HashMap<ConnectionId, Arc<Counted>, ahash::RandomState>> {
        // Random itself, in its lowest bits too.
        &self.shards[id.bits() as usize % SHARDS]
    }
}

impl Measured {
    pub(super) fn with_one_more(&self) -> Self {
        Self { table: self.table.clone(), others: self.others + 1 }
    }

    pub(super) fn with_one_less(&self) -> Option<Self> {
        let others = self.others.checked_sub(1)?;
        Some(Self { table: self.table.clone(), others })
    }
}

impl Measurement {
    pub(super) fn new(tap: Arc<Tap>) -> Self {
        let table = tap.start_measuring();
        Self { tap, table }
    }

    /// What a connection did; nothing, if it did nothing since the counting began.
    pub fn of(&self, id: ConnectionId) -> Activity {
        let shard = self.table.shard(id).lock();
        shard.get(&id).map(|counted| counted.activity()).unwrap_or_default()
    }

    /// Calls `each` for every connection that did something since the counting began.
    pub fn for_each(&self, mut each: impl FnMut(ConnectionId, Activity)) {
        for shard in &self.table.shards {
            for (id, counted) in shard.lock().iter() {
                each(*id, counted.activity());
            }
        }
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        self.tap.stop_measuring();
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measurement").finish_non_exhaustive()
    }
}
