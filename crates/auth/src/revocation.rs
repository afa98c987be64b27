//! Tokens that are taken back before they expire.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use parking_lot::RwLock;

use crate::error::AuthError;
use crate::identity::Identity;

#[cfg(test)]
mod tests;

/// Which tokens are taken back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// The one with this `jti`.
    Token(Box<str>),
    /// Those of this user that were issued before the instant. A token that does not say when it was
    /// issued counts as older than any.
    User(Box<str>, SystemTime),
    /// Those of everybody that were issued before the instant.
    Everybody(SystemTime),
}

/// A word that tokens are taken back, and for how long it has to be remembered: until none of them
/// could be good any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which tokens.
    pub revoked: Revoked,
    /// From then on it is forgotten.
    pub until: SystemTime,
}

/// As many revocations are remembered as may be, and this one is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max} revocations are remembered already, and that is as many as may be")]
pub struct TooManyRevocations {
    /// How many may be.
    pub max: NonZeroUsize,
}

/// The revocations of a server. It reads no clock and asks nobody: what other servers have revoked is
/// handed to [`Revocations::revoke`] as well.
///
/// While nothing is revoked, judging costs one load. A revocation costs some 100 bytes and the length of
/// its name.
#[derive(Debug)]
pub struct Revocations {
    table: RwLock<Table>,
    count: AtomicUsize,
    max: NonZeroUsize,
}

#[derive(Debug, Default)]
struct Table {
    /// Until when, by `jti`.
    tokens: HashMap<Box<str>, SystemTime>,
    users: HashMap<Box<str>, Cut>,
    everybody: Option<Cut>,
}

/// Nothing that was issued before is good.
#[derive(Clone, Copy, Debug)]
struct Cut {
    before: SystemTime,
    until: SystemTime,
}

impl Revocations {
    /// None yet, and at most so many.
    #[must_use]
    pub fn new(max: NonZeroUsize) -> Self {
        Self { table: RwLock::default(), count: AtomicUsize::new(0), max }
    }

    /// Takes tokens back from now on. Of two words about the same, what is stricter in either counts.
    /// Answers whether it says anything that was not known.
    ///
    /// # Errors
    ///
    /// If as many are remembered as may be; those that are over are forgotten first.
    pub fn revoke(
        &self,
        revocation: &Revocation,
        now: SystemTime,
    ) -> Result<bool, TooManyRevocations> {
        let Revocation { revoked, until } = revocation;
        if *until <= now {
            return Ok(false);
        }
        let mut table = self.table.write();
        if !table.knows(revoked) && table.len() >= self.max.get() {
            table.forget_expired(now);
            if table.len() >= self.max.get() {
                self.count.store(table.len(), Ordering::Relaxed);
                return Err(TooManyRevocations { max: self.max });
            }
        }
        let is_news = match revoked {
            Revoked::Token(id) => {
                let known = table.tokens.entry(id.clone()).or_insert(SystemTime::UNIX_EPOCH);
                let is_news = *known < *until;
                *known = (*known).max(*until);
                is_news
            }
            Revoked::User(name, before) => {
                let cut = table.users.entry(name.clone()).or_insert(Cut::NOTHING);
                cut.widen(*before, *until)
            }
            Revoked::Everybody(before) => {
                table.everybody.get_or_insert(Cut::NOTHING).widen(*before, *until)
            }
        };
        self.count.store(table.len(), Ordering::Relaxed);
        Ok(is_news)
    }

    /// Whether the token of this identity still holds.
    ///
    /// # Errors
    ///
    /// [`AuthError::Revoked`], if it was taken back.
    #[inline]
    pub fn judge(&self, identity: &Identity, now: SystemTime) -> Result<(), AuthError> {
        if self.is_empty() { Ok(()) } else { self.judge_by_table(identity, now) }
    }

    fn judge_by_table(&self, identity: &Identity, now: SystemTime) -> Result<(), AuthError> {
        let table = self.table.read();
        let token = identity.token_id.as_ref().and_then(|id| table.tokens.get(id));
        let user = table.users.get(&*identity.user_id);
        let is_cut = [user, table.everybody.as_ref()].into_iter().flatten().any(|cut| {
            now < cut.until && identity.issued_at.is_none_or(|issued| issued < cut.before)
        });
        if is_cut || token.is_some_and(|until| now < *until) {
            return Err(AuthError::Revoked);
        }
        Ok(())
    }

    /// Forgets what is over; answers how many those were.
    pub fn forget_expired(&self, now: SystemTime) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut table = self.table.write();
        let before = table.len();
        table.forget_expired(now);
        self.count.store(table.len(), Ordering::Relaxed);
        before - table.len()
    }

    /// At most `max` of them, in no particular order.
    #[must_use]
    pub fn list(&self, max: usize) -> Vec<Revocation> {
        let table = self.table.read();
        let everybody = table.everybody.iter();
        let everybody = everybody.map(|cut| (Revoked::Everybody(cut.before), cut.until));
        let users = table.users.iter();
        let users = users.map(|(name, cut)| (Revoked::User(name.clone(), cut.before), cut.until));
        let tokens = table.tokens.iter().map(|(id, until)| (Revoked::Token(id.clone()), *until));
        let all = everybody.chain(users).chain(tokens).take(max);
        all.map(|(revoked, until)| Revocation { revoked, until }).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Revoked {
    /// Whether the token of this identity is meant.
    #[must_use]
    pub fn means(&self, identity: &Identity) -> bool {
        let is_older =
            |before: &SystemTime| identity.issued_at.is_none_or(|issued| issued < *before);
        match self {
            Self::Token(id) => identity.token_id.as_ref() == Some(id),
            Self::User(name, before) => *identity.user_id == **name && is_older(before),
            Self::Everybody(before) => is_older(before),
        }
    }
}

impl Table {
    fn len(&self) -> usize {
        self.tokens.len() + self.users.len() + usize::from(self.everybody.is_some())
    }

    fn knows(&self, revoked: &Revoked) -> bool {
        match revoked {
            Revoked::Token(id) => self.tokens.contains_key(id),
            Revoked::User(name, _) => self.users.contains_key(name),
            Revoked::Everybody(_) => self.everybody.is_some(),
        }
    }

    fn forget_expired(&mut self, now: SystemTime) {
        self.tokens.retain(|_, until| now < *until);
        self.users.retain(|_, cut| now < cut.until);
        self.everybody = self.everybody.filter(|cut| now < cut.until);
    }
}

impl Cut {
    const NOTHING: Self = Self { before: SystemTime::UNIX_EPOCH, until: SystemTime::UNIX_EPOCH };

    /// Whether it says more than before.
    fn widen(&mut self, before: SystemTime, until: SystemTime) -> bool {
        let is_news = self.before < before || self.until < until;
        *self = Self { before: self.before.max(before), until: self.until.max(until) };
        is_news
    }
}
