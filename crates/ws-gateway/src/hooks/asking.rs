//! One question to a back-end, and what its answer means.

use std::time::Duration;

use http::{StatusCode, header};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::http_client;
use crate::outcomes::{Hook, HookOutcome};

/// An answer says yes or no and why: whatever is longer is none.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Of this many bytes is a reason that a client is told.
const REASON_BYTES_MAX: usize = 200;

/// Asks, so many at once.
#[derive(Debug)]
pub(super) struct Asking {
    client: reqwest::Client,
    timeout: Duration,
    slots: Semaphore,
}

/// What the back-end says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Allowed,
    /// With the reason that the client is told, if one was given.
    Refused(Option<String>),
}

/// What an answer may say in its body.
#[derive(Deserialize)]
struct Said {
    allow: Option<bool>,
    reason: Option<String>,
}

impl Asking {
    pub(super) fn new(timeout: Duration, concurrency_max: usize) -> Result<Self, reqwest::Error> {
        let client = http_client(timeout, concurrency_max)?;
        Ok(Self { client, timeout, slots: Semaphore::new(concurrency_max) })
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks when it is its turn. One deadline for waiting and asking: the client waits for both.
    pub(super) async fn ask(
        &self,
        hook: Hook,
        url: &str,
        body: Vec<u8>,
    ) -> Result<Answer, HookOutcome> {
        let asked = async {
            let Ok(_slot) = self.slots.acquire().await else { return Err(HookOutcome::Failed) };
            self.post(hook, url, body).await
        };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or(Err(HookOutcome::Timeout))
    }

    /// Asks at once.
    pub(super) async fn post(
        &self,
        hook: Hook,
        url: &str,
        body: Vec<u8>,
    ) -> Result<Answer, HookOutcome> {
        let request = self.client.post(url).header(header::CONTENT_TYPE, "application/json");
        let response = request.body(body).send().await.map_err(|error| failed(hook, &error))?;
        let status = response.status();
        if !status.is_success() && status != StatusCode::FORBIDDEN {
            tracing::warn!(hook = hook.label(), %status, "a hook answered with a failure");
            return Err(HookOutcome::Failed);
        }
        let body = read(hook, response).await?;
        judge(status, &body).ok_or_else(|| {
            tracing::warn!(hook = hook.label(), "a hook's answer was not understood");
            HookOutcome::Failed
        })
    }
}

/// Reads an answer within its limit: a back-end gone wild must not fill our memory.
async fn read(hook: Hook, mut response: reqwest::Response) -> Result<Vec<u8>, HookOutcome> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(hook, &error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            tracing::warn!(
                hook = hook.label(),
                "a hook's answer is above {ANSWER_BYTES_MAX} bytes"
            );
            return Err(HookOutcome::Failed);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What status and body mean; `None` if that is not clear, which must never let anybody in.
fn judge(status: StatusCode, body: &[u8]) -> Option<Answer> {
    let text = body.trim_ascii();
    let said: Option<Said> = match text.first() {
        // An object is meant to say something. Whatever else a page of a back-end's says is its own.
        Some(b'{') => serde_json::from_slice(text).map(Some).unwrap_or_default(),
        _ => Some(Said { allow: None, reason: None }),
    };
    if status == StatusCode::FORBIDDEN {
        return Some(Answer::Refused(said.and_then(|said| said.reason).and_then(reason)));
    }
    let Said { allow, reason: why } = said?;
    Some(match allow {
        Some(false) => Answer::Refused(why.and_then(reason)),
        Some(true) | None => Answer::Allowed,
    })
}

/// A reason as it is told: cut between two characters if it is long.
fn reason(mut reason: String) -> Option<String> {
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    (!reason.is_empty()).then_some(reason)
}

fn failed(hook: Hook, error: &reqwest::Error) -> HookOutcome {
    tracing::warn!(hook = hook.label(), %error, "a hook failed");
    if error.is_timeout() {
        HookOutcome::Timeout
    } else if error.is_connect() {
        HookOutcome::Unavailable
    } else {
        HookOutcome::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_refuses_by_its_status_or_by_its_body_and_what_is_unclear_is_none() {
        let refused = |reason: &str| Some(Answer::Refused(Some(reason.to_owned())));
        let without_reason = || Some(Answer::Refused(None));
        for (status, body, expect) in [
            (200, "", Some(Answer::Allowed)),
            (204, "", Some(Answer::Allowed)),
            (200, "OK", Some(Answer::Allowed)),
            (200, "[]", Some(Answer::Allowed)),
            (200, "{}", Some(Answer::Allowed)),
            (200, r#"{"allow":true,"reason":"x"}"#, Some(Answer::Allowed)),
            (200, r#"{"allow":null,"more":1}"#, Some(Answer::Allowed)),
            (200, r#"{"allow":false}"#, without_reason()),
            (201, " \n{\"reason\":\"no\",\"allow\":false}\n", refused("no")),
            (200, r#"{"allow":false,"reason":""}"#, without_reason()),
            (200, r#"{"allow":false,"reason":null}"#, without_reason()),
            (200, r#"{"allow":"false"}"#, None),
            (200, r#"{"allow":0}"#, None),
            (200, r#"{"allow":false"#, None),
            (200, r#"{"allow":true,"allow":false}"#, None),
            (200, r#"{"allow":false,"reason":7}"#, None),
            (403, "", without_reason()),
            (403, "Forbidden", without_reason()),
            (403, r#"{"reason":"not you"}"#, refused("not you")),
            (403, r#"{"allow":true,"reason":"not you"}"#, refused("not you")),
            (403, r#"{"reason":"#, without_reason()),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, body.as_bytes()), expect, "{status} {body}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_two_characters() {
        assert_eq!(reason("x".repeat(200)).unwrap().len(), 200);
        assert_eq!(reason("x".repeat(201)).unwrap().len(), 200);
        let umlauts = format!("x{}", "ü".repeat(100));
        assert_eq!(reason(umlauts).unwrap(), format!("x{}", "ü".repeat(99)));
    }
}
