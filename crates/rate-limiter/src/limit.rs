//! The one trait behind which all algorithms stand.

use std::time::Instant;

use crate::Denied;

/// An algorithm with its settings. It is shared and immutable; what it knows of one caller is in a
/// [`Limit::State`], a few bytes that live wherever the caller wants: in the struct of a connection, or
/// in a [`KeyedLimiter`](crate::KeyedLimiter).
///
/// Time that goes back (threads that read the clock before they wait for a lock) must never allow
/// more than time that stands still.
pub trait Limit {
    /// What is remembered of one caller.
    type State;

    /// The state of a caller who has not used anything yet.
    fn new_state(&self, now: Instant) -> Self::State;

    /// Takes `cost` from the caller's allowance, or takes nothing and says when to come back.
    ///
    /// A cost of zero takes nothing and is always allowed.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the allowance does not hold so much.
    fn check(&self, state: &mut Self::State, cost: u32, now: Instant) -> Result<(), Denied>;

    /// The instant from which this state is as good as a new one, so that it may be forgotten.
    ///
    /// The later it is, the more of the allowance has been used: a full table forgets the earliest.
    fn fresh_at(&self, state: &Self::State) -> Instant;

    /// Takes over a state that another limit of the same kind has made, as when a caller changes its
    /// tier: what has been used stays used, as far as this limit would let anyone use it.
    fn adopt(&self, state: Self::State, now: Instant) -> Self::State;
}
