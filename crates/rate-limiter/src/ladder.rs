//! What follows a denial: a dropped message, a word to the client, and in the end the door.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::{BucketState, ConfigError, Denied, Limit, TokenBucket};

#[cfg(test)]
mod tests;

/// How much a connection may insist after it has been denied. Shared by all connections.
///
/// ```text
///   allowed ───────────────► Allow
///   denied ──┬─ patience ──► Drop ──┬─ first since retry_at of the last word: tell the client
///            │                      └─ otherwise: say nothing, so that a flood has no echo
///            └─ none left ─► Close (1008)
/// ```
///
/// Patience is a bucket that holds `denials_max` denials and refills over `window`. A client that
/// overshoots now and then, reads its error and waits is never closed; one that keeps on is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    patience: Option<TokenBucket>,
}

/// How far up the [`Ladder`] one connection is: 32 bytes that live in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strikes {
    patience: Option<BucketState>,
    /// The client knows that it need not try before this instant.
    told_until: Option<Instant>,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Handle it.
    Allow,
    /// Drop it.
    Drop {
        /// When the same message would be allowed; see [`Denied::retry_at`].
        retry_at: Instant,
        /// Whether the client should be told. It is told once, and then not again until the
        /// `retry_at` that it was given has passed.
        first_in_burst: bool,
    },
    /// Close the connection with 1008: it was told, and keeps on.
    Close,
}

impl Ladder {
    /// Closes at the denial that follows on `denials_max` of them, which are forgiven evenly over
    /// `window`.
    ///
    /// # Errors
    ///
    /// If the window is zero or longer than 366 days.
    pub const fn new(denials_max: NonZeroU32, window: Duration) -> Result<Self, ConfigError> {
        match TokenBucket::new(window, denials_max) {
            Ok(patience) => Ok(Self { patience: Some(patience) }),
            Err(error) => Err(error),
        }
    }

    /// Drops for ever and never closes.
    #[must_use]
    pub const fn never_closing() -> Self {
        Self { patience: None }
    }

    /// What to do with a message, given what a limit said of it.
    pub fn judge(
        &self,
        strikes: &mut Strikes,
        outcome: Result<(), Denied>,
        now: Instant,
    ) -> Verdict {
        let Err(denied) = outcome else {
            return Verdict::Allow;
        };
        if let Some(limit) = &self.patience {
            let patience = strikes.patience.get_or_insert_with(|| limit.new_state(now));
            if limit.check(patience, 1, now).is_err() {
                return Verdict::Close;
            }
        }
        let first_in_burst = strikes.told_until.is_none_or(|until| now >= until);
        if first_in_burst {
            strikes.told_until = Some(denied.retry_at);
        }
        Verdict::Drop { retry_at: denied.retry_at, first_in_burst }
    }
}

impl Default for Ladder {
    /// Closes at the 101st denial, and forgives a hundred a minute.
    fn default() -> Self {
        const HUNDRED: NonZeroU32 = NonZeroU32::new(100).unwrap();
        Self { patience: Some(TokenBucket::per_minute(HUNDRED)) }
    }
}
