//! Limits that all nodes share, in slices that each leases from the engine.

use std::{
    fmt::Write,
    hash::Hash,
    num::NonZeroU32,
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant, UNIX_EPOCH},
};

use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};
use ws_broker::{Engine, Status};
use ws_rate_limiter::{
    AnyLimit, Claim, Denied, IpKey, KeyedLimiter, LeaseStats, LeasedLimiter, Mode, TierId,
    TieredLimiter, TokenBucket,
};

use crate::{application::Application, clock::WallClock, handler::Shared};

mod sweeping;

/// What accounts are called: the limiter, then the tier, then who it is.
const PREFIX: &str = "limit:";
/// So many accounts are settled at once.
const SETTLING_MAX: usize = 64;
/// An account that so many others change at the same moment is left for later.
const TRIES_MAX: usize = 16;
/// How often it is looked whether there are other nodes, and whether the engine is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// While the engine is away, what is due stays due.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The limits on messages and connects, for all nodes together; see [`LeasedLimiter`] for what that
/// promises. A limit that is no token bucket stays with each node.
#[derive(Debug)]
pub struct ClusterLimits {
    /// By tier.
    messages: Vec<Option<Tier>>,
    connects: Option<Arc<LeasedLimiter<IpKey>>>,
    wants: Arc<Notify>,
}

#[derive(Debug)]
struct Tier {
    name: Box<str>,
    bucket: TokenBucket,
    mode: Mode,
    limiter: Arc<LeasedLimiter<u64>>,
}

impl ClusterLimits {
    /// The limits of these limiters, shared.
    #[must_use]
    pub fn of(
        messages: Option<&TieredLimiter<u64, AnyLimit>>,
        connects: Option<&KeyedLimiter<IpKey, TokenBucket>>,
    ) -> Self {
        // What this node is called in accounts: with another one, what it had leased before is left to end.
        let node = rand::random();
        let tier = |(name, limiter): (&str, &KeyedLimiter<u64, AnyLimit>)| {
            let AnyLimit::TokenBucket(bucket) = *limiter.limit() else { return None };
            let leased = LeasedLimiter::new(bucket, node, limiter.capacity());
            leased.set_mode(limiter.mode());
            let (name, mode, limiter) = (name.into(), limiter.mode(), Arc::new(leased));
            Some(Tier { name, bucket, mode, limiter })
        };
        let connects = connects.map(|limiter| {
            let leased = LeasedLimiter::new(*limiter.limit(), node, limiter.capacity());
            leased.set_mode(limiter.mode());
            Arc::new(leased)
        });
        let messages = messages.map(|messages| messages.tiers().map(tier).collect());
        Self { messages: messages.unwrap_or_default(), connects, wants: Arc::default() }
    }

    /// Tiers that say what they said before go on with what they have leased.
    pub(crate) fn going_on_from(&mut self, before: &Self) {
        self.wants = before.wants.clone();
        for tier in self.messages.iter_mut().flatten() {
            let mut known = before.messages.iter().flatten();
            let same = |other: &&Tier| other.name == tier.name && other.bucket == tier.bucket;
            if let Some(known) = known.find(same) {
                known.limiter.set_mode(tier.mode);
                tier.limiter = known.limiter.clone();
            }
        }
    }

    pub(crate) fn go_on_with_connects(&mut self, before: &Self, mode: Mode) {
        if let Some(connects) = &before.connects {
            connects.set_mode(mode);
            self.connects = Some(connects.clone());
        }
    }

    /// `None`: that tier is not shared.
    pub(crate) fn charge_message(
        &self,
        tier: TierId,
        key: u64,
        name: impl FnOnce() -> Arc<str>,
        cost: u32,
        now: Instant,
    ) -> Option<Result<(), Denied>> {
        let tier = self.messages.get(tier.index())?.as_ref()?;
        let account = || format!("{PREFIX}m:{}:{}", tier.name, name()).into();
        let (outcome, is_wanted) = tier.limiter.charge(&key, account, cost, now);
        if is_wanted {
            self.wants.notify_one();
        }
        Some(outcome)
    }

    /// `None`: connects are not limited for all nodes.
    pub(crate) fn charge_connect(&self, key: IpKey, now: Instant) -> Option<Result<(), Denied>> {
        let connects = self.connects.as_ref()?;
        let account = || {
            let mut name = String::from(PREFIX);
            // Writing to a string does not fail.
            let _ = write!(name, "c:{key}");
            name.into()
        };
        let (outcome, is_wanted) = connects.charge(&key, account, 1, now);
        if is_wanted {
            self.wants.notify_one();
        }
        Some(outcome)
    }

    /// What was decided of messages, by tier, and of connects.
    pub fn stats(&self) -> impl Iterator<Item = (&'static str, LeaseStats)> {
        let sum = |sum: LeaseStats, stats: LeaseStats| LeaseStats {
            allowed: sum.allowed + stats.allowed,
            denied: sum.denied + stats.denied,
            shadowed: sum.shadowed + stats.shadowed,
            alone: sum.alone + stats.alone,
            settled: sum.settled + stats.settled,
            failed: sum.failed + stats.failed,
            evicted: sum.evicted + stats.evicted,
            keys: sum.keys + stats.keys,
        };
        let tiers = self.messages.iter().flatten().map(|tier| tier.limiter.stats());
        let messages = tiers.reduce(sum).map(|stats| ("messages", stats));
        let connects = self.connects.as_ref().map(|connects| ("connects", connects.stats()));
        messages.into_iter().chain(connects)
    }

    fn look_around(&self, nodes: NonZeroU32, is_alone: bool) {
        for tier in self.messages.iter().flatten() {
            tier.limiter.set_nodes(nodes);
            tier.limiter.set_alone(is_alone);
        }
        if let Some(connects) = &self.connects {
            connects.set_nodes(nodes);
            connects.set_alone(is_alone);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let tiers = self.messages.iter().flatten();
        let messages = tiers.filter_map(|tier| tier.limiter.poll_timeout());
        messages.chain(self.connects.as_ref().and_then(|it| it.poll_timeout())).min()
    }
}

impl<A: Application> Shared<A> {
    /// The engine is away, or back: whoever settles looks at once.
    pub(crate) fn note_engine(&self) {
        if let Some(limits) = &self.in_force().limits.cluster {
            limits.wants.notify_one();
        }
    }

    /// Settles what is to be settled as long as the handler lives, if limits are shared. Called again when they
    /// may be from then on. Must be called within a runtime.
    pub(crate) fn start_leasing(self: &Arc<Self>) {
        if self.in_force().limits.cluster.is_none() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_leasing.swap(true, Ordering::Relaxed) {
            return;
        }
        let places = Arc::new(Semaphore::new(SETTLING_MAX));
        runtime.spawn(keep_settling(Arc::downgrade(self), places));
        runtime.spawn(sweeping::keep_sweeping(Arc::downgrade(self)));
    }
}

async fn keep_settling<A: Application>(shared: Weak<Shared<A>>, places: Arc<Semaphore>) {
    loop {
        let limits = {
            let Some(shared) = shared.upgrade() else { return };
            let others = shared.peers().map_or(0, |peers| peers.members.others().len());
            let nodes = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
            let limits = shared.in_force().limits.cluster.clone();
            let engine = &shared.cluster.engine;
            if let Some(limits) = &limits {
                let nodes = NonZeroU32::new(nodes).unwrap_or(NonZeroU32::MIN);
                limits.look_around(nodes, engine.status() != Status::Up);
            }
            limits.map(|limits| (limits, engine.clone(), shared.clock.clone()))
        };
        let Some((limits, engine, clock)) = limits else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        for tier in limits.messages.iter().flatten() {
            settle_all(&tier.limiter, &engine, &clock, &places).await;
        }
        if let Some(connects) = &limits.connects {
            settle_all(connects, &engine, &clock, &places).await;
        }
        let due = limits.poll_timeout().map(|due| due.saturating_duration_since(now()));
        let pause = due.map_or(LOOK_EVERY, |due| due.clamp(PAUSE_MIN, LOOK_EVERY));
        let _ = timeout(pause, limits.wants.notified()).await;
    }
}

async fn settle_all<K: Hash + Eq + Clone + Send + 'static>(
    limiter: &Arc<LeasedLimiter<K>>,
    engine: &Arc<dyn Engine>,
    clock: &Arc<WallClock>,
    places: &Arc<Semaphore>,
) {
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Some(claim) = limiter.poll_claim(now()) else { return };
        let (limiter, engine, clock) = (limiter.clone(), engine.clone(), clock.clone());
        tokio::spawn(async move {
            settle(&limiter, claim, &*engine, &clock).await;
            drop(place);
        });
    }
}

async fn settle<K: Hash + Eq + Clone>(
    limiter: &LeasedLimiter<K>,
    claim: Claim<K>,
    engine: &dyn Engine,
    clock: &WallClock,
) {
    let Ok(mut record) = engine.get(&claim.name).await else {
        return limiter.handle_failure(claim, now());
    };
    for _ in 0..TRIES_MAX {
        let wall = clock.wall(now()).duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        let account = record.as_ref().map(|record| &*record.value);
        let settlement = limiter.settle(&claim, account, wall_ns);
        let value = settlement.value.clone().map(bytes::Bytes::from);
        let expected = record.as_ref().map(|record| record.revision);
        if value.is_none() && expected.is_none() {
            return limiter.handle_settled(claim, &settlement, now());
        }
        match engine.put(&claim.name, value, expected).await {
            Ok(Ok(_)) => return limiter.handle_settled(claim, &settlement, now()),
            Ok(Err(conflict)) => record = conflict.current,
            Err(_) => break,
        }
    }
    limiter.handle_failure(claim, now());
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
