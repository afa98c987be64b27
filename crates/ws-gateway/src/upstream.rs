//! Who answers requests: nobody, an echo, or a back-end over HTTP or NATS.

use std::{borrow::Cow, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use ws_broker_nats::{Client, RequestError};
use ws_connection::End;
use ws_handler::{Application, LateResponder, OfflineCause, Responder};
use ws_protocol::ErrorCode;
use ws_traces::{Kind, Step, TraceContext};

use crate::{
    causes::with_causes,
    hooks::{Hooks, http_client},
    outcomes::{Outcome, Outcomes},
    traces::{self, Steps},
};

mod complaints;

use complaints::Complaints;

/// Requests that may wait for their turn, for each one that may be under way.
const WAITING_PER_SLOT: usize = 16;

/// The gateway's application.
#[derive(Debug)]
pub struct Upstream {
    target: ArcSwap<Target>,
    outcomes: Arc<Outcomes>,
    hooks: ArcSwapOption<Hooks>,
    steps: Option<Steps>,
}

/// Who answers.
#[derive(Debug)]
pub(crate) enum Target {
    Unset,
    Echo,
    BackEnd(Arc<BackEnd>),
}

impl Upstream {
    /// Answers each request with an error that says that no upstream is set.
    pub fn unset() -> Self {
        Self::new(Target::Unset)
    }

    /// Answers each request with its own payload.
    pub fn echo() -> Self {
        Self::new(Target::Echo)
    }

    /// Asks a back-end by `POST` of `{requestId, payload, userId, connectionId}`; the JSON that it
    /// answers is the response's payload.
    pub fn http(
        url: &http::Uri,
        timeout: Duration,
        concurrency_max: usize,
        answer_bytes_max: usize,
    ) -> Result<Self, reqwest::Error> {
        let client = http_client(timeout, concurrency_max, http::HeaderMap::new())?;
        let way = Way::Http { client, url: url.to_string().into() };
        Ok(Self::back_end(way, timeout, concurrency_max, answer_bytes_max))
    }

    /// Asks whoever answers at a subject of NATS, with the same question.
    pub fn nats(
        client: Client,
        subject: &str,
        timeout: Duration,
        concurrency_max: usize,
        answer_bytes_max: usize,
    ) -> Self {
        let way = Way::Nats { client, subject: subject.into() };
        Self::back_end(way, timeout, concurrency_max, answer_bytes_max)
    }

    fn back_end(
        way: Way,
        timeout: Duration,
        concurrency_max: usize,
        answer_bytes_max: usize,
    ) -> Self {
        Self::new(Target::BackEnd(Arc::new(BackEnd {
            way,
            timeout,
            slots: Arc::new(Semaphore::new(concurrency_max)),
            waiting: Arc::new(Semaphore::new(concurrency_max.saturating_mul(WAITING_PER_SLOT))),
            answer_bytes_max,
            complaints: Complaints::default(),
        })))
    }

    fn new(target: Target) -> Self {
        Self {
            target: ArcSwap::from_pointee(target),
            outcomes: Arc::default(),
            hooks: ArcSwapOption::empty(),
            steps: None,
        }
    }

    /// Tells these hooks who is gone.
    #[must_use]
    pub fn with_hooks(self, hooks: Option<Hooks>) -> Self {
        self.set_hooks(hooks);
        self
    }

    /// Says of whose trace a request is, and tells of it.
    #[must_use]
    pub(crate) fn with_steps(mut self, steps: Option<Steps>) -> Self {
        self.steps = steps;
        self
    }

    /// Of whose trace a question is, where anybody wants to know.
    pub(crate) fn steps(&self) -> Option<&Steps> {
        self.steps.as_ref()
    }

    /// From now on these are told. Those before tell of whoever they have begun to tell of.
    pub(crate) fn set_hooks(&self, hooks: Option<Hooks>) {
        self.hooks.store(hooks.map(Arc::new));
    }

    /// From now on this one answers. Requests that are under way are answered by the one before.
    pub(crate) fn set_target(&self, target: Arc<Target>) {
        self.target.store(target);
    }

    /// Who answers, to be had by another.
    pub(crate) fn into_target(self) -> Arc<Target> {
        self.target.into_inner()
    }

    /// The hooks that are told who is gone.
    pub(crate) fn hooks(&self) -> Option<Hooks> {
        self.hooks.load().as_deref().cloned()
    }

    /// What became so far of all that back-ends were asked or told.
    pub fn outcomes(&self) -> Arc<Outcomes> {
        self.outcomes.clone()
    }
}

impl Application for Upstream {
    fn handle_request(
        &self,
        _client: &Arc<ws_handler::Client>,
        payload: &RawValue,
        responder: Responder<'_, '_>,
    ) {
        match &**self.target.load() {
            Target::Unset => {
                self.outcomes.add(Outcome::Unset);
                let sentence = "No upstream is set: set UPSTREAM to echo or to an http:// address";
                responder.fail(ErrorCode::UpstreamUnavailable, Some(Cow::Borrowed(sentence)));
            }
            Target::Echo => {
                self.outcomes.add(Outcome::Answered);
                responder.respond(payload);
            }
            Target::BackEnd(upstream) => {
                let Ok(waiting) = upstream.waiting.clone().try_acquire_owned() else {
                    self.outcomes.add(Outcome::Busy);
                    return responder.fail(ErrorCode::Overloaded, None);
                };
                let (upstream, outcomes) = (upstream.clone(), self.outcomes.clone());
                let (payload, responder) = (payload.to_owned(), responder.later());
                let (steps, trace) = (self.steps.clone(), ws_traces::current());
                tokio::spawn(async move {
                    let mut step = steps.as_ref().map_or(Step::NOTHING, |steps| {
                        steps.begin_within("upstream", Kind::Client, trace)
                    });
                    let outcome = upstream.answer(&payload, responder, step.context()).await;
                    outcomes.add(outcome);
                    if let Some(steps) = steps {
                        if outcome != Outcome::Answered {
                            step.fail(outcome.label());
                        }
                        steps.end(step);
                    }
                    drop(waiting);
                });
            }
        }
    }

    fn handle_connect(&self, client: &Arc<ws_handler::Client>) {
        if let Some(hooks) = &*self.hooks.load() {
            hooks.note_connected(client);
        }
    }

    fn handle_user_offline(&self, user_id: &str, cause: OfflineCause) {
        if let Some(hooks) = &*self.hooks.load() {
            hooks.tell_offline(user_id, cause);
        }
    }

    fn handle_disconnect(&self, client: &Arc<ws_handler::Client>, end: &End) {
        if let Some(hooks) = &*self.hooks.load() {
            hooks.tell_disconnected(client, end);
        }
    }
}

#[derive(Debug)]
pub(crate) struct BackEnd {
    way: Way,
    timeout: Duration,
    /// Requests under way.
    slots: Arc<Semaphore>,
    /// Requests under way or waiting for a slot.
    waiting: Arc<Semaphore>,
    answer_bytes_max: usize,
    complaints: Complaints,
}

/// How it is reached.
#[derive(Debug)]
enum Way {
    Http { client: reqwest::Client, url: Box<str> },
    Nats { client: Client, subject: Box<str> },
}

/// What the back-end is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'q> {
    request_id: &'q RawValue,
    payload: &'q RawValue,
    user_id: Option<&'q str>,
    connection_id: String,
}

/// Why there is no answer; the sentence is for the client.
struct Failure {
    outcome: Outcome,
    code: ErrorCode,
    sentence: Option<String>,
    /// For the log.
    reason: String,
}

impl BackEnd {
    async fn answer(
        &self,
        payload: &RawValue,
        responder: LateResponder,
        trace: Option<TraceContext>,
    ) -> Outcome {
        // One deadline for waiting and asking: the client waits for both.
        let work = async {
            let slot = self.slots.acquire().await;
            let _slot = slot.map_err(|error| {
                Failure::new(Outcome::Unavailable, ErrorCode::UpstreamUnavailable, &error)
            })?;
            self.ask(payload, &responder, trace).await
        };
        let answer = tokio::time::timeout(self.timeout, work).await;
        match answer {
            Ok(Ok(answer)) => {
                responder.respond(&answer);
                Outcome::Answered
            }
            Ok(Err(failure)) => {
                self.complaints.note(failure.outcome, &failure.reason);
                responder.fail(failure.code, failure.sentence.map(Cow::Owned));
                failure.outcome
            }
            Err(_) => {
                self.complaints.note(Outcome::Timeout, "there was no answer in time");
                responder.fail(ErrorCode::UpstreamTimeout, None);
                Outcome::Timeout
            }
        }
    }

    async fn ask(
        &self,
        payload: &RawValue,
        responder: &LateResponder,
        trace: Option<TraceContext>,
    ) -> Result<Box<RawValue>, Failure> {
        let trace = trace.map(|trace| trace.to_string());
        let user_id = responder.client().user_id();
        let question = Question {
            request_id: responder.request_id(),
            payload,
            user_id: user_id.as_deref(),
            connection_id: responder.client().id().to_string(),
        };
        let body = serde_json::to_vec(&question)
            .map_err(|error| Failure::new(Outcome::Failed, ErrorCode::Internal, &error))?;
        let answer = match &self.way {
            Way::Http { client, url } => {
                let request = client.post(&**url).body(body);
                let mut request = request.header(http::header::CONTENT_TYPE, "application/json");
                if let Some(trace) = trace {
                    request = request.header(traces::HEADER, trace);
                }
                let response = request.send().await.map_err(Failure::of)?;
                let status = response.status();
                if !status.is_success() {
                    return Err(Failure::said(format!("The upstream answered {status}")));
                }
                self.read_answer(response).await?
            }
            Way::Nats { client, subject } => {
                let headers = trace.as_deref().map(|trace| (traces::HEADER, trace));
                let (body, timeout) = (body.into(), self.timeout);
                let answer = client.request_with(subject, headers.as_slice(), body, timeout).await;
                let answer = answer.map_err(|error| Failure::of_nats(&error))?;
                if answer.len() > self.answer_bytes_max {
                    return Err(self.too_large());
                }
                answer
            }
        };
        // 204, or a body that was forgotten: there is nothing to say, and that is an answer.
        let answer: &[u8] = if answer.is_empty() { b"null" } else { &answer };
        serde_json::from_slice(answer)
            .map_err(|_| Failure::said("The upstream's answer is not JSON".to_owned()))
    }

    /// Reads the answer within its limit: a back-end gone wild must not fill our memory.
    async fn read_answer(&self, mut response: reqwest::Response) -> Result<Bytes, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Failure::of)? {
            if body.len() + chunk.len() > self.answer_bytes_max {
                return Err(self.too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    fn too_large(&self) -> Failure {
        let max = self.answer_bytes_max;
        Failure::said(format!("The upstream's answer is above {max} bytes"))
    }
}

impl Failure {
    fn new(outcome: Outcome, code: ErrorCode, error: &dyn std::error::Error) -> Self {
        Self { outcome, code, sentence: None, reason: with_causes(error) }
    }

    fn said(sentence: String) -> Self {
        let (outcome, code) = (Outcome::Failed, ErrorCode::UpstreamFailed);
        Self { outcome, code, reason: sentence.clone(), sentence: Some(sentence) }
    }

    fn of_nats(error: &RequestError) -> Self {
        let (outcome, code) = match error {
            RequestError::NoResponders | RequestError::Down(_) => {
                (Outcome::Unavailable, ErrorCode::UpstreamUnavailable)
            }
            RequestError::TimedOut => (Outcome::Timeout, ErrorCode::UpstreamTimeout),
            RequestError::Overloaded => (Outcome::Busy, ErrorCode::Overloaded),
            RequestError::Refused(_) => (Outcome::Failed, ErrorCode::UpstreamFailed),
        };
        Self::new(outcome, code, error)
    }

    /// The address may have a key in its query, and the client is told what kind of failure it is.
    fn of(error: reqwest::Error) -> Self {
        let (outcome, code) = if error.is_timeout() {
            (Outcome::Timeout, ErrorCode::UpstreamTimeout)
        } else if error.is_connect() {
            (Outcome::Unavailable, ErrorCode::UpstreamUnavailable)
        } else {
            (Outcome::Failed, ErrorCode::UpstreamFailed)
        };
        Self::new(outcome, code, &error.without_url())
    }
}
