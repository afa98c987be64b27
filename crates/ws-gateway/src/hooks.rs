//! Hooks: a back-end is asked whether clients may connect, subscribe and publish, and told who is gone.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use ws_channels::ChannelName;
use ws_connection::End;
use ws_handler::{Client, Gatekeeper, Judgement, Publish, Refusal, WallClock};
use ws_protocol::ErrorCode;

use crate::{
    config::{HookFailure, HookSettings},
    outcomes::{Hook, HookOutcome, Outcomes},
};

mod asking;
mod farewells;
mod question;

use asking::{Answer, Asking};
use farewells::Farewells;
use question::Question;

/// Questions that may wait for their turn, for each one that may be under way.
const WAITING_PER_SLOT: usize = 16;

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
            failure: settings.failure,
            clock,
            outcomes,
        }))))
    }

    /// Whether anybody is asked anything, so that connections have to wait for answers.
    pub fn judges(&self) -> bool {
        let Shared { connect, subscribe, publish, .. } = &*self.0;
        connect.is_some() || subscribe.is_some() || publish.is_some()
    }

    /// Tells that a client is gone, soon and at most once.
    pub(crate) fn tell_disconnected(&self, client: &Client, end: &End) {
        let Some(farewells) = &self.0.farewells else { return };
        let now = tokio::time::Instant::now().into_std();
        let user_id = client.user_id();
        farewells.tell(&Question::Disconnected {
            connection_id: client.id().to_string(),
            user_id: user_id.as_deref(),
            code: end.cause.close_code(),
            cause: end.cause.label(),
            lived_ms: self.0.clock.wall_ms(now).saturating_sub(client.connected_at_ms()),
        });
    }

    /// Waits until everybody who is gone has been told of, as long as one of them may take.
    pub(crate) async fn settle(&self) {
        if let Some(farewells) = &self.0.farewells {
            farewells.settle().await;
        }
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
        Judgement::Later(Box::pin(async move {
            let answer = shared.asking.ask(hook, &url, body).await;
            drop(place);
            shared.conclude(hook, answer)
        }))
    }
}

impl Shared {
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
) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(timeout)
        // A back-end is where it was said to be: a redirect is a mistake or an attack.
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(concurrency_max)
        .build()
}
