//! Who decides beside rules and tokens: the application, at once or after a while.

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

use ws_channels::ChannelName;
use ws_protocol::ErrorCode;

use crate::{channels::back_end::Publish, client::Client};

/// Has the last word on what rules and tokens allow.
///
/// It is asked in the connection's own task and must not block: what has to be found out first is
/// answered with [`Judgement::Later`]. Until then nothing is read from that connection, so that what it
/// says next comes after what it has said before, and waits without a buffer of ours.
pub trait Gatekeeper: Send + Sync + 'static {
    /// A client has said who it is, where that is asked for. Refused, it is told and closed: with 1008, or
    /// with 1013, to come again, where the refusal's code is
    /// [`HookUnavailable`](ErrorCode::HookUnavailable) or [`Overloaded`](ErrorCode::Overloaded).
    fn judge_connect(&self, client: &Arc<Client>) -> Judgement {
        let _ = client;
        Judgement::Allow
    }

    /// A client wants to be in a channel, and rules and token allow it.
    fn judge_subscribe(&self, client: &Arc<Client>, channel: &ChannelName) -> Judgement {
        let _ = (client, channel);
        Judgement::Allow
    }

    /// A client publishes into a channel, a message in a room included, and rules and token allow it.
    fn judge_publish(&self, client: &Arc<Client>, publish: &Publish<'_>) -> Judgement {
        let _ = (client, publish);
        Judgement::Allow
    }
}

/// What a [`Gatekeeper`] says.
pub enum Judgement {
    /// Yes.
    Allow,
    /// No, and the client is told why.
    Refuse(Refusal),
    /// That is to be found out first. It must come to an end: bound it by a timeout.
    Later(Verdict),
}

/// A judgement that takes a while.
pub type Verdict = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// It is not allowed, for this reason.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: ErrorCode::Forbidden, message: message.into() }
    }
}

impl fmt::Debug for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("Allow"),
            Self::Refuse(refusal) => f.debug_tuple("Refuse").field(refusal).finish(),
            Self::Later(_) => f.write_str("Later(..)"),
        }
    }
}
