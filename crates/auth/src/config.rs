//! What can be set, and the faults that a setting can have.

mod check;
mod issuer;

use std::time::Duration;

pub(crate) use check::IssuerRules;
pub use issuer::Issuer;

use crate::authenticator::Authenticator;
use crate::key::KeyFault;

/// The most issuers that one authenticator takes.
pub(crate) const ISSUERS_MAX: usize = 64;

/// How the keys that an issuer publishes are fetched and kept.
///
/// The defaults suit every provider that we know of. Worst case of memory: for each issuer 128 keys
/// and `unknown_keys_max` × 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksSettings {
    /// How long keys are current when the issuer does not say (`Cache-Control: max-age`).
    /// Default 10 min. They are fetched again after four fifths of it.
    pub max_age: Duration,
    /// The least that an issuer's `max-age` counts for, however short it says. Default 1 min.
    pub max_age_min: Duration,
    /// The most that an issuer's `max-age` counts for: the longest that a withdrawn key is trusted
    /// while the issuer is up. Default 1 h.
    pub max_age_max: Duration,
    /// How long keys serve beyond their age while the issuer is down. Default 24 h. Zero: not at
    /// all, so that an outage of the issuer is an outage of ours.
    pub stale_max: Duration,
    /// After a fetch that brought keys, no token with an unknown key id causes another one for this
    /// long. Default 10 s: a flood of made-up key ids costs the issuer six requests a minute. Zero:
    /// each may cause one.
    pub cool_down: Duration,
    /// After a fetch that failed, none is started for this long, doubled for each further failure
    /// up to sixteen times. Default 2 s. Zero: the next token tries again at once.
    pub failure_cool_down: Duration,
    /// How long a key id that a fetch did not bring is taken for unknown, even after the cool-down.
    /// Default 5 min. A fetch that does bring it ends that at once. Zero: it is never remembered.
    pub unknown_key_ttl: Duration,
    /// How many unknown key ids are remembered. Default 1,024. Zero: none.
    pub unknown_keys_max: usize,
    /// How long one fetch may take, from connecting to the last byte. Default 5 s.
    pub fetch_timeout: Duration,
    /// How large the issuer's answer may be. Default 256 KiB.
    pub document_bytes_max: usize,
}

impl Default for JwksSettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(10 * 60),
            max_age_min: Duration::from_secs(60),
            max_age_max: Duration::from_secs(60 * 60),
            stale_max: Duration::from_secs(24 * 60 * 60),
            cool_down: Duration::from_secs(10),
            failure_cool_down: Duration::from_secs(2),
            unknown_key_ttl: Duration::from_secs(5 * 60),
            unknown_keys_max: 1024,
            fetch_timeout: Duration::from_secs(5),
            document_bytes_max: 256 * 1024,
        }
    }
}

/// Collects issuers and limits; [`AuthenticatorBuilder::build`] checks all of it at once.
#[derive(Clone, Debug)]
pub struct AuthenticatorBuilder {
    issuers: Vec<Issuer>,
    token_bytes_max: usize,
    cached_tokens_max: usize,
}

impl Default for AuthenticatorBuilder {
    fn default() -> Self {
        Self { issuers: Vec::new(), token_bytes_max: 8 * 1024, cached_tokens_max: 65_536 }
    }
}

impl AuthenticatorBuilder {
    /// Trusts one more issuer. At least one is needed, 64 is the most.
    #[must_use]
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// The longest token that is looked at, in bytes. Default 8 KiB, about what servers take as a
    /// header. Zero refuses every token.
    #[must_use]
    pub fn token_bytes_max(mut self, bytes: usize) -> Self {
        self.token_bytes_max = bytes;
        self
    }

    /// How many verified tokens are remembered, so that a client that comes back costs a hash and
    /// not a signature. Default 65,536; zero remembers none. Worst case of memory: tokens × (some
    /// 130 bytes and the [`Identity`](crate::Identity), which connections share). The share of
    /// `cache_hits` in [`AuthStats`](crate::AuthStats) shows when it is too small.
    #[must_use]
    pub fn cached_tokens_max(mut self, tokens: usize) -> Self {
        self.cached_tokens_max = tokens;
        self
    }

    /// Checks everything and builds, or names all faults at once.
    ///
    /// # Errors
    ///
    /// When anything is wrong with an issuer, or there is none: nobody is let in by accident.
    pub fn build(self) -> Result<Authenticator, BuildError> {
        let mut faults = Vec::new();
        if self.issuers.is_empty() {
            faults.push(ConfigFault::NoIssuer);
        }
        if self.issuers.len() > ISSUERS_MAX {
            faults.push(ConfigFault::TooManyIssuers);
        }
        let rules: Vec<IssuerRules> =
            self.issuers.into_iter().filter_map(|issuer| issuer.into_rules(&mut faults)).collect();
        if faults.is_empty() {
            Ok(Authenticator::new(rules, self.token_bytes_max, self.cached_tokens_max))
        } else {
            Err(BuildError { faults })
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// The faults in the order of the issuers; never empty.
    pub faults: Vec<ConfigFault>,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// One thing that is wrong with a configuration. No fault shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    /// No issuer at all.
    #[error("no issuer is configured: set a secret, a public key or an address of keys")]
    NoIssuer,
    /// More than 64.
    #[error("more than {ISSUERS_MAX} issuers are configured")]
    TooManyIssuers,
    /// An issuer without secret, key or address.
    #[error("issuer {issuer:?} has neither a secret nor a public key nor an address of keys")]
    NoKeys {
        /// The issuer's name in the configuration.
        issuer: Box<str>,
    },
    /// A secret or key that cannot be used.
    #[error("issuer {issuer:?}: a {what} cannot be used: {fault}")]
    Key {
        /// The issuer's name in the configuration.
        issuer: Box<str>,
        /// `secret`, `PEM key` or `key in the JWK set`.
        what: &'static str,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// A JWK set in the configuration that is none, or has no usable key.
    #[error("issuer {issuer:?}: the JWK set is not usable")]
    KeySet {
        /// The issuer's name in the configuration.
        issuer: Box<str>,
    },
    /// An algorithm is allowed that no key of the issuer could have.
    #[error("issuer {issuer:?} allows {algorithms} but has no key that could have one of them")]
    UselessAlgorithms {
        /// The issuer's name in the configuration.
        issuer: Box<str>,
        /// The names of the algorithms.
        algorithms: Box<str>,
    },
    /// An address of keys that is not `https://…` (or `http://` on loopback).
    #[error(
        "issuer {issuer:?}: {url:?} is no address for keys: it must be https://, without user or \
         fragment (http:// only to localhost, 127.0.0.0/8 or [::1])"
    )]
    Url {
        /// The issuer's name in the configuration.
        issuer: Box<str>,
        /// The address as it was given.
        url: Box<str>,
    },
    /// A leeway of more than ten minutes, which would be a second lifetime.
    #[error("issuer {issuer:?}: a leeway of more than ten minutes is not accepted")]
    Leeway {
        /// The issuer's name in the configuration.
        issuer: Box<str>,
    },
    /// A name, issuer, audience or claim that is empty.
    #[error("issuer {issuer:?}: {what} must not be empty")]
    Empty {
        /// The issuer's name in the configuration.
        issuer: Box<str>,
        /// Which setting.
        what: &'static str,
    },
}
