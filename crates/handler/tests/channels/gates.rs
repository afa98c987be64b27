//! Somebody has the last word beside rules and tokens: at once, or after a while.

mod entering;
mod judging;
mod waiting;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use ws_channels::ChannelName;
use ws_handler::{
    Client, Gatekeeper, HandlerConfig, Judgement, Publish, Refusal, WebSocketHandler,
};
use ws_protocol::ErrorCode;

use crate::{desk::Desk, house::House, talk::SECOND};

/// What was asked, in order: `connect ada`, `subscribe ada orders`, `publish ada orders 1`.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

/// Judges each question by its text.
struct Keeper<J> {
    judge: J,
    asked: Asked,
}

impl<J: Fn(&str) -> Judgement> Keeper<J> {
    fn judge(&self, question: String) -> Judgement {
        let judgement = (self.judge)(&question);
        self.asked.lock().push(question);
        judgement
    }
}

impl<J: Fn(&str) -> Judgement + Send + Sync + 'static> Gatekeeper for Keeper<J> {
    fn judge_connect(&self, client: &Arc<Client>) -> Judgement {
        assert!(!client.is_welcome(), "is asked for before it is let in");
        self.judge(format!("connect {}", client.user_id().as_deref().unwrap_or("-")))
    }

    fn judge_subscribe(&self, client: &Arc<Client>, channel: &ChannelName) -> Judgement {
        self.judge(format!("subscribe {} {channel}", client.name()))
    }

    fn judge_publish(&self, client: &Arc<Client>, publish: &Publish<'_>) -> Judgement {
        let Publish { channel, event, data, from, .. } = publish;
        assert_eq!(*from, client.user_id().as_deref());
        let event = event.map_or_else(String::new, |event| format!(" {event}"));
        self.judge(format!("publish {} {channel}{event} {data}", client.name()))
    }
}

/// A house with a keeper, and what that is asked.
pub(crate) fn house_kept_by(
    change: impl FnOnce(&mut HandlerConfig),
    judge: impl Fn(&str) -> Judgement + Send + Sync + 'static,
) -> (House, Asked) {
    let asked = Asked::default();
    let keeper = Keeper { judge, asked: asked.clone() };
    let house = House::built(change, |config, clock| {
        let authenticator = House::own_authenticator();
        WebSocketHandler::with_gatekeeper(config, authenticator, clock, Desk::default(), keeper)
    });
    (house, asked)
}

fn no() -> Refusal {
    Refusal::forbidden("Not on Sundays")
}

/// The verdict comes after a while.
fn after(time: Duration, verdict: Result<(), Refusal>) -> Judgement {
    Judgement::Later(Box::pin(async move {
        tokio::time::sleep(time).await;
        verdict
    }))
}

/// What a question says about it: `now yes`, `now no`, `later yes`, `later no`, `panic`; anything else is
/// allowed. Channels are named for what becomes of them.
pub(crate) fn as_it_says(question: &str) -> Judgement {
    match question {
        it if it.contains("now-no") => Judgement::Refuse(no()),
        it if it.contains("later-yes") => after(SECOND, Ok(())),
        it if it.contains("later-no") => after(SECOND, Err(no())),
        it if it.contains("out-of-reach") => after(
            SECOND,
            Err(Refusal {
                code: ErrorCode::HookUnavailable,
                message: ErrorCode::HookUnavailable.sentence().into(),
            }),
        ),
        it if it.contains("panic") => {
            Judgement::Later(Box::pin(async { panic!("whoever judges has a bug") }))
        }
        _ => Judgement::Allow,
    }
}
