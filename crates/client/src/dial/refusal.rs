//! What an answer other than 101 says.

use std::time::Duration;

use http::{HeaderMap, Response, header};
use serde_json::Value;

use super::DialError;

/// How much of a foreign sentence is passed on.
const CHARS_MAX: usize = 300;
/// Whoever says later means that we need not come at all; no reckoning with times shall overflow.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Proxies answer with pages of their own: what is not understood is left away.
pub(super) fn read<B: AsRef<[u8]>>(response: &Response<B>) -> DialError {
    // `{"error", "code", "retryAfterMs"?}`, as the gateway writes it.
    let body: Value = serde_json::from_slice(response.body().as_ref()).unwrap_or_default();
    let text = |key: &str| body[key].as_str().map(printable);
    // In milliseconds: the finer one.
    let retry_after = body["retryAfterMs"].as_u64().map(Duration::from_millis);
    let retry_after = retry_after.or_else(|| in_seconds(response.headers()));
    DialError::Refused {
        status: response.status().as_u16(),
        retry_after: retry_after.map(|it| it.min(RETRY_AFTER_MAX)),
        code: text("code"),
        message: text("error").or_else(|| redirect(response)),
    }
}

/// RFC 9110 §10.2.3. Its other form is a date, which would need a clock that both sides agree on.
fn in_seconds(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn redirect<B>(response: &Response<B>) -> Option<String> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let is_redirect = response.status().is_redirection();
    is_redirect.then(|| format!("a redirect to {}, which is not followed", printable(location)))
}

/// A stranger's words in our logs: no control characters, and not many.
fn printable(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(CHARS_MAX).collect()
}
