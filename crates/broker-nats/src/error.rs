//! What can go wrong, by whose fault it is.

use std::borrow::Cow;

use ws_broker::EngineError;

pub(crate) const KIND: &str = "nats";

/// Why it is not up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be: it would fail again.
    #[error("the settings of NATS: {0}")]
    Settings(String),
    /// No server could be reached.
    #[error("no NATS server can be reached: {0}")]
    Unreachable(String),
    /// The server does not let us in.
    #[error("the NATS server refuses the user, the password, the token or the key: {0}")]
    Denied(String),
    /// The server lacks what is needed here.
    #[error("the NATS server is {version}, and it takes 2.9 or newer")]
    TooOld {
        /// What it is.
        version: String,
    },
    /// JetStream is off, or not for this account.
    #[error("the NATS server has no JetStream for this account, which keeps history: {0}")]
    NoJetStream(String),
    /// JetStream is there, and does not do what it is asked to.
    #[error("JetStream does not take its streams: {0}")]
    Streams(String),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens on the subject.
    #[error("nobody answers requests on this subject")]
    NoResponders,
    /// Somebody listens, and did not answer in time.
    #[error("the answer did not come in time")]
    TimedOut,
    /// The server is away. The request may have arrived if the connection broke after it was sent.
    #[error("the NATS server cannot be reached: {0}")]
    Down(String),
    /// Too much waits for answers.
    #[error("too many requests wait for answers")]
    Overloaded,
    /// The subject cannot be, or the payload is too large.
    #[error("NATS refuses the request: {0}")]
    Refused(String),
}

pub(crate) fn unavailable(reason: impl Into<Cow<'static, str>>) -> EngineError {
    EngineError::Unavailable { kind: KIND, reason: reason.into() }
}

pub(crate) fn unknown() -> EngineError {
    EngineError::Unknown { kind: KIND }
}

pub(crate) fn overloaded() -> EngineError {
    EngineError::Overloaded { kind: KIND }
}

pub(crate) fn refused(reason: impl Into<Cow<'static, str>>) -> EngineError {
    EngineError::Refused { kind: KIND, reason: reason.into() }
}
