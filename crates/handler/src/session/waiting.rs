//! What a session has begun and cannot end before somebody has answered.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use ws_broker::Page;
use ws_protocol::{ErrorCode, Id};
use ws_traces::{TraceContext, current, enter};
use ws_transport::Replies;

use super::{
    GatewaySession,
    authentication::Asked,
    directing::{Chat, Presence},
    promise::Promise,
    publishing::Outgoing,
    subscribing::Wish,
};
use crate::{
    application::Application,
    channels::feeds::Feed,
    cluster::counting::Counted,
    end_reason::EndReason,
    gatekeeper::{Refusal, Verdict},
};

/// Something that is under way, and what is to follow it. Nothing is read meanwhile.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) step: Step,
    /// Channels that are to be subscribed to behind this.
    pub(super) then: VecDeque<Wish>,
    /// None while nobody is asked: it goes on with the next turn.
    verdict: Option<Promise<Result<(), Refusal>>>,
    /// What it belongs to, if to a trace.
    trace: Option<TraceContext>,
}

#[derive(Debug)]
pub(super) enum Step {
    /// The connection itself: whether it is welcome at its path, and to the application.
    Enter {
        asked: Option<Asked>,
        is_judged: bool,
    },
    /// The other nodes are asked how many connections the user has.
    Count {
        asked: Option<Asked>,
        counted: Counted,
    },
    Subscribe(Wish),
    /// What is behind the channel is being asked for it.
    Seat {
        wish: Wish,
        feed: Arc<Feed>,
        page: Arc<Mutex<Option<Page>>>,
    },
    Publish(Box<Outgoing>),
    /// A message to a user is on its way.
    Chat(Box<Chat>),
    /// The other nodes are asked who is in a channel.
    Presence(Box<Presence>),
}

/// An id that is kept until it is answered.
pub(super) type KeptId = Option<Box<RawValue>>;

pub(super) fn keep(id: Option<Id<'_>>) -> KeptId {
    id.map(|id| id.raw().to_owned())
}

pub(super) fn kept(id: &KeptId) -> Option<Id<'_>> {
    id.as_deref().and_then(Id::new)
}

impl<A: Application> GatewaySession<A> {
    /// Lets the rest of the work wait for a verdict.
    pub(super) fn wait_for(&mut self, verdict: Verdict, step: Step) {
        let code = ErrorCode::Internal;
        let otherwise = Err(Refusal { code, message: code.sentence().into() });
        let verdict = Some(Promise::of(self.client(), otherwise, verdict));
        self.rare().waiting =
            Some(Box::new(Waiting { step, then: VecDeque::new(), verdict, trace: current() }));
    }

    /// Something has been nudged: perhaps the verdict is there.
    pub(super) fn go_on(&mut self, replies: &mut Replies<'_>) {
        let Some(rare) = &mut self.rare else { return };
        let Some(waiting) = &rare.waiting else { return };
        let Some(verdict) = waiting.verdict.as_ref().map_or(Some(Ok(())), Promise::take) else {
            return;
        };
        let Some(waiting) = rare.waiting.take() else { return };
        if self.is_ending() {
            return;
        }
        let Waiting { step, then, trace, .. } = *waiting;
        let _entered = enter(trace);
        match step {
            Step::Enter { asked, is_judged: false } => self.enter(asked, replies),
            Step::Enter { asked, is_judged: true } => match verdict {
                Ok(()) => self.let_in(asked, replies),
                Err(Refusal { code, message }) => {
                    let why = EndReason::of_gatekeeper(code);
                    self.turn_out(why, code, &message, asked.as_ref(), replies);
                }
            },
            Step::Count { asked, counted } => {
                self.conclude_count(asked, &counted, verdict, replies);
            }
            Step::Subscribe(wish) => {
                let waits = self.conclude_subscribe(wish, verdict, replies);
                self.subscribe_behind(waits, then, replies);
            }
            Step::Seat { wish, feed, page } => {
                match verdict {
                    Ok(()) => {
                        let page = page.lock().take();
                        self.conclude_seat(&wish, Some((feed, page)), replies);
                    }
                    Err(refusal) => self.refuse_wish(&wish, &refusal, replies),
                }
                self.subscribe_behind(false, then, replies);
            }
            Step::Publish(outgoing) => self.conclude_publish(&outgoing, verdict, replies),
            Step::Chat(chat) => self.conclude_chat(&chat, verdict, replies),
            Step::Presence(presence) => self.conclude_presence(&presence, verdict, replies),
        }
    }

    /// Enters with the first turn of the driver, when there is somebody to tell.
    pub(super) fn enter_soon(&mut self) {
        let step = Step::Enter { asked: None, is_judged: false };
        let (then, verdict) = (VecDeque::new(), None);
        self.rare().waiting = Some(Box::new(Waiting { step, then, verdict, trace: current() }));
        self.client().outbox().nudge();
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.waiting.is_some())
    }
}
