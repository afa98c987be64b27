//! One token against the keys at hand.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::{Shared, TrustedIssuer};
use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::cache::{Lookup, TokenDigest};
use crate::claims::Claims;
use crate::compact::{Compact, Header};
use crate::error::{AuthError, VerifyError};
use crate::identity::Identity;
use crate::key::{Fit, KeySet};
use crate::keyring::{KeyWanted, Keys};

/// Signatures that one token may cost. Only tokens without a key id, or keys without one, need more
/// than one try.
const TRIES_MAX: usize = 16;

/// A token taken apart, nothing of it believed.
struct Claimed<'a> {
    compact: &'a Compact<'a>,
    header: &'a Header<'a>,
    algorithm: Algorithm,
    claims: &'a Claims,
}

/// A token that has passed, and until when the keys that verified it are trusted.
struct Verified {
    identity: Identity,
    keys_until: Option<SystemTime>,
}

/// What trying keys came to.
enum Outcome {
    /// A key verifies the signature, and this is what the claims say.
    Signed(Result<Identity, AuthError>),
    /// A key has the token's id, and does not verify it.
    Forged,
    /// No key has its id, and none of those without an id verifies it.
    NoKey,
}

impl Shared {
    pub(super) fn verify(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Arc<Identity>, VerifyError> {
        if token.len() > self.token_bytes_max {
            return Err(AuthError::TooLarge.into());
        }
        // Both are read before any key is. If a key goes while we verify with it, the entry is void
        // from the start; if one arrives after we looked for it, we are told to look again.
        let epoch = self.epoch.load(Ordering::Acquire);
        let arrivals = self.arrivals.load(Ordering::Acquire);
        let digest = TokenDigest::of(token);
        match self.cache.lookup(&digest, epoch, now) {
            Lookup::Hit(identity) => {
                self.counters.count_cache_hit();
                return Ok(identity);
            }
            Lookup::Expired => return Err(AuthError::Expired.into()),
            Lookup::Miss => {}
        }
        let verified = self.verify_signed(token, arrivals, now)?;
        self.counters.count_verified();
        let identity = Arc::new(verified.identity);
        self.cache.insert(digest, Arc::clone(&identity), verified.keys_until, epoch);
        Ok(identity)
    }

    fn verify_signed(
        &self,
        token: &str,
        arrivals: u64,
        now: SystemTime,
    ) -> Result<Verified, VerifyError> {
        let compact = &Compact::parse(token)?;
        let (header, algorithm) = Header::parse(&compact.header)?;
        let claims = &Claims::parse(&compact.payload)?;
        let token = Claimed { compact, header: &header, algorithm, claims };

        let issuers = self.candidates(&token)?;
        let mut tries = 0;
        let mut refused = None;
        let mut ask = 0;
        for (index, issuer) in issuers.iter().copied() {
            let (outcome, keys_until) = issuer.try_all(&token, now, &mut tries);
            match outcome {
                Outcome::Signed(Ok(identity)) => return Ok(Verified { identity, keys_until }),
                Outcome::Signed(Err(error)) => drop(refused.get_or_insert(error)),
                Outcome::Forged => {}
                Outcome::NoKey if issuer.may_publish(algorithm) => ask |= 1 << index,
                Outcome::NoKey => {}
            }
        }
        if let Some(refused) = refused {
            return Err(refused.into());
        }
        if ask == 0 {
            let error = if tries == 0 { AuthError::UnknownKey } else { AuthError::BadSignature };
            return Err(error.into());
        }
        // A token that admits to be over is not worth a request to its issuer.
        if issuers.iter().all(|(_, issuer)| issuer.rules.says_expired(claims, now)) {
            return Err(AuthError::Expired.into());
        }
        let key_id = header.key_id().map(|id| self.hasher.hash_one(id));
        Err(VerifyError::KeyUnknown(KeyWanted { issuers: ask, key_id, arrivals }))
    }

    /// The issuers that the token may be from, going by what it says: nothing of it is believed, it
    /// only narrows down whose keys are tried.
    fn candidates(&self, token: &Claimed<'_>) -> Result<Vec<(usize, &TrustedIssuer)>, AuthError> {
        let mut issuers: Vec<_> = self.issuers.iter().enumerate().collect();
        let iss = token.claims.string("iss")?;
        issuers.retain(|(_, issuer)| issuer.rules.accepts_issuer(iss));
        if issuers.is_empty() {
            return Err(AuthError::WrongIssuer);
        }
        issuers.retain(|(_, issuer)| issuer.rules.algorithms.contains(token.algorithm));
        if issuers.is_empty() {
            return Err(AuthError::AlgorithmNotAllowed);
        }
        let token_type = token.header.token_type();
        issuers.retain(|(_, issuer)| issuer.rules.accepts_type(token_type.as_deref()));
        if issuers.is_empty() {
            return Err(AuthError::WrongType);
        }
        Ok(issuers)
    }
}

impl TrustedIssuer {
    /// Whether the issuer may publish a key for this algorithm. Published keys are never symmetric,
    /// so a token with an HMAC cannot be waiting for one.
    fn may_publish(&self, algorithm: Algorithm) -> bool {
        self.remote.is_some() && AlgorithmSet::KEY_PAIRS.contains(algorithm)
    }

    /// Tries the configured keys, then the published ones. The time is the end of trust in them.
    fn try_all(
        &self,
        token: &Claimed<'_>,
        now: SystemTime,
        tries: &mut usize,
    ) -> (Outcome, Option<SystemTime>) {
        let configured = self.try_keys(&self.rules.static_keys, token, now, tries);
        let Some(remote) = &self.remote else { return (configured, None) };
        if matches!(configured, Outcome::Signed(_)) {
            return (configured, None);
        }
        let keys = remote.ring.lock().keys(now);
        match keys {
            Keys::Usable(keys, until) => (self.try_keys(&keys, token, now, tries), Some(until)),
            Keys::Missing => (Outcome::NoKey, None),
        }
    }

    fn try_keys(
        &self,
        keys: &KeySet,
        token: &Claimed<'_>,
        now: SystemTime,
        tries: &mut usize,
    ) -> Outcome {
        let mut outcome = Outcome::NoKey;
        for (key, fit) in keys.fitting(token.header.key_id(), token.algorithm) {
            if *tries == TRIES_MAX {
                break;
            }
            *tries += 1;
            if key.verifies(token.algorithm, token.compact.signed, &token.compact.signature) {
                return Outcome::Signed(self.rules.identity(token.claims, now));
            }
            if fit == Fit::ById {
                outcome = Outcome::Forged;
            }
        }
        outcome
    }
}
