//! The other nodes, as far as it takes to know that their servers know what we subscribed.
//!
//! Servers of a cluster tell each other of subscriptions, and what one server passes on arrives at the next in its
//! order. So a question to all nodes that was sent behind a subscription reaches each node's server behind it,
//! and when all nodes have answered, whatever they publish from then on reaches the subscription.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_nats::{Message, StatusCode, Subject, message::OutboundMessage};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time};
use ws_broker::EngineError;

use super::{Following, Link};

/// Who has not answered by then is gone, or was too slow to publish anything meanwhile.
const ANSWER_MAX: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
pub(super) struct Peers {
    state: Mutex<State>,
    answered: Notify,
    subscriptions: OnceLock<[Following; 2]>,
}

#[derive(Debug, Default)]
struct State {
    own: u64,
    known: HashSet<u64>,
    round: u64,
    answered: HashSet<u64>,
    is_alone: bool,
}

impl Link {
    /// Answers others from now on.
    pub(super) fn meet_peers(self: &Arc<Self>) -> Result<(), EngineError> {
        self.peers.state.lock().own = fastrand::u64(1..);
        let answering = Arc::downgrade(self);
        let questions = self.subscribe(self.names.peers(), move |message| {
            if let (Some(link), Some(reply)) = (answering.upgrade(), message.reply) {
                link.answer_peer(&message.payload, reply);
            }
        })?;
        let hearing = Arc::downgrade(self);
        let answers = self.subscribe(format!("{}peers.*", self.inbox), move |message| {
            if let Some(link) = hearing.upgrade() {
                link.hear_peer(&message);
            }
        })?;
        // Only the first connection meets them; the library subscribes again.
        let _ = self.peers.subscriptions.set([questions, answers]);
        Ok(())
    }

    /// Finds out who is there.
    pub(super) async fn greet_peers(&self) -> Result<(), EngineError> {
        self.ask_all_peers()?;
        time::sleep(ANSWER_MAX).await;
        Ok(())
    }

    /// Returns when all that are known have answered, or have had their time.
    pub(super) async fn ask_peers(&self) -> Result<(), EngineError> {
        self.ask_all_peers()?;
        let all = async {
            loop {
                let change = self.peers.answered.notified();
                if self.peers.state.lock().have_all_answered() {
                    return;
                }
                change.await;
            }
        };
        if time::timeout(ANSWER_MAX, all).await.is_err() {
            let mut state = self.peers.state.lock();
            state.known = state.answered.clone();
        }
        Ok(())
    }

    fn ask_all_peers(&self) -> Result<(), EngineError> {
        let (own, round) = {
            let mut state = self.peers.state.lock();
            state.round += 1;
            state.answered.clear();
            state.is_alone = false;
            (state.own, state.round)
        };
        self.send(OutboundMessage {
            subject: Subject::from(self.names.peers()),
            reply: Some(Subject::from(format!("{}peers.{round}", self.inbox))),
            payload: Bytes::copy_from_slice(&own.to_be_bytes()),
            headers: None,
        })
    }

    fn answer_peer(&self, asking: &[u8], reply: Subject) {
        let own = {
            let mut state = self.peers.state.lock();
            state.known.extend(id_in(asking));
            state.own
        };
        let payload = Bytes::copy_from_slice(&own.to_be_bytes());
        // Who asked waits no longer than a moment if this is lost.
        let _ = self.send(OutboundMessage { subject: reply, reply: None, payload, headers: None });
    }

    fn hear_peer(&self, message: &Message) {
        let round = message.subject.rsplit('.').next().and_then(|round| round.parse().ok());
        let mut state = self.peers.state.lock();
        if let Some(id) = id_in(&message.payload) {
            state.known.insert(id);
            if round == Some(state.round) {
                state.answered.insert(id);
            }
        } else if message.status == Some(StatusCode::NO_RESPONDERS) && round == Some(state.round) {
            state.is_alone = true;
        }
        self.peers.answered.notify_one();
    }
}

impl State {
    fn have_all_answered(&self) -> bool {
        self.is_alone || self.known.iter().all(|id| self.answered.contains(id))
    }
}

fn id_in(payload: &[u8]) -> Option<u64> {
    payload.try_into().ok().map(u64::from_be_bytes)
}
