//! A key that a request must carry, and how often it may be guessed.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;
use ws_rate_limiter::{Denied, IpKey, KeyedLimiter, TokenBucket, ip_key};

use super::json_response;

/// Wrong keys that an address may send in a minute.
const GUESSES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Addresses whose guesses are remembered.
const GUESSERS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What is demanded as `Authorization: Bearer`. Cheap to clone: all are the same one, and another key may take
/// its place.
#[derive(Clone)]
pub(crate) struct Key(Arc<Demanded>);

struct Demanded {
    /// Of equal length whatever the key is, so that a comparison says nothing of that either.
    digest: ArcSwap<digest::Digest>,
    guesses: KeyedLimiter<IpKey, TokenBucket>,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRefusal {
    /// It carries no key, or a wrong one.
    Required,
    /// After too many wrong ones from its address, a right one is not looked at either.
    Limited { wait_ms: u64, wait_secs: u64 },
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    pub(crate) fn new(key: &str) -> Self {
        let guesses = KeyedLimiter::new(TokenBucket::per_minute(GUESSES_PER_MINUTE), GUESSERS_MAX);
        let digest = ArcSwap::from_pointee(digest_of(key.as_bytes()));
        Self(Arc::new(Demanded { digest, guesses }))
    }

    /// From now on this one is demanded.
    pub(crate) fn replace(&self, key: &str) {
        self.0.digest.store(Arc::new(digest_of(key.as_bytes())));
    }

    /// Whether a request with these headers, from this address, may be made.
    pub(crate) fn judge(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), KeyRefusal> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        // Who sends none guesses nothing.
        let given = given.ok_or(KeyRefusal::Required)?;
        let is_right = self.is(given);
        let guesser = ip_key(address);
        let limited = |denied: Denied| KeyRefusal::limited(&denied, now);
        if !is_right {
            self.0.guesses.check(&guesser, now).map_err(limited)?;
            tracing::warn!(%address, "a wrong key");
            return Err(KeyRefusal::Required);
        }
        // Nobody has guessed lately: whoever has the key pays nothing for those who might.
        if !self.0.guesses.is_empty() {
            self.0.guesses.probe(&guesser, 1, now).map_err(limited)?;
            // Whoever knows it has not guessed.
            self.0.guesses.forget(&guesser);
        }
        Ok(())
    }

    /// Whether it is this one. How long that takes says nothing of either but how long the given one is.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        verify_slices_are_equal(digest_of(given).as_ref(), self.0.digest.load().as_ref().as_ref())
            .is_ok()
    }
}

fn digest_of(key: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, key)
}

impl KeyRefusal {
    fn limited(denied: &Denied, now: Instant) -> Self {
        Self::Limited {
            wait_ms: denied.retry_after_ms(now),
            wait_secs: denied.retry_after_secs(now),
        }
    }

    /// The answer, with this sentence where a key is wanted.
    pub(crate) fn response(self, sentence: &str) -> Response {
        let Self::Limited { wait_ms, wait_secs } = self else { return key_required(sentence) };
        let sentence = "Too many wrong keys came from this address";
        let body = json!({ "error": sentence, "code": "rate_limited", "retryAfterMs": wait_ms });
        let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, &body);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_secs));
        response
    }
}

/// The answer to a request without it.
pub(crate) fn key_required(sentence: &str) -> Response {
    let body = json!({ "error": sentence, "code": "unauthorized" });
    let mut response = json_response(StatusCode::UNAUTHORIZED, &body);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
