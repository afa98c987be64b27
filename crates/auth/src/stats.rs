//! What was verified and refused, in numbers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::AuthError;

const CAUSES: usize = AuthError::CODES.len();

/// Counters since the start. They are read one after the other, so that sums may be off by what
/// happens meanwhile.
#[derive(Default)]
pub(crate) struct Counters {
    verified: AtomicU64,
    cache_hits: AtomicU64,
    refused: [AtomicU64; CAUSES],
    fetches: AtomicU64,
    fetch_failures: AtomicU64,
}

impl Counters {
    pub(crate) fn count_verified(&self) {
        self.verified.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_cache_hit(&self) {
        self.cache_hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self, error: &AuthError) {
        self.refused[error.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_fetch(&self) {
        self.fetches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_fetch_failure(&self) {
        self.fetch_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, cached_tokens: usize, issuers: Vec<IssuerStats>) -> AuthStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AuthStats {
            verified: read(&self.verified),
            cache_hits: read(&self.cache_hits),
            refused: std::array::from_fn(|cause| {
                (AuthError::CODES[cause], read(&self.refused[cause]))
            }),
            fetches: read(&self.fetches),
            fetch_failures: read(&self.fetch_failures),
            cached_tokens,
            issuers,
        }
    }
}

/// What an authenticator did since it was built. `Display` is a summary of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthStats {
    /// Tokens whose signature was computed and was good.
    pub verified: u64,
    /// Tokens that were known from before.
    pub cache_hits: u64,
    /// Refusals by cause: the label of [`AuthError::code`](crate::AuthError::code) and how often,
    /// every cause listed.
    pub refused: [(&'static str, u64); CAUSES],
    /// Fetches of keys that were started.
    pub fetches: u64,
    /// Of these, how many failed.
    pub fetch_failures: u64,
    /// Tokens that are remembered now.
    pub cached_tokens: usize,
    /// Each issuer, in the order of the configuration.
    pub issuers: Vec<IssuerStats>,
}

impl AuthStats {
    /// Refusals of all causes.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.iter().map(|(_, count)| count).sum()
    }

    /// Refusals with this label.
    #[must_use]
    pub fn refused_with(&self, code: &str) -> u64 {
        self.refused.iter().filter(|(cause, _)| *cause == code).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for AuthStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tokens verified, {} known from before, {} refused",
            self.verified,
            self.cache_hits,
            self.refused_total()
        )?;
        let causes = self.refused.iter().filter(|(_, count)| *count > 0);
        for (index, (code, count)) in causes.enumerate() {
            write!(f, "{}{code} {count}", if index == 0 { " (" } else { ", " })?;
        }
        if self.refused_total() > 0 {
            f.write_str(")")?;
        }
        write!(f, "; {} key fetches, {} failed", self.fetches, self.fetch_failures)?;
        for issuer in self.issuers.iter().filter(|issuer| issuer.is_failing) {
            write!(f, "; the keys of {} cannot be fetched", issuer.name)?;
        }
        Ok(())
    }
}

/// The keys of one issuer at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStats {
    /// The issuer's name in the configuration.
    pub name: std::sync::Arc<str>,
    /// Keys that can verify: configured and fetched ones.
    pub keys: usize,
    /// Whether the last fetch of its keys failed. Those from before serve on for a while, see
    /// [`JwksSettings::stale_max`](crate::JwksSettings::stale_max).
    pub is_failing: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_happened_and_nothing_else() {
        let counters = Counters::default();
        assert_eq!(
            counters.snapshot(0, Vec::new()).to_string(),
            "0 tokens verified, 0 known from before, 0 refused; 0 key fetches, 0 failed"
        );
        counters.count_verified();
        counters.count_cache_hit();
        counters.count_refused(&AuthError::Expired);
        counters.count_refused(&AuthError::BadSignature);
        counters.count_refused(&AuthError::Expired);
        counters.count_fetch();
        counters.count_fetch_failure();
        let issuers = vec![IssuerStats { name: "acme".into(), keys: 2, is_failing: true }];
        assert_eq!(
            counters.snapshot(1, issuers).to_string(),
            "1 tokens verified, 1 known from before, 3 refused (bad_signature 1, expired 2); \
             1 key fetches, 1 failed; the keys of acme cannot be fetched"
        );
    }
}
