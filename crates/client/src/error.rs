//! What a call may come to instead of its answer.

use std::{fmt, time::Duration};

/// A call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer came in time.
    #[error("no answer came in time")]
    TimedOut,
    /// It was sent, and the connection broke before the answer: it may have been done or not.
    #[error("the connection broke before the answer: it is not known whether it was done")]
    Unconfirmed,
    /// As much waits to be sent as may.
    #[error("the queue is full: as much waits to be sent as may")]
    QueueFull,
    /// The client has stopped.
    #[error("the client has stopped: {0}")]
    Closed(Stopped),
    /// What was given cannot be sent.
    #[error("{0}")]
    Invalid(String),
}

/// What the server said against something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// For programs: one of those in the protocol's table of errors.
    pub code: String,
    /// For people.
    pub message: String,
    /// How long to wait before the next attempt.
    pub retry_after: Option<Duration>,
}

/// Why a client does not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The code of the close frame, or the status of the refused upgrade.
    pub code: Option<u16>,
    /// In words.
    pub reason: String,
}

impl Error {
    /// As the JavaScript client names it: the server's code, or one of our own.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            Self::TimedOut => "timed_out",
            Self::Unconfirmed => "unconfirmed",
            Self::QueueFull => "queue_full",
            Self::Closed(_) => "closed",
            Self::Invalid(_) => "invalid",
        }
    }
}

impl Refusal {
    /// Whether the same may be granted in a moment.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(
            &*self.code,
            "rate_limited"
                | "broker_unavailable"
                | "overloaded"
                | "channel_full"
                | "hook_unavailable"
                | "internal"
                | "shutting_down"
        )
    }
}

impl Stopped {
    pub(crate) fn own_close() -> Self {
        Self { code: None, reason: "it was closed".to_owned() }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) if self.reason.is_empty() => write!(f, "{code}"),
            Some(code) => write!(f, "{code} {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for Stopped {}
