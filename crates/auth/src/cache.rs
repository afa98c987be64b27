//! Tokens that were verified, so that a client that comes back costs a hash and not a signature.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use parking_lot::Mutex;

use crate::identity::Identity;

/// Locks are held for a lookup only; sixteen of them keep a few dozen threads apart.
const SHARDS: usize = 16;

/// Half of a token's SHA-256. The token itself is not kept; and since only what hashes to the same
/// value could take its place, the hash must be one that cannot be steered: whoever wants to be taken
/// for another of 2¹⁶ users has to try 2¹¹² tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; digest::SHA256_OUTPUT_LEN / 2]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN / 2];
        let whole = digest::digest(&digest::SHA256, token.as_bytes());
        bytes.copy_from_slice(&whole.as_ref()[..digest::SHA256_OUTPUT_LEN / 2]);
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

/// One for each token of those who are connected: small, and in the table itself.
struct Entry {
    identity: Arc<Identity>,
    /// When the keys that verified it are too old to be trusted, in ms since 1970; the last there is
    /// for configured keys.
    keys_until_ms: u64,
    /// The state of all keys that it was verified in.
    epoch: u64,
}

/// A bounded table; what was not asked for lately goes first.
pub(crate) struct VerifiedCache {
    shards: Box<[Mutex<Generations>]>,
    tokens_max: usize,
}

/// Entries in two tables, each with half of the bound: when the young one is full it becomes the old
/// one, and what nobody asked for since the last time is forgotten at once. A list in the order of use
/// would be exact, and cost each entry an allocation and two pointers.
#[derive(Default)]
struct Generations {
    young: HashMap<TokenDigest, Entry>,
    old: HashMap<TokenDigest, Entry>,
}

impl VerifiedCache {
    pub(crate) fn new(tokens_max: usize) -> Self {
        let shards = (0..SHARDS.min(tokens_max)).map(|_| Mutex::default());
        Self { shards: shards.collect(), tokens_max }
    }

    pub(crate) fn lookup(&self, digest: &TokenDigest, epoch: u64, now: SystemTime) -> Lookup {
        let Some((shard, entries_max)) = self.shard(digest) else { return Lookup::Miss };
        let mut entries = shard.lock();
        let Some(entry) = entries.get(digest, entries_max) else { return Lookup::Miss };
        let outcome = if entry.identity.is_expired(now) {
            Lookup::Expired
        } else if entry.epoch != epoch || millis(now) >= entry.keys_until_ms {
            Lookup::Miss
        } else {
            return Lookup::Hit(Arc::clone(&entry.identity));
        };
        entries.young.remove(digest);
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
        let keys_until_ms = keys_until.map_or(u64::MAX, millis);
        let mut entries = shard.lock();
        // Of two that verified the same token at once, the later one has newer keys.
        entries.old.remove(&digest);
        entries.put(digest, Entry { identity, keys_until_ms, epoch }, entries_max);
        debug_assert!(entries.len() <= entries_max);
    }

    /// How many tokens are remembered.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// The shard of a digest and how much it may hold: together exactly the bound.
    fn shard(&self, digest: &TokenDigest) -> Option<(&Mutex<Generations>, usize)> {
        let index = usize::from(digest.0[0]).checked_rem(self.shards.len())?;
        let larger = usize::from(index < self.tokens_max % self.shards.len());
        Some((&self.shards[index], self.tokens_max / self.shards.len() + larger))
    }
}

impl Generations {
    /// The entry, young again.
    fn get(&mut self, digest: &TokenDigest, entries_max: usize) -> Option<&Entry> {
        if let Some(entry) = self.old.remove(digest) {
            self.put(*digest, entry, entries_max);
        }
        self.young.get(digest)
    }

    fn put(&mut self, digest: TokenDigest, entry: Entry, entries_max: usize) {
        let is_known = self.young.contains_key(&digest);
        if !is_known && self.young.len() >= (entries_max / 2).max(1) {
            self.old = std::mem::take(&mut self.young);
            if self.old.len() >= entries_max {
                self.old = HashMap::new();
            }
        }
        self.young.insert(digest, entry);
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// Whole milliseconds since 1970, so that no key is trusted for longer than it may be.
fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

// With its key 40 bytes in the table.
const _: () = assert!(size_of::<(TokenDigest, Entry)>() == 40);

#[cfg(test)]
mod tests {
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
            issued_at: None,
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

    #[test]
    fn what_is_asked_for_outlasts_what_is_not() {
        // One shard.
        let cache = VerifiedCache::new(1);
        assert_eq!(cache.shards.len(), 1);
        let cache = VerifiedCache { tokens_max: 8, ..cache };
        let asked = TokenDigest::of("asked");
        cache.insert(asked, identity(None), None, 0);
        cache.insert(TokenDigest::of("not asked"), identity(None), None, 0);
        for other in 0..100 {
            cache.insert(TokenDigest::of(&other.to_string()), identity(None), None, 0);
            assert_eq!(cache.lookup(&asked, 0, at(0)), Lookup::Hit(identity(None)), "{other}");
        }
        assert_eq!(cache.lookup(&TokenDigest::of("not asked"), 0, at(0)), Lookup::Miss);
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
