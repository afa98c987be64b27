//! How to close many: what they are told, by when, how fast.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use crate::{CloseReason, SendableCode};

/// How long a close may take unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections of a batch may be closing at once unless told otherwise.
const DEFAULT_CONCURRENCY: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

/// How to close many connections: what they are told, by when, and how fast.
#[derive(Clone, Debug)]
pub struct CloseOptions {
    pub(crate) code: SendableCode,
    pub(crate) reason: CloseReason,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) pace: Option<Pace>,
    pub(crate) returns: Option<Pace>,
}

impl CloseOptions {
    /// With this code, no reason, 5 s, 1000 at once and no pace.
    #[must_use]
    pub fn new(code: SendableCode) -> Self {
        Self {
            code,
            reason: CloseReason::default(),
            timeout: DEFAULT_TIMEOUT,
            concurrency: DEFAULT_CONCURRENCY,
            pace: None,
            returns: None,
        }
    }

    /// The reason in every close frame (default: empty).
    #[must_use]
    pub fn reason(mut self, reason: impl Into<CloseReason>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The one deadline of the whole batch, counted from its start (default: 5 s). Who has not
    /// acknowledged by then is forced. Zero forces all at once, without a close frame.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many of the batch may be closing at once (default: 1000).
    ///
    /// This bounds the work in flight; a close frame that waits for its answer costs next to nothing.
    /// The deadline wins: when there would not be time for all, as when many peers do not answer, the
    /// bound gives way, so that every peer is told before it is forced.
    #[must_use]
    pub fn concurrency(mut self, concurrency: NonZeroUsize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// How fast close frames go out (default: as fast as the concurrency allows). A pace spreads the
    /// wave in which clients come back. The deadline wins here, too: a pace too slow for it is
    /// quickened.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = Some(pace);
        self
    }

    /// How fast those who are sent away may come back (default: nobody is told when). What follows from
    /// it is a window that may be longer than the closing takes; see [`Returns`](crate::Returns).
    #[must_use]
    pub fn returns(mut self, pace: Pace) -> Self {
        self.returns = Some(pace);
        self
    }
}

/// So many a second, none of them exactly on its beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub(crate) per_second: NonZeroU32,
    pub(crate) seed: u64,
}

impl Pace {
    /// `seed` decides the jitter; servers that drain together should have different ones.
    #[must_use]
    pub const fn new(per_second: NonZeroU32, seed: u64) -> Self {
        Self { per_second, seed }
    }
}
