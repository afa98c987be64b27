//! A limit whose algorithm is chosen at run time.

use std::time::Instant;

use crate::fixed_window::FixedWindowState;
use crate::sliding_window::SlidingWindowState;
use crate::{BucketState, Denied, FixedWindow, Limit, SlidingWindow, TokenBucket};

#[cfg(test)]
mod tests;

/// Any of the algorithms, or none: what a configuration file ends as.
///
/// Each caller costs as much as the largest of the states (64 bytes). Who knows the algorithm at
/// compile time names it and saves the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyLimit {
    /// Allows everything and remembers nobody.
    Unlimited,
    /// See [`TokenBucket`].
    TokenBucket(TokenBucket),
    /// See [`FixedWindow`].
    FixedWindow(FixedWindow),
    /// See [`SlidingWindow`].
    SlidingWindow(SlidingWindow),
}

/// What an [`AnyLimit`] remembers of one caller.
///
/// A state that comes to a limit with another algorithm says nothing there, and counts as new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyState {
    /// Of [`AnyLimit::Unlimited`]: since when.
    Unlimited(Instant),
    /// Of [`AnyLimit::TokenBucket`].
    TokenBucket(BucketState),
    /// Of [`AnyLimit::FixedWindow`].
    FixedWindow(FixedWindowState),
    /// Of [`AnyLimit::SlidingWindow`].
    SlidingWindow(SlidingWindowState),
}

impl From<TokenBucket> for AnyLimit {
    fn from(limit: TokenBucket) -> Self {
        Self::TokenBucket(limit)
    }
}

impl From<FixedWindow> for AnyLimit {
    fn from(limit: FixedWindow) -> Self {
        Self::FixedWindow(limit)
    }
}

impl From<SlidingWindow> for AnyLimit {
    fn from(limit: SlidingWindow) -> Self {
        Self::SlidingWindow(limit)
    }
}

impl Limit for AnyLimit {
    type State = AnyState;

    fn new_state(&self, now: Instant) -> AnyState {
        match self {
            Self::Unlimited => AnyState::Unlimited(now),
            Self::TokenBucket(limit) => AnyState::TokenBucket(limit.new_state(now)),
            Self::FixedWindow(limit) => AnyState::FixedWindow(limit.new_state(now)),
            Self::SlidingWindow(limit) => AnyState::SlidingWindow(limit.new_state(now)),
        }
    }

    #[inline]
    fn check(&self, state: &mut AnyState, cost: u32, now: Instant) -> Result<(), Denied> {
        match (self, &mut *state) {
            (Self::Unlimited, _) => Ok(()),
            (Self::TokenBucket(limit), AnyState::TokenBucket(state)) => {
                limit.check(state, cost, now)
            }
            (Self::FixedWindow(limit), AnyState::FixedWindow(state)) => {
                limit.check(state, cost, now)
            }
            (Self::SlidingWindow(limit), AnyState::SlidingWindow(state)) => {
                limit.check(state, cost, now)
            }
            (Self::TokenBucket(_) | Self::FixedWindow(_) | Self::SlidingWindow(_), _) => {
                *state = self.new_state(now);
                self.check(state, cost, now)
            }
        }
    }

    fn fresh_at(&self, state: &AnyState) -> Instant {
        match (self, state) {
            (Self::TokenBucket(limit), AnyState::TokenBucket(state)) => limit.fresh_at(state),
            (Self::FixedWindow(limit), AnyState::FixedWindow(state)) => limit.fresh_at(state),
            (Self::SlidingWindow(limit), AnyState::SlidingWindow(state)) => limit.fresh_at(state),
            // It says nothing to this limit, so any instant that it knows will do.
            (_, AnyState::Unlimited(since)) => *since,
            (_, AnyState::TokenBucket(state)) => state.full_at,
            (_, AnyState::FixedWindow(state)) => state.opened,
            (_, AnyState::SlidingWindow(state)) => state.began,
        }
    }

    fn adopt(&self, state: AnyState, now: Instant) -> AnyState {
        match (self, state) {
            (Self::TokenBucket(limit), AnyState::TokenBucket(state)) => {
                AnyState::TokenBucket(limit.adopt(state, now))
            }
            (Self::FixedWindow(limit), AnyState::FixedWindow(state)) => {
                AnyState::FixedWindow(limit.adopt(state, now))
            }
            (Self::SlidingWindow(limit), AnyState::SlidingWindow(state)) => {
                AnyState::SlidingWindow(limit.adopt(state, now))
            }
            _ => self.new_state(now),
        }
    }
}
