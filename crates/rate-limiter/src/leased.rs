//! One limit for the callers of many nodes, of which each node leases slices.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ahash::RandomState;
use parking_lot::Mutex;

use crate::mode::ModeCell;
use crate::{Denied, Mode, TokenBucket};

mod account;
mod slot;
#[cfg(test)]
mod tests;

pub use account::is_account_over;
use account::{Account, Granted, Rates, Report};
use slot::{Phase, Reported, Slot, Spending};

/// A token bucket for each key, shared by many nodes.
///
/// Nobody waits for another node when a request comes: each node gives out what it has leased, and leases more
/// before that is used up. What all nodes know of a key is an account of a few bytes, kept wherever the
/// caller keeps it, and changed by compare-and-set.
///
/// ```text
///            first request                    settled: a lease               used up
///   unknown ──────────────▶ on credit, asked ────────────────▶ leasing ───────────────────▶ closed
///                                │   ▲                          │   ▲  slice by slice          │
///                                │   │ the engine is back       │   └──────────────────────────┘
///                                ▼   │                          ▼       there is a token again
///                             alone: a node's share of the limit
/// ```
///
/// # What it promises
///
/// With `n` nodes and a bucket of `burst` and `rate`, all nodes together allow in any span at most
/// `burst + rate × (span + skew) + n × credit`, where `skew` is how far the clocks of the nodes are apart and
/// [`LeasedLimiter::credit`] is a quarter of the burst divided by `n`, at least 1 and at least one request.
/// What is given out on credit is charged afterwards, so that in the long run the rate is exact. A caller
/// of one node that stays within the limit is never denied while the engine answers sooner than it uses half
/// of the credit.
///
/// While the engine is away each node goes by its share, `burst / n` and `rate / n`, on top of what it had
/// leased; a node that dies has used what it had leased.
///
/// # How to drive it
///
/// [`LeasedLimiter::charge`] says whether there is something to settle. Then take claims with
/// [`LeasedLimiter::poll_claim`], read each claim's account, ask [`LeasedLimiter::settle`] what to write, write it
/// if nobody was faster, and hand the outcome to [`LeasedLimiter::handle_settled`] or
/// [`LeasedLimiter::handle_failure`]; and again at [`LeasedLimiter::poll_timeout`].
pub struct LeasedLimiter<K> {
    bucket: TokenBucket,
    /// What this node is called in accounts.
    node: u64,
    lease_for: Duration,
    mode: ModeCell,
    nodes: AtomicU32,
    is_alone: AtomicBool,
    keys_per_shard_max: usize,
    hasher: RandomState,
    shards: Box<[Mutex<Shard<K>>]>,
}

struct Shard<K> {
    slots: HashMap<K, Slot, RandomState>,
    wants: VecDeque<K>,
    due: BinaryHeap<Reverse<Due<K>>>,
    stats: LeaseStats,
}

/// When a key has to be looked at again. Keys are compared by nothing: any order of equals will do.
struct Due<K>(Instant, K);

/// What a [`LeasedLimiter`] has decided so far. The counters never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseStats {
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were denied.
    pub denied: u64,
    /// Requests that would have been denied, were the limit enforced. They are among the allowed.
    pub shadowed: u64,
    /// Requests that were decided by this node's share, because the engine was away.
    pub alone: u64,
    /// Accounts that were settled.
    pub settled: u64,
    /// Accounts that could not be.
    pub failed: u64,
    /// Keys that were forgotten because the table was full. What they had leased counts as used.
    pub evicted: u64,
    /// Keys that are remembered.
    pub keys: usize,
}

/// Something to settle. Every claim has to be answered.
#[derive(Debug)]
pub struct Claim<K> {
    key: K,
    /// Which account it is about.
    pub name: Arc<str>,
    at: Instant,
    held: u32,
    spent: u32,
    kept: u32,
    wanted: u32,
}

/// What an account has to become, and what it brings.
#[derive(Debug)]
pub struct Settlement {
    /// The account, or `None` if there is nothing to remember any more.
    pub value: Option<Vec<u8>>,
    granted: Granted,
}

const SHARDS: usize = 16;
/// Whoever has used its credit before the first answer comes again after this.
const ANSWER_AWAITED: Duration = Duration::from_millis(50);
/// How long an account that could not be settled is left alone.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// A key that comes and goes may be on a list so often, before it is looked at who still belongs there.
const LINES_PER_KEY_MAX: usize = 4;
/// Leases end within these bounds, whatever the bucket is.
const LEASE_MIN: Duration = Duration::from_millis(500);
const LEASE_MAX: Duration = Duration::from_secs(15);

impl<K: Hash + Eq + Clone> LeasedLimiter<K> {
    /// The same `bucket` for each key, shared with the nodes that have other names than `node`; memory for at
    /// most `capacity` keys, some 200 bytes each.
    #[must_use]
    pub fn new(bucket: TokenBucket, node: u64, capacity: NonZeroUsize) -> Self {
        let hasher = RandomState::new();
        let shards = SHARDS.min(capacity.get());
        let shard = || Shard {
            slots: HashMap::with_hasher(hasher.clone()),
            wants: VecDeque::new(),
            due: BinaryHeap::new(),
            stats: LeaseStats::default(),
        };
        Self {
            bucket,
            node,
            lease_for: (bucket.fill_time() / 4).clamp(LEASE_MIN, LEASE_MAX),
            mode: ModeCell::new(Mode::Enforce),
            nodes: AtomicU32::new(1),
            is_alone: AtomicBool::new(false),
            keys_per_shard_max: capacity.get() / shards,
            shards: (0..shards).map(|_| Mutex::new(shard())).collect(),
            hasher,
        }
    }

    /// Takes `cost` from what this node may give out of the allowance of `key`, or says when to come back.
    /// What costs more than the bucket holds costs all of it. `name` is asked for once, when the key is new.
    ///
    /// The second of the answer is whether there is something to settle that nobody was told of.
    pub fn charge(
        &self,
        key: &K,
        name: impl FnOnce() -> Arc<str>,
        cost: u32,
        now: Instant,
    ) -> (Result<(), Denied>, bool) {
        let cost = cost.min(self.bucket.burst().get());
        let terms = self.terms();
        let mut shard = self.shard_of(key).lock();
        let shard = &mut *shard;
        if !shard.slots.contains_key(key) {
            if shard.slots.len() >= self.keys_per_shard_max {
                shard.make_room(now);
            }
            shard.slots.insert(key.clone(), Slot::new(name(), now));
        }
        let Some(slot) = shard.slots.get_mut(key) else { return (Ok(()), false) };
        let Spending { outcome, is_alone, is_short } = slot.spend(cost, &terms, now);
        shard.stats.alone += u64::from(is_alone);
        let is_wanted = is_short && slot.phase == Phase::Idle;
        if is_wanted {
            slot.phase = Phase::Queued;
            shard.wants.push_back(key.clone());
        } else if slot.phase == Phase::Idle && slot.due.is_none() {
            let due = now + self.lease_for;
            slot.due = Some(due);
            shard.due.push(Reverse(Due(due, key.clone())));
        }
        (shard.count(outcome, self.mode.get()), is_wanted)
    }

    /// The next account to settle; call it until there is none.
    pub fn poll_claim(&self, now: Instant) -> Option<Claim<K>> {
        if self.is_alone.load(Ordering::Relaxed) {
            return None;
        }
        let terms = self.terms();
        self.shards.iter().find_map(|shard| shard.lock().poll_claim(&terms, now))
    }

    /// When [`LeasedLimiter::poll_claim`] will have something though nobody asks for anything.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = |shard: &Mutex<Shard<K>>| shard.lock().due.peek().map(|Reverse(due)| due.0);
        self.shards.iter().filter_map(due).min()
    }

    /// What an account that is as it was read has to become. `wall_ns` is the time since 1970.
    #[must_use]
    pub fn settle(&self, claim: &Claim<K>, account: Option<&[u8]>, wall_ns: u64) -> Settlement {
        let mut account = account.map(Account::decode).unwrap_or_default();
        let lease_ns = u64::try_from(self.lease_for.as_nanos()).unwrap_or(u64::MAX);
        let report = Report {
            node: self.node,
            held: claim.held,
            spent: claim.spent,
            kept: claim.kept,
            wanted: claim.wanted,
            now: wall_ns,
            until: wall_ns.saturating_add(lease_ns),
        };
        let granted = account.settle(self.rates(), &report);
        Settlement { value: account.encode(wall_ns), granted }
    }

    /// The account was written.
    pub fn handle_settled(&self, claim: Claim<K>, settlement: &Settlement, now: Instant) {
        let terms = self.terms();
        let mut shard = self.shard_of(&claim.key).lock();
        shard.stats.settled += 1;
        let shard = &mut *shard;
        let Some(slot) = shard.slots.get_mut(&claim.key) else { return };
        let Settlement { granted, value } = settlement;
        slot.settled(&claim, granted, &terms, self.lease_for, value.is_some(), now);
        if let Some(due) = slot.due {
            shard.due.push(Reverse(Due(due, claim.key)));
        }
    }

    /// It was not, or nobody knows.
    pub fn handle_failure(&self, claim: Claim<K>, now: Instant) {
        let mut shard = self.shard_of(&claim.key).lock();
        shard.stats.failed += 1;
        let shard = &mut *shard;
        let Some(slot) = shard.slots.get_mut(&claim.key) else { return };
        slot.phase = Phase::Idle;
        slot.is_cut = true;
        let due = now + FAILURE_PAUSE;
        slot.due = Some(due);
        shard.due.push(Reverse(Due(due, claim.key)));
    }

    /// Whether the engine is away: from then on, this node's share is what it goes by.
    pub fn set_alone(&self, is_alone: bool) {
        self.is_alone.store(is_alone, Ordering::Relaxed);
    }

    /// How many nodes there are, this one included.
    pub fn set_nodes(&self, nodes: NonZeroU32) {
        self.nodes.store(nodes.get(), Ordering::Relaxed);
    }

    /// What becomes of denied requests from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.set(mode);
    }

    /// What a node gives out before it has asked: a quarter of the burst for all nodes together.
    #[must_use]
    pub fn credit(&self) -> u32 {
        self.terms().credit
    }

    /// What was decided so far.
    pub fn stats(&self) -> LeaseStats {
        self.shards.iter().fold(LeaseStats::default(), |sum, shard| {
            let shard = shard.lock();
            let stats = &shard.stats;
            LeaseStats {
                allowed: sum.allowed + stats.allowed,
                denied: sum.denied + stats.denied,
                shadowed: sum.shadowed + stats.shadowed,
                alone: sum.alone + stats.alone,
                settled: sum.settled + stats.settled,
                failed: sum.failed + stats.failed,
                evicted: sum.evicted + stats.evicted,
                keys: sum.keys + shard.slots.len(),
            }
        })
    }

    fn terms(&self) -> Terms {
        let nodes = self.nodes.load(Ordering::Relaxed).max(1);
        let burst = self.bucket.burst().get();
        Terms {
            credit: (burst / 4 / nodes).max(1),
            slice: (burst / 2 / nodes).max(1),
            share: self.bucket.shared_by(nodes),
            is_alone: self.is_alone.load(Ordering::Relaxed),
        }
    }

    fn rates(&self) -> Rates {
        let (token, capacity) = self.bucket.nanos();
        Rates { token, capacity }
    }

    fn shard_of(&self, key: &K) -> &Mutex<Shard<K>> {
        let hash = self.hasher.hash_one(key) >> 32;
        &self.shards[hash as usize % self.shards.len()]
    }
}

/// What follows from the bucket and the number of nodes.
struct Terms {
    credit: u32,
    /// What a node leases at once.
    slice: u32,
    share: TokenBucket,
    is_alone: bool,
}

impl<K: Hash + Eq + Clone> Shard<K> {
    fn poll_claim(&mut self, terms: &Terms, now: Instant) -> Option<Claim<K>> {
        while let Some(key) = self.wants.pop_front() {
            // It may have been forgotten meanwhile, and have come again.
            if self.slots.get(&key).is_none_or(|slot| slot.phase != Phase::Queued) {
                continue;
            }
            if let Some(claim) = self.claim(key, terms, now) {
                return Some(claim);
            }
        }
        while self.due.peek().is_some_and(|Reverse(due)| due.0 <= now) {
            let Some(Reverse(Due(at, key))) = self.due.pop() else { break };
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            if slot.due != Some(at) {
                continue;
            }
            slot.due = None;
            if slot.is_forgettable(now) {
                self.slots.remove(&key);
            } else if slot.phase == Phase::Idle
                && let Some(claim) = self.claim(key, terms, now)
            {
                return Some(claim);
            }
        }
        None
    }

    fn claim(&mut self, key: K, terms: &Terms, now: Instant) -> Option<Claim<K>> {
        let slot = self.slots.get_mut(&key)?;
        slot.phase = Phase::Settling;
        let Reported { held, spent, kept, wanted } = slot.report(terms, now);
        Some(Claim { key, name: slot.name.clone(), at: now, held, spent, kept, wanted })
    }

    /// Forgets the first of a few that has least to lose: one that nobody waits for, if there is one. While an engine is
    /// slow there may be none.
    fn make_room(&mut self, now: Instant) {
        const SAMPLE: usize = 8;
        let candidates = self.slots.iter().take(SAMPLE);
        let victim = candidates.min_by_key(|(_, slot)| (slot.phase != Phase::Idle, slot.fresh_at));
        let Some((key, slot)) = victim else { return };
        self.stats.evicted += u64::from(!slot.is_forgettable(now));
        let key = key.clone();
        self.slots.remove(&key);
        // Those who were forgotten are still on both lists, which must not outgrow the table by much.
        let lines_max = LINES_PER_KEY_MAX * (self.slots.len() + SAMPLE);
        if self.wants.len() > lines_max {
            let queued = self.slots.iter().filter(|(_, slot)| slot.phase == Phase::Queued);
            self.wants = queued.map(|(key, _)| key.clone()).collect();
        }
        if self.due.len() > lines_max {
            let due = |(key, slot): (&K, &Slot)| Some(Reverse(Due(slot.due?, key.clone())));
            self.due = self.slots.iter().filter_map(due).collect();
        }
    }

    fn count(&mut self, outcome: Result<(), Denied>, mode: Mode) -> Result<(), Denied> {
        match (outcome, mode) {
            (Err(denied), Mode::Enforce) => {
                self.stats.denied += 1;
                return Err(denied);
            }
            (Err(_), Mode::Shadow) => self.stats.shadowed += 1,
            (Ok(()), _) => {}
        }
        self.stats.allowed += 1;
        Ok(())
    }
}

impl<K> PartialEq for Due<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K> Eq for Due<K> {}

impl<K> PartialOrd for Due<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Due<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<K> fmt::Debug for LeasedLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedLimiter")
            .field("bucket", &self.bucket)
            .field("lease_for", &self.lease_for)
            .finish_non_exhaustive()
    }
}
