//! The heartbeats of many connections behind one deadline.

use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    time::{Duration, Instant},
};

use crate::{Action, Heartbeat, HeartbeatConfig, HeartbeatStats, HeartbeatSummary};

#[cfg(test)]
mod tests;

/// The heartbeats of many connections, for whoever wants one loop and not a timer for each.
///
/// A key is anything that names a connection and is cheap to clone. Each entry stands once in an
/// ordered table of deadlines; a frame touches only its own entry, and a tick touches only those that
/// are due, each in O(log n).
///
/// A connection stays until [`stop`](Self::stop), dead or not: stop what you close.
#[derive(Debug)]
pub struct HeartbeatManager<K> {
    config: HeartbeatConfig,
    seed: u64,
    started: u64,
    watched: HashMap<K, Watched>,
    deadlines: BTreeMap<(Instant, u64), K>,
    pings: u64,
    pongs: u64,
    dead: u64,
}

#[derive(Debug)]
struct Watched {
    heartbeat: Heartbeat,
    /// Its place in `deadlines`, while it lives.
    armed: Option<Instant>,
    serial: u64,
}

impl<K: Clone + Eq + Hash> HeartbeatManager<K> {
    /// Watches nothing yet. The seed of each connection is derived from `seed`, which should be random.
    #[must_use]
    pub fn new(config: HeartbeatConfig, seed: u64) -> Self {
        Self {
            config,
            seed,
            started: 0,
            watched: HashMap::new(),
            deadlines: BTreeMap::new(),
            pings: 0,
            pongs: 0,
            dead: 0,
        }
    }

    /// Watches a connection that was established at `now`. A key that is already there starts anew;
    /// `false` says so.
    pub fn start(&mut self, key: K, now: Instant) -> bool {
        let is_new = !self.stop(&key);
        self.started += 1;
        let serial = self.started;
        let heartbeat = Heartbeat::new(self.config, now, self.seed_of(serial));
        let armed = heartbeat.poll_timeout();
        if let Some(at) = armed {
            self.deadlines.insert((at, serial), key.clone());
        }
        self.watched.insert(key, Watched { heartbeat, armed, serial });
        is_new
    }

    /// Watches a connection no longer. `false`: it was not watched.
    pub fn stop(&mut self, key: &K) -> bool {
        let Some(watched) = self.watched.remove(key) else { return false };
        if let Some(at) = watched.armed {
            self.deadlines.remove(&(at, watched.serial));
        }
        debug_assert!(self.deadlines.len() <= self.watched.len());
        true
    }

    /// A frame of any kind came from this connection. Of an unknown one nothing is noted.
    pub fn handle_frame(&mut self, key: &K, now: Instant) {
        if let Some(watched) = self.watched.get_mut(key) {
            watched.heartbeat.handle_frame(now);
        }
    }

    /// A pong came from this connection; see [`Heartbeat::handle_pong`].
    pub fn handle_pong(&mut self, key: &K, payload: &[u8], now: Instant) -> Option<Duration> {
        let round_trip = self.watched.get_mut(key)?.heartbeat.handle_pong(payload, now)?;
        self.pongs += 1;
        Some(round_trip)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): the nearest of all deadlines.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first_key_value().map(|(&(at, _), _)| at)
    }

    /// The time is `now`: what to do for which connection. Call it until it returns `None`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<(K, Action)> {
        while self.poll_timeout()? <= now {
            let ((_, serial), key) = self.deadlines.pop_first()?;
            let Some(watched) = self.watched.get_mut(&key) else { continue };
            let action = watched.heartbeat.handle_timeout(now);
            watched.armed = watched.heartbeat.poll_timeout();
            if let Some(at) = watched.armed {
                debug_assert!(at > now, "a deadline that stays due would be handled for ever");
                self.deadlines.insert((at, serial), key.clone());
            }
            match action {
                None => {}
                Some(Action::SendPing(_)) => self.pings += 1,
                Some(Action::DeclareDead) => self.dead += 1,
            }
            if let Some(action) = action {
                return Some((key, action));
            }
        }
        None
    }

    /// Whether this connection is watched and missed no ping since its last frame.
    #[must_use]
    pub fn is_healthy(&self, key: &K) -> bool {
        self.watched.get(key).is_some_and(|watched| watched.heartbeat.is_healthy())
    }

    /// How many connections are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.watched.len()
    }

    /// Whether no connection is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// What is known about one connection at `now`.
    #[must_use]
    pub fn stats(&self, key: &K, now: Instant) -> Option<HeartbeatStats> {
        self.watched.get(key).map(|watched| watched.heartbeat.stats(now))
    }

    /// What is known about each connection at `now`, in no order.
    pub fn all_stats(&self, now: Instant) -> impl Iterator<Item = (&K, HeartbeatStats)> {
        self.watched.iter().map(move |(key, watched)| (key, watched.heartbeat.stats(now)))
    }

    /// What is known about all of them together. Looks at each: O(n).
    #[must_use]
    pub fn summary(&self, now: Instant) -> HeartbeatSummary {
        let mut summary = HeartbeatSummary {
            connections: self.watched.len(),
            pings: self.pings,
            pongs: self.pongs,
            dead: self.dead,
            ..HeartbeatSummary::default()
        };
        let (mut total, mut measured) = (Duration::ZERO, 0);
        for (_, stats) in self.all_stats(now) {
            summary.healthy += usize::from(stats.healthy);
            if let Some(latency) = stats.latency {
                total += latency.smoothed;
                measured += 1;
                summary.max_latency = summary.max_latency.max(Some(latency.max));
            }
        }
        summary.average_latency = total.checked_div(measured);
        summary
    }

    fn seed_of(&self, serial: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write_u64(serial);
        hasher.finish()
    }
}
