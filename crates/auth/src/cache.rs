//! Tokens that were verified, so that a client that comes back costs a hash and not a signature.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;
use lru::LruCache;
use parking_lot::Mutex;

use crate::identity::Identity;

/// Locks are held for a lookup only; sixteen of them keep a few dozen threads apart.
const SHARDS: usize = 16;

/// A token's SHA-256. The token itself is not kept; and since only what hashes to the same value
/// could take its place, the hash must be one that cannot be steered.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; digest::SHA256_OUTPUT_LEN]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// What is known about a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Hit(Arc<Identity>),
    /// It was good, and its time is over.
    Expired,
    Miss,
}

struct Entry {
    identity: Arc<Identity>,
    /// When the keys that verified it are too old to be trusted; `None` for configured keys.
    keys_until: Option<SystemTime>,
    /// The state of all keys that it was verified in.
    epoch: u64,
}

/// A bounded table; the entry that was not asked for the longest goes first.
pub(crate) struct VerifiedCache {
    shards: Box<[Mutex<LruCache<TokenDigest, Entry>>]>,
    tokens_max: usize,
}

impl VerifiedCache {
    pub(crate) fn new(tokens_max: usize) -> Self {
        // Unbounded tables that we cut ourselves: bounded ones allocate for their bound at once.
        let shards = (0..SHARDS.min(tokens_max)).map(|_| Mutex::new(LruCache::unbounded()));
        Self { shards: shards.collect(), tokens_max }
    }

    pub(crate) fn lookup(&self, digest: &TokenDigest, epoch: u64, now: SystemTime) -> Lookup {
        let Some((shard, _)) = self.shard(digest) else { return Lookup::Miss };
        let mut entries = shard.lock();
        let Some(entry) = entries.get(digest) else { return Lookup::Miss };
        let outcome = if entry.identity.is_expired(now) {
            Lookup::Expired
        } else if entry.epoch != epoch || entry.keys_until.is_some_and(|until| now >= until) {
            Lookup::Miss
        } else {
            return Lookup::Hit(Arc::clone(&entry.identity));
        };
        entries.pop(digest);
        outcome
    }

    pub(crate) fn insert(
        &self,
        digest: TokenDigest,
        identity: Arc<Identity>,
        keys_until: Option<SystemTime>,
        epoch: u64,
    ) {
        let Some((shard, entries_max)) = self.shard(&digest) else { return };
        let mut entries = shard.lock();
        entries.put(digest, Entry { identity, keys_until, epoch });
        if entries.len() > entries_max {
            entries.pop_lru();
        }
        debug_assert!(entries.len() <= entries_max);
    }

    /// How many tokens are remembered.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// The shard of a digest and how much it may hold: together exactly the bound.
    fn shard(&self, digest: &TokenDigest) -> Option<(&Mutex<LruCache<TokenDigest, Entry>>, usize)> {
        let index = usize::from(digest.0[0]).checked_rem(self.shards.len())?;
        let larger = usize::from(index < self.tokens_max % self.shards.len());
        Some((&self.shards[index], self.tokens_max / self.shards.len() + larger))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn identity(valid_until: Option<SystemTime>) -> Arc<Identity> {
        Arc::new(Identity {
            user_id: "u".into(),
            issuer: "i".into(),
            session_id: None,
            tier: None,
            token_id: None,
            channels: None,
            permissions: None,
            expires_at: valid_until,
            valid_until,
        })
    }

    #[test]
    fn an_entry_ends_with_its_token_its_keys_or_their_epoch() {
        let digest = TokenDigest::of("a");
        let check = |keys_until: Option<u64>, epoch: u64, now: u64, expect: Lookup| {
            let cache = VerifiedCache::new(10);
            cache.insert(digest, identity(Some(at(100))), keys_until.map(at), 1);
            assert_eq!(
                cache.lookup(&digest, epoch, at(now)),
                expect,
                "{keys_until:?} {epoch} {now}"
            );
        };
        let hit = || Lookup::Hit(identity(Some(at(100))));
        check(None, 1, 99, hit());
        check(None, 1, 100, Lookup::Expired);
        check(None, 2, 99, Lookup::Miss);
        check(None, 2, 100, Lookup::Expired);
        check(Some(50), 1, 49, hit());
        check(Some(50), 1, 50, Lookup::Miss);
        assert_eq!(VerifiedCache::new(10).lookup(&digest, 1, at(0)), Lookup::Miss);
    }

    #[test]
    fn a_cache_of_nothing_holds_nothing() {
        let cache = VerifiedCache::new(0);
        cache.insert(TokenDigest::of("a"), identity(None), None, 0);
        assert_eq!(cache.lookup(&TokenDigest::of("a"), 0, at(0)), Lookup::Miss);
        assert_eq!(cache.len(), 0);
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_its_bound(bound in 0_usize..50, tokens in prop::collection::vec(0_u16..200, 0..200)) {
            let cache = VerifiedCache::new(bound);
            for token in tokens {
                let digest = TokenDigest::of(&token.to_string());
                cache.insert(digest, identity(None), None, 0);
                prop_assert!(cache.len() <= bound);
                prop_assert_eq!(cache.lookup(&digest, 0, at(0)) == Lookup::Miss, bound == 0);
            }
        }
    }
}
