//! What the application says, and what it comes to.

use std::time::Instant;

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::{error::Error, news::Presence};

/// How an answer is matched to what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By `id`.
    Id,
    /// By `requestId`.
    RequestId,
    /// There is no answer.
    None,
}

/// Something to say.
#[derive(Debug)]
pub(crate) struct Call {
    /// The message's `type`, and its fields but for the name of the answer: `"type":"chat","payload":{…}`.
    pub(crate) fields: String,
    pub(crate) naming: Naming,
    /// None: nobody waits for it.
    pub(crate) reply: Option<oneshot::Sender<Result<Answer, Error>>>,
    /// When the answer is missed.
    pub(crate) answer_by: Option<Instant>,
    /// When nobody waits any more.
    pub(crate) outcome_by: Option<Instant>,
}

/// What the server answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) offset: Option<u64>,
    pub(crate) message_id: Option<String>,
    pub(crate) payload: Option<Box<RawValue>>,
    pub(crate) presence: Option<Presence>,
}

impl Call {
    pub(crate) fn new(
        fields: String,
        naming: Naming,
        reply: Option<oneshot::Sender<Result<Answer, Error>>>,
    ) -> Self {
        Self { fields, naming, reply, answer_by: None, outcome_by: None }
    }

    /// Whether it is said again after a refusal for a while. A request is asked once: whoever asks knows
    /// whether asking twice is harmless.
    pub(crate) fn is_retried(&self) -> bool {
        self.naming == Naming::Id
    }

    /// As it is sent.
    pub(crate) fn text(&self, key: u64) -> String {
        let fields = &self.fields;
        match self.naming {
            Naming::Id => format!(r#"{{"id":{key},{fields}}}"#),
            Naming::RequestId => format!(r#"{{"requestId":{key},{fields}}}"#),
            Naming::None => format!("{{{fields}}}"),
        }
    }

    /// Whoever waits is told.
    pub(crate) fn finish(self, outcome: Result<Answer, Error>) {
        if let Some(reply) = self.reply {
            // Who has gone wants to know no more.
            let _ = reply.send(outcome);
        }
    }

    /// What it takes in the queue.
    pub(crate) fn bytes(&self) -> usize {
        self.fields.len() + size_of::<Self>()
    }
}
