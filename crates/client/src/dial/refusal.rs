//! What an answer other than 101 says.

use std::time::Duration;

use http::{HeaderMap, Response, header};
use serde::Deserialize;

use super::DialError;

/// How much of a foreign sentence is passed on.
const MESSAGE_CHARS_MAX: usize = 300;

/// The gateway's refusals, as far as they are ours to understand.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    error: Option<String>,
    code: Option<String>,
    retry_after_ms: Option<u64>,
}

/// Proxies answer with pages of their own: what is not understood is left away.
pub(super) fn read<B: AsRef<[u8]>>(response: &Response<B>) -> DialError {
    let body: Body = serde_json::from_slice(response.body().as_ref()).unwrap_or_default();
    // The body is the finer one.
    let retry_after = body.retry_after_ms.map(Duration::from_millis);
    let message = body.error.map(|it| it.chars().take(MESSAGE_CHARS_MAX).collect());
    DialError::Refused {
        status: response.status().as_u16(),
        retry_after: retry_after.or_else(|| in_seconds(response.headers())),
        code: body.code,
        message: message.or_else(|| redirect(response)),
    }
}

/// RFC 9110 §10.2.3. Its other form is a date, which would need a clock that both sides agree on.
fn in_seconds(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn redirect<B>(response: &Response<B>) -> Option<String> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let location: String = location.chars().take(MESSAGE_CHARS_MAX).collect();
    let is_redirect = response.status().is_redirection();
    is_redirect.then(|| format!("a redirect to {location}, which is not followed"))
}
