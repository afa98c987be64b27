//! From a token to an identity: the cache, then the keys at hand, then a request for newer ones.

mod verify;

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use crate::cache::VerifiedCache;
use crate::config::{AuthenticatorBuilder, IssuerRules};
use crate::error::{FetchError, VerifyError};
use crate::identity::Identity;
use crate::jwks::read_jwks;
use crate::keyring::{KeyWanted, Keyring, Want};
use crate::stats::{AuthStats, Counters, IssuerStats};
use crate::url::KeyUrl;

/// Verifies tokens. Cheap to clone: all clones share keys, cache and counters.
#[derive(Clone)]
pub struct Authenticator {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    issuers: Vec<TrustedIssuer>,
    token_bytes_max: usize,
    cache: VerifiedCache,
    /// Goes up whenever a key that was trusted is gone: what it verified must not outlive it.
    epoch: AtomicU64,
    /// Goes up whenever keys arrive.
    arrivals: AtomicU64,
    hasher: RandomState,
    pub(crate) counters: Counters,
    #[cfg(feature = "fetch")]
    pub(crate) fetcher: crate::fetch::Fetcher,
}

struct TrustedIssuer {
    rules: IssuerRules,
    remote: Option<Remote>,
}

struct Remote {
    url: KeyUrl,
    timeout: Duration,
    document_bytes_max: usize,
    ring: Mutex<Keyring>,
}

/// A fetch of keys that has to be made now. Answer it with [`Authenticator::handle_keys`]; one that
/// is dropped counts as failed after twice its timeout.
#[derive(Debug)]
pub struct KeyFetch {
    /// Where the keys are.
    pub url: Arc<str>,
    /// The name, in our configuration, of the issuer.
    pub issuer: Arc<str>,
    /// How long it may take.
    pub timeout: Duration,
    /// How large the answer may be; larger ones are refused unread.
    pub document_bytes_max: usize,
    index: usize,
    ticket: u64,
}

/// What came back from a [`KeyFetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDocument {
    /// The body: a JWK set.
    pub body: Vec<u8>,
    /// How long the issuer says that it is current, see [`max_age`](crate::max_age).
    pub max_age: Option<Duration>,
}

impl Authenticator {
    /// Starts a configuration.
    #[must_use]
    pub fn builder() -> AuthenticatorBuilder {
        AuthenticatorBuilder::default()
    }

    pub(crate) fn new(
        rules: Vec<IssuerRules>,
        token_bytes_max: usize,
        cached_tokens_max: usize,
    ) -> Self {
        let hasher = RandomState::new();
        let issuers = rules.into_iter().map(|mut rules| {
            let remote = rules.remote.take().map(|(url, settings)| Remote {
                url,
                timeout: settings.fetch_timeout,
                document_bytes_max: settings.document_bytes_max,
                ring: Mutex::new(Keyring::new(settings, hasher.clone())),
            });
            TrustedIssuer { rules, remote }
        });
        let issuers = issuers.collect();
        Self {
            shared: Arc::new(Shared {
                issuers,
                token_bytes_max,
                cache: VerifiedCache::new(cached_tokens_max),
                epoch: AtomicU64::new(0),
                arrivals: AtomicU64::new(0),
                hasher,
                counters: Counters::default(),
                #[cfg(feature = "fetch")]
                fetcher: crate::fetch::Fetcher::default(),
            }),
        }
    }

    /// Verifies a token with what is known at `now`. Never blocks, never waits.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Rejected`] when the token is bad; [`VerifyError::KeyUnknown`] when newer keys
    /// of a remote issuer might verify it. The latter is not counted as a refusal.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Identity>, VerifyError> {
        let shared = &*self.shared;
        let outcome = shared.verify(token, now);
        match &outcome {
            Err(VerifyError::Rejected(error)) => shared.counters.count_refused(error),
            Ok(_) | Err(VerifyError::KeyUnknown(_)) => {}
        }
        outcome
    }

    /// Asks for the keys that a [`VerifyError::KeyUnknown`] lacks.
    ///
    /// After [`Want::Wait`], make the fetches of [`Authenticator::poll_fetch`] and verify again when
    /// they ended; after [`Want::Retry`], verify again at once. Any other answer is final, and
    /// counted as a refusal.
    pub fn want_keys(&self, wanted: KeyWanted, now: SystemTime) -> Want {
        let shared = &*self.shared;
        // Keys that came between the verification and this call would make the rings say that they
        // were asked a moment ago, of a key that they have by now.
        if shared.arrivals.load(Ordering::Acquire) != wanted.arrivals {
            return Want::Retry;
        }
        let wants = shared.issuers.iter().enumerate().filter_map(|(index, issuer)| {
            let remote = issuer.remote.as_ref().filter(|_| wanted.issuers & (1 << index) != 0)?;
            Some(remote.ring.lock().want(wanted.key_id, now))
        });
        // Of several issuers, one that may still have the key outweighs those that have it not.
        let outcome = wants.max().unwrap_or(Want::Unknown);
        if let Some(error) = outcome.refusal() {
            shared.counters.count_refused(&error);
        }
        outcome
    }

    /// The next fetch to make at `now`: one that somebody waits for, or a refresh that is due. Call
    /// it until it returns `None`.
    pub fn poll_fetch(&self, now: SystemTime) -> Option<KeyFetch> {
        let fetch = self.shared.issuers.iter().enumerate().find_map(|(index, issuer)| {
            let remote = issuer.remote.as_ref()?;
            let ticket = remote.ring.lock().poll_fetch(now)?;
            Some(KeyFetch {
                url: Arc::clone(remote.url.text()),
                issuer: Arc::clone(&issuer.rules.name),
                timeout: remote.timeout,
                document_bytes_max: remote.document_bytes_max,
                index,
                ticket,
            })
        })?;
        self.shared.counters.count_fetch();
        Some(fetch)
    }

    /// When [`Authenticator::poll_fetch`] will have something next if nobody asks for keys before;
    /// `None` when no issuer is remote.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<SystemTime> {
        let remotes = self.shared.issuers.iter().filter_map(|issuer| issuer.remote.as_ref());
        remotes.map(|remote| remote.ring.lock().poll_timeout()).min()
    }

    /// Takes the answer to a fetch.
    ///
    /// # Errors
    ///
    /// The failure that was handed in, or what is wrong with the document; old keys stay then.
    pub fn handle_keys(
        &self,
        fetch: &KeyFetch,
        answer: Result<KeyDocument, FetchError>,
        now: SystemTime,
    ) -> Result<(), FetchError> {
        let shared = &*self.shared;
        let Some(issuer) = shared.issuers.get(fetch.index) else { return Ok(()) };
        let Some(remote) = &issuer.remote else { return Ok(()) };
        let read = answer.and_then(|document| {
            if document.body.len() > fetch.document_bytes_max {
                return Err(FetchError::TooLarge);
            }
            Ok((read_jwks(&document.body, issuer.rules.algorithms)?.keys, document.max_age))
        });
        match read {
            Ok((keys, max_age)) => {
                if remote.ring.lock().handle_keys(fetch.ticket, keys, max_age, now) {
                    shared.epoch.fetch_add(1, Ordering::AcqRel);
                }
                shared.arrivals.fetch_add(1, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => {
                remote.ring.lock().handle_failure(fetch.ticket, now);
                shared.counters.count_fetch_failure();
                Err(error)
            }
        }
    }

    /// The longest that a fetch of any issuer may take.
    #[cfg(feature = "fetch")]
    pub(crate) fn fetch_timeout_max(&self) -> Duration {
        let remotes = self.shared.issuers.iter().filter_map(|issuer| issuer.remote.as_ref());
        remotes.map(|remote| remote.timeout).max().unwrap_or_default()
    }

    /// What happened so far, and how the keys of each issuer stand.
    #[must_use]
    pub fn stats(&self) -> AuthStats {
        let shared = &*self.shared;
        let issuers = shared.issuers.iter().map(|issuer| {
            let (held, is_failing) =
                issuer.remote.as_ref().map_or((0, false), |remote| remote.ring.lock().standing());
            IssuerStats {
                name: Arc::clone(&issuer.rules.name),
                keys: issuer.rules.static_keys.len() + held,
                is_failing,
            }
        });
        shared.counters.snapshot(shared.cache.len(), issuers.collect())
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.shared.issuers.iter().map(|issuer| &issuer.rules.name);
        f.debug_struct("Authenticator")
            .field("issuers", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
