//! Hooks: a back-end is asked whether clients may connect, subscribe and publish, and told who is gone.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use ws_channels::ChannelName;
use ws_connection::End;
use ws_handler::{
    Client, EndReason, Gatekeeper, Judgement, OfflineCause, Publish, Refusal, WallClock,
};
use ws_protocol::ErrorCode;

use crate::{
    config::{HookFailure, HookSettings},
    outcomes::{Hook, HookOutcome, Outcomes},
    traces::Steps,
};

mod asking;
mod farewells;
mod leaving;
mod question;

use asking::{Answer, Asking};
use farewells::Farewells;
use leaving::{Gone, Leaving, Word};
use question::Question;

/// Questions that may wait for their turn, for each one that may be under way.
const WAITING_PER_SLOT: usize = 16;

/// How long the engine may take to say whether a user is connected elsewhere.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// How often that is looked at while everybody leaves.
const SETTLING_LOOK: Duration = Duration::from_millis(10);

/// The hooks of a gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hooks(Arc<Shared>);

struct Shared {
    connect: Option<Box<str>>,
    subscribe: Option<Box<str>>,
    publish: Option<Box<str>>,
    asking: Arc<Asking>,
    /// Questions under way or waiting for a slot.
    waiting: Arc<Semaphore>,
    farewells: Option<Farewells>,
    leaving: Arc<Leaving>,
    failure: HookFailure,
    clock: Arc<WallClock>,
    outcomes: Arc<Outcomes>,
}

impl Hooks {
    /// Hooks as they are set; `None` if none is.
    pub fn new(
        settings: &HookSettings,
        clock: Arc<WallClock>,
        outcomes: Arc<Outcomes>,
    ) -> Result<Option<Self>, reqwest::Error> {
        if settings.addresses().next().is_none() {
            return Ok(None);
        }
        let address = |uri: &Option<http::Uri>| uri.as_ref().map(|uri| uri.to_string().into());
        let concurrency_max = settings.concurrency_max as usize;
        let asking = Arc::new(Asking::new(settings.timeout, concurrency_max)?);
        let farewells = address(&settings.disconnected)
            .map(|url| Farewells::new(url, asking.clone(), concurrency_max, outcomes.clone()));
        Ok(Some(Self(Arc::new(Shared {
            connect: address(&settings.connect),
            subscribe: address(&settings.subscribe),
            publish: address(&settings.publish),
            asking,
            waiting: Arc::new(Semaphore::new(concurrency_max.saturating_mul(WAITING_PER_SLOT))),
            farewells,
            leaving: Arc::default(),
            failure: settings.failure,
            clock,
            outcomes,
        }))))
    }

    /// Says of whose trace a question is, and tells of it.
    pub(crate) fn trace_with(&self, steps: Steps) {
        self.0.asking.trace_with(steps);
    }

    /// Knows who is there from the hooks whose place it takes.
    #[must_use]
    pub(crate) fn going_on_from(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        // Nobody has it yet but us, so it is what is in it.
        match Arc::try_unwrap(self.0) {
            Ok(shared) => Self(Arc::new(Shared { leaving: before.0.leaving.clone(), ..shared })),
            Err(shared) => Self(shared),
        }
    }

    /// Whether anybody is asked anything, so that connections have to wait for answers.
    pub fn judges(&self) -> bool {
        let Shared { connect, subscribe, publish, .. } = &*self.0;
        connect.is_some() || subscribe.is_some() || publish.is_some()
    }

    /// A client is there, who will be told of when it is gone.
    pub(crate) fn note_connected(&self, client: &Client) {
        if self.0.farewells.is_some()
            && let Some(user_id) = client.user_id()
        {
            let word = self.0.leaving.handle_connect(&user_id);
            self.0.tell(Some(&user_id), word, "left");
        }
    }

    /// Tells that a client is gone, soon and at most once.
    pub(crate) fn tell_disconnected(&self, client: &Client, end: &End) {
        if self.0.farewells.is_none() {
            return;
        }
        let now = tokio::time::Instant::now().into_std();
        let gone = Gone {
            connection_id: client.id().to_string(),
            code: end.cause.close_code(),
            reason: client.end_reason().map_or(end.cause.label(), EndReason::label),
            lived_ms: self.0.clock.wall_ms(now).saturating_sub(client.connected_at_ms()),
        };
        let Some(user_id) = client.user_id() else {
            let word = Word { gone: Some(gone), online: None };
            return self.0.tell(None, Some(word), "left");
        };
        let id = gone.connection_id.clone();
        let word = self.0.leaving.handle_disconnect(&user_id, gone);
        if word.as_ref().and_then(|word| word.gone.as_ref()).is_none_or(|it| it.connection_id != id)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (shared, user_id) = (self.0.clone(), user_id.clone());
            runtime.spawn(async move {
                tokio::time::sleep(ANSWER_PATIENCE).await;
                let word = shared.leaving.give_up(&user_id, &id);
                shared.tell(Some(&user_id), word, "left");
            });
        }
        self.0.tell(Some(&user_id), word, "left");
    }

    /// Tells that a user has no connection any more, with its last one if that was here.
    pub(crate) fn tell_offline(&self, user_id: &str, cause: OfflineCause) {
        if self.0.farewells.is_some() {
            let reason = match cause {
                OfflineCause::Left => "left",
                OfflineCause::NodeLost => "node_lost",
            };
            // Where the last one here waits to be told of, it is told of with that.
            let word = self.0.leaving.handle_offline(user_id);
            self.0.tell(Some(user_id), word, reason);
        }
    }

    /// Waits until everybody who is gone has been told of, as long as one of them may take.
    pub(crate) async fn settle(&self) {
        let Some(farewells) = &self.0.farewells else { return };
        let deadline = tokio::time::Instant::now() + ANSWER_PATIENCE;
        while !self.0.leaving.is_settled() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(SETTLING_LOOK).await;
        }
        farewells.settle().await;
    }

    fn judge(&self, hook: Hook, url: Option<&str>, question: &Question<'_>) -> Judgement {
        let Some(url) = url else { return Judgement::Allow };
        let shared = self.0.clone();
        let Ok(place) = shared.waiting.clone().try_acquire_owned() else {
            return match shared.without_answer(hook, HookOutcome::Busy) {
                Ok(()) => Judgement::Allow,
                Err(refusal) => Judgement::Refuse(refusal),
            };
        };
        let (url, body): (Box<str>, _) = (url.into(), question.body());
        let trace = ws_traces::current();
        Judgement::Later(Box::pin(async move {
            let answer = shared.asking.ask(hook, &url, body, trace).await;
            drop(place);
            shared.conclude(hook, answer)
        }))
    }
}

impl Shared {
    /// Tells of a connection, or of its user alone, for this reason.
    fn tell(&self, user_id: Option<&str>, word: Option<Word>, reason: &'static str) {
        let (Some(farewells), Some(Word { gone, online })) = (&self.farewells, word) else {
            return;
        };
        farewells.tell(&match gone {
            Some(Gone { connection_id, code, reason, lived_ms }) => Question::Disconnected {
                connection_id: Some(connection_id),
                user_id,
                code,
                reason,
                lived_ms: Some(lived_ms),
                online,
            },
            None => Question::Disconnected {
                connection_id: None,
                user_id,
                code: None,
                reason,
                lived_ms: None,
                online,
            },
        });
    }

    fn conclude(&self, hook: Hook, answer: Result<Answer, HookOutcome>) -> Result<(), Refusal> {
        match answer {
            Ok(Answer::Allowed) => {
                self.outcomes.add_hook(hook, HookOutcome::Allowed);
                Ok(())
            }
            Ok(Answer::Refused(reason)) => {
                self.outcomes.add_hook(hook, HookOutcome::Refused);
                Err(match reason {
                    Some(reason) => Refusal::forbidden(reason),
                    None => Refusal::forbidden(ErrorCode::Forbidden.sentence()),
                })
            }
            Err(outcome) => self.without_answer(hook, outcome),
        }
    }

    /// The back-end has not answered: the operator has said what that means.
    fn without_answer(&self, hook: Hook, outcome: HookOutcome) -> Result<(), Refusal> {
        self.outcomes.add_hook(hook, outcome);
        match self.failure {
            HookFailure::Allow => Ok(()),
            HookFailure::Refuse => {
                let code = ErrorCode::HookUnavailable;
                Err(Refusal { code, message: code.sentence().into() })
            }
        }
    }
}

impl Gatekeeper for Hooks {
    fn judge_connect(&self, client: &Arc<Client>) -> Judgement {
        let user_id = client.user_id();
        let question = Question::Connect {
            connection_id: client.id().to_string(),
            user_id: user_id.as_deref(),
            address: client.address(),
        };
        self.judge(Hook::Connect, self.0.connect.as_deref(), &question)
    }

    fn judge_subscribe(&self, client: &Arc<Client>, channel: &ChannelName) -> Judgement {
        let user_id = client.user_id();
        let question = Question::Subscribe {
            connection_id: client.id().to_string(),
            user_id: user_id.as_deref(),
            channel,
        };
        self.judge(Hook::Subscribe, self.0.subscribe.as_deref(), &question)
    }

    fn judge_publish(&self, client: &Arc<Client>, publish: &Publish<'_>) -> Judgement {
        if self.0.publish.is_none() {
            return Judgement::Allow;
        }
        let user_id = client.user_id();
        let question = Question::Publish {
            connection_id: client.id().to_string(),
            user_id: user_id.as_deref(),
            channel: publish.channel,
            event: publish.event,
            data: publish.data,
            event_id: publish.event_id,
        };
        self.judge(Hook::Publish, self.0.publish.as_deref(), &question)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// A client for back-ends: patient for so long, and nobody's fool.
pub(crate) fn http_client(
    timeout: Duration,
    concurrency_max: usize,
    headers: http::HeaderMap,
) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(timeout)
        .default_headers(headers)
        // A back-end is where it was said to be: a redirect is a mistake or an attack.
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(concurrency_max)
        .build()
}
