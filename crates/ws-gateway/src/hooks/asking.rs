//! One question to a back-end, and what its answer means.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{StatusCode, header};
use serde::Deserialize;
use tokio::sync::Semaphore;
use ws_traces::{Kind, Step, TraceContext};

use super::http_client;
use crate::{
    causes::with_causes,
    outcomes::{Hook, HookOutcome},
    traces::{self, Steps},
};

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
    /// Of each hook, whether its last answer was none.
    is_down: [AtomicBool; Hook::LABELS.len()],
    steps: OnceLock<Steps>,
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

/// Why there is no answer; the reason is for the log.
struct Failure {
    outcome: HookOutcome,
    reason: String,
}

impl Asking {
    pub(super) fn new(timeout: Duration, concurrency_max: usize) -> Result<Self, reqwest::Error> {
        let client = http_client(timeout, concurrency_max, http::HeaderMap::new())?;
        let slots = Semaphore::new(concurrency_max);
        Ok(Self { client, timeout, slots, is_down: Default::default(), steps: OnceLock::new() })
    }

    pub(super) fn trace_with(&self, steps: Steps) {
        let _ = self.steps.set(steps);
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
        trace: Option<TraceContext>,
    ) -> Result<Answer, HookOutcome> {
        let mut step = self
            .steps
            .get()
            .map_or(Step::NOTHING, |steps| steps.begin_within("hook", Kind::Client, trace));
        let asked = async {
            // Nobody closes it.
            let _slot = self.slots.acquire().await;
            self.post(url, body, step.context()).await
        };
        let answer = tokio::time::timeout(self.timeout, asked).await;
        let late = || Failure { outcome: HookOutcome::Timeout, reason: "no answer in time".into() };
        let answer = self.note(hook, answer.unwrap_or_else(|_| Err(late())));
        if let Some(steps) = self.steps.get() {
            step.note("ws.hook", hook.label());
            match &answer {
                Ok(answer) => step.note("ws.hook.allowed", matches!(answer, Answer::Allowed)),
                Err(outcome) => step.fail(outcome.label()),
            }
            steps.end(step);
        }
        answer
    }

    /// Tells, without waiting for a turn.
    pub(super) async fn tell(&self, hook: Hook, url: &str, body: Vec<u8>) -> HookOutcome {
        let told = self.note(hook, self.post(url, body, None).await);
        told.map_or_else(|outcome| outcome, |_| HookOutcome::Told)
    }

    /// Logs when a back-end begins to fail and when it has recovered: not each failure, of which there may
    /// be thousands a second, and which are counted.
    fn note(&self, hook: Hook, answer: Result<Answer, Failure>) -> Result<Answer, HookOutcome> {
        let is_down = &self.is_down[hook as usize];
        let was_down = is_down.load(Ordering::Relaxed);
        if answer.is_err() != was_down {
            is_down.store(!was_down, Ordering::Relaxed);
        }
        let hook = hook.label();
        answer
            .inspect(|_| {
                if was_down {
                    tracing::info!(hook, "a hook is answered again");
                }
            })
            .map_err(|Failure { outcome, reason }| {
                match was_down {
                    false => tracing::warn!(hook, reason, "a hook is not answered"),
                    true => tracing::debug!(hook, reason, "a hook is not answered"),
                }
                outcome
            })
    }

    async fn post(
        &self,
        url: &str,
        body: Vec<u8>,
        trace: Option<TraceContext>,
    ) -> Result<Answer, Failure> {
        let mut request = self.client.post(url).header(header::CONTENT_TYPE, "application/json");
        if let Some(trace) = trace {
            request = request.header(traces::HEADER, trace.to_string());
        }
        let response = request.body(body).send().await.map_err(Failure::of)?;
        let status = response.status();
        if !status.is_success() && status != StatusCode::FORBIDDEN {
            return Err(Failure::said(format!("the status is {status}")));
        }
        let body = read(response).await?;
        judge(status, &body).ok_or_else(|| Failure::said("its body is not understood".to_owned()))
    }
}

impl Failure {
    fn said(reason: String) -> Self {
        Self { outcome: HookOutcome::Failed, reason }
    }

    fn of(error: reqwest::Error) -> Self {
        let outcome = if error.is_timeout() {
            HookOutcome::Timeout
        } else if error.is_connect() {
            HookOutcome::Unavailable
        } else {
            HookOutcome::Failed
        };
        // The address is known, and its query may be a secret. What went wrong stands at the end of it all.
        Self { outcome, reason: with_causes(&error.without_url()) }
    }
}

/// Reads an answer within its limit: a back-end gone wild must not fill our memory.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::of)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::said(format!("its body is above {ANSWER_BYTES_MAX} bytes")));
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

    #[tokio::test]
    async fn a_failure_says_what_went_wrong_and_not_where() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/?key=secret", listener.local_addr().unwrap());
        drop(listener);
        let asking = Asking::new(Duration::from_secs(9), 1).unwrap();
        let Err(Failure { outcome, reason }) = asking.post(&url, Vec::new(), None).await else {
            panic!("nobody is there");
        };
        assert_eq!(outcome, HookOutcome::Unavailable);
        assert!(reason.contains("refused") && !reason.contains("secret"), "{reason}");
    }

    #[test]
    fn a_reason_is_cut_between_two_characters() {
        assert_eq!(reason("x".repeat(200)).unwrap().len(), 200);
        assert_eq!(reason("x".repeat(201)).unwrap().len(), 200);
        let umlauts = format!("x{}", "ü".repeat(100));
        assert_eq!(reason(umlauts).unwrap(), format!("x{}", "ü".repeat(99)));
    }
}
