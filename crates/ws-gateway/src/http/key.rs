//! A key that a request must carry.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::json_response;

/// What is demanded as `Authorization: Bearer`. Cheap to clone: all are the same one, and another key may take
/// its place.
#[derive(Clone)]
pub(crate) struct Key(Arc<ArcSwap<Box<[u8]>>>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    pub(crate) fn new(key: &str) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(key.as_bytes().into())))
    }

    /// From now on this one is demanded.
    pub(crate) fn replace(&self, key: &str) {
        self.0.store(Arc::new(key.as_bytes().into()));
    }

    /// Whether a request with these headers carries it.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        given.is_some_and(|given| self.is(given))
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        constant_time_eq(given, &self.0.load())
    }
}

/// The answer to a request without it.
pub(crate) fn key_required(sentence: &str) -> Response {
    let body = json!({ "error": sentence, "code": "unauthorized" });
    let mut response = json_response(StatusCode::UNAUTHORIZED, &body);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// How long the comparison takes says nothing about where the two differ.
fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
