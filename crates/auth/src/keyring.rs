//! The published keys of one issuer, as a machine: when to fetch them, who has to wait, what is
//! served meanwhile.
//!
//! ```text
//!           want (allowed)             poll_fetch
//!   Idle ────────────────► Wanted ───────────────► InFlight
//!    ▲ └────────────────────────────────────────────► │
//!    │              poll_fetch (a refresh is due)     │
//!    └────────────────────────────────────────────────┘
//!        handle_keys, or nothing within the fetch timeout
//! ```
//!
//! There is at most one fetch, and whoever wants keys meanwhile shares it. After one, wants are
//! refused for a cool-down: a short one if it brought keys, a growing one if it failed.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lru::LruCache;

use crate::config::JwksSettings;
use crate::error::AuthError;
use crate::key::KeySet;

/// Key ids that share one fetch and are remembered if it does not bring them. More may wait; they
/// are merely not remembered.
const LOOKED_FOR_MAX: usize = 256;
/// How far two readings of the clock may be out of order before we believe that it was set back.
const CLOCK_DISORDER: Duration = Duration::from_secs(60);

/// The year 9999 or so.
const NEVER: Duration = Duration::from_secs(253_402_300_799);

/// Which keys would have been needed, without saying so to anyone: key ids are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWanted {
    /// One bit for each issuer whose keys might verify the token.
    pub(crate) issuers: u64,
    pub(crate) key_id: Option<u64>,
    /// How many times keys had arrived when the token was verified.
    pub(crate) arrivals: u64,
}

/// What to do about a [`KeyWanted`].
///
/// The order is that of weight: of several issuers, one that may still have the key outweighs those
/// that have it not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// The issuer was asked a moment ago and does not have the key: refuse the token.
    Unknown,
    /// The issuer could not be asked a moment ago: refuse the token, which may be good later.
    Unavailable,
    /// A fetch is about to start or under way (see
    /// [`Authenticator::poll_fetch`](crate::Authenticator::poll_fetch)). Verify again once it ended.
    Wait,
    /// Newer keys have arrived in the meantime: verify again at once.
    Retry,
}

impl Want {
    /// The error to refuse the token with, if it is to be refused.
    #[must_use]
    pub const fn refusal(self) -> Option<AuthError> {
        match self {
            Self::Wait | Self::Retry => None,
            Self::Unknown => Some(AuthError::UnknownKey),
            Self::Unavailable => Some(AuthError::KeysUnavailable),
        }
    }
}

/// What [`Keyring::keys`] has to offer.
pub(crate) enum Keys {
    /// Verify with these. What they verified may be remembered until the time given.
    Usable(Arc<KeySet>, SystemTime),
    /// There are none, or they are too old to be used without asking the issuer first.
    Missing,
}

struct Held {
    keys: Arc<KeySet>,
    fetched_at: SystemTime,
    max_age: Duration,
}

enum Fetch {
    Idle,
    Wanted,
    InFlight { ticket: u64, since: SystemTime },
}

/// See the module's documentation.
pub(crate) struct Keyring {
    settings: JwksSettings,
    hasher: RandomState,
    held: Option<Held>,
    fetch: Fetch,
    tickets: u64,
    /// When the last fetch ended.
    ended_at: Option<SystemTime>,
    /// Failures since the last success.
    failures: u32,
    /// Hashes of the key ids that the fetch at hand is for.
    looked_for: Vec<u64>,
    /// Hashes of key ids that a fetch did not bring, and when.
    unknown: LruCache<u64, SystemTime>,
}

/// Time since `then`. A clock that was set back must not freeze anything: everything is due then.
fn elapsed(then: SystemTime, now: SystemTime) -> Duration {
    match now.duration_since(then) {
        Ok(elapsed) => elapsed,
        Err(back) if back.duration() < CLOCK_DISORDER => Duration::ZERO,
        Err(_) => Duration::MAX,
    }
}

/// `time` plus a setting, which may be absurdly large: then that is never.
fn later(time: SystemTime, setting: Duration) -> SystemTime {
    time.checked_add(setting).unwrap_or(UNIX_EPOCH + NEVER)
}

impl Keyring {
    pub(crate) fn new(settings: JwksSettings, hasher: RandomState) -> Self {
        Self {
            settings,
            hasher,
            held: None,
            fetch: Fetch::Idle,
            tickets: 0,
            ended_at: None,
            failures: 0,
            looked_for: Vec::new(),
            // Not `new`, which would allocate for the bound at once.
            unknown: LruCache::unbounded(),
        }
    }

    /// The keys to verify with at `now`.
    pub(crate) fn keys(&self, now: SystemTime) -> Keys {
        let Some(held) = &self.held else { return Keys::Missing };
        let age = elapsed(held.fetched_at, now);
        // Beyond their age they are served only while the issuer is known to be down: otherwise a
        // key that it withdrew would live on for as long as nobody asks.
        let age_max = held.max_age.saturating_add(self.settings.stale_max);
        if age <= held.max_age || (self.failures > 0 && age <= age_max) {
            let until = later(held.fetched_at, age_max);
            Keys::Usable(Arc::clone(&held.keys), until)
        } else {
            Keys::Missing
        }
    }

    /// A token needs a key that [`Keyring::keys`] does not have.
    pub(crate) fn want(&mut self, key_id: Option<u64>, now: SystemTime) -> Want {
        self.give_up_overdue(now);
        if matches!(self.fetch, Fetch::Idle) {
            if self.failures > 0 && self.is_cooling_down(now) {
                return Want::Unavailable;
            }
            if self.failures == 0
                && matches!(self.keys(now), Keys::Usable(..))
                && (self.is_cooling_down(now) || self.is_known_to_be_unknown(key_id, now))
            {
                return Want::Unknown;
            }
            self.fetch = Fetch::Wanted;
        }
        if let Some(key_id) = key_id
            && self.looked_for.len() < LOOKED_FOR_MAX
            && !self.looked_for.contains(&key_id)
        {
            self.looked_for.push(key_id);
        }
        Want::Wait
    }

    /// A ticket for a fetch that the caller must start now, if one is wanted or due.
    pub(crate) fn poll_fetch(&mut self, now: SystemTime) -> Option<u64> {
        self.give_up_overdue(now);
        let start = match self.fetch {
            Fetch::Wanted => true,
            Fetch::Idle => self.is_refresh_due(now),
            Fetch::InFlight { .. } => false,
        };
        if !start {
            return None;
        }
        debug_assert!(!matches!(self.fetch, Fetch::InFlight { .. }), "one fetch at a time");
        self.tickets += 1;
        self.fetch = Fetch::InFlight { ticket: self.tickets, since: now };
        Some(self.tickets)
    }

    /// When [`Keyring::poll_fetch`] will have something to start if nothing else happens.
    pub(crate) fn poll_timeout(&self) -> SystemTime {
        match self.fetch {
            Fetch::Wanted => UNIX_EPOCH,
            Fetch::InFlight { since, .. } => later(since, self.overdue_after()),
            Fetch::Idle => {
                let refresh = self
                    .held
                    .as_ref()
                    .map(|held| later(held.fetched_at, refresh_age(held.max_age)));
                let cool = self.ended_at.map(|at| later(at, self.cool_down()));
                refresh.unwrap_or(UNIX_EPOCH).max(cool.unwrap_or(UNIX_EPOCH))
            }
        }
    }

    /// The fetch of this ticket brought keys. Returns whether a key that was trusted is gone.
    ///
    /// An answer that comes after its fetch was given up is dropped.
    pub(crate) fn handle_keys(
        &mut self,
        ticket: u64,
        keys: KeySet,
        max_age: Option<Duration>,
        now: SystemTime,
    ) -> bool {
        if !self.end_fetch(ticket, now) {
            return false;
        }
        self.failures = 0;
        let known: Vec<u64> =
            keys.iter().filter_map(|key| Some(self.hasher.hash_one(key.id()?))).collect();
        for key_id in std::mem::take(&mut self.looked_for) {
            if !known.contains(&key_id) {
                self.unknown.put(key_id, now);
                if self.unknown.len() > self.settings.unknown_keys_max {
                    self.unknown.pop_lru();
                }
                debug_assert!(self.unknown.len() <= self.settings.unknown_keys_max);
            }
        }
        let settings = &self.settings;
        let max_age = max_age
            .unwrap_or(settings.max_age)
            .clamp(settings.max_age_min, settings.max_age_max.max(settings.max_age_min));
        let lost = self.held.as_ref().is_some_and(|held| !held.keys.is_within(&keys));
        self.held = Some(Held { keys: Arc::new(keys), fetched_at: now, max_age });
        lost
    }

    /// The fetch of this ticket failed.
    pub(crate) fn handle_failure(&mut self, ticket: u64, now: SystemTime) {
        if self.end_fetch(ticket, now) {
            self.looked_for.clear();
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// How many keys are held, and whether the last fetch failed.
    pub(crate) fn standing(&self) -> (usize, bool) {
        (self.held.as_ref().map_or(0, |held| held.keys.len()), self.failures > 0)
    }

    fn end_fetch(&mut self, ticket: u64, now: SystemTime) -> bool {
        let is_current = matches!(self.fetch, Fetch::InFlight { ticket: t, .. } if t == ticket);
        if is_current {
            self.fetch = Fetch::Idle;
            self.ended_at = Some(now);
        }
        is_current
    }

    /// A fetch whose driver vanished must not keep everyone waiting for ever.
    fn give_up_overdue(&mut self, now: SystemTime) {
        if let Fetch::InFlight { ticket, since } = self.fetch
            && elapsed(since, now) >= self.overdue_after()
        {
            self.handle_failure(ticket, now);
        }
    }

    /// The driver's own timeout comes first; this one only catches drivers that never answer.
    fn overdue_after(&self) -> Duration {
        self.settings.fetch_timeout.saturating_mul(2)
    }

    fn is_refresh_due(&self, now: SystemTime) -> bool {
        let due = self
            .held
            .as_ref()
            .is_none_or(|held| elapsed(held.fetched_at, now) >= refresh_age(held.max_age));
        due && !self.is_cooling_down(now)
    }

    fn is_cooling_down(&self, now: SystemTime) -> bool {
        self.ended_at.is_some_and(|at| elapsed(at, now) < self.cool_down())
    }

    /// Doubles with each failure in a row, up to sixteen times the setting.
    fn cool_down(&self) -> Duration {
        match self.failures {
            0 => self.settings.cool_down,
            failures => self.settings.failure_cool_down.saturating_mul(1 << (failures - 1).min(4)),
        }
    }

    fn is_known_to_be_unknown(&self, key_id: Option<u64>, now: SystemTime) -> bool {
        key_id
            .and_then(|key_id| self.unknown.peek(&key_id))
            .is_some_and(|at| elapsed(*at, now) < self.settings.unknown_key_ttl)
    }
}

/// Keys are fetched again when four fifths of their life have passed, so that nobody waits for it.
fn refresh_age(max_age: Duration) -> Duration {
    max_age / 5 * 4
}

#[cfg(test)]
mod tests;
