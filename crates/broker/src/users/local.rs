//! What a node knows of one of its own users.

use std::num::NonZeroUsize;

use tokio::sync::oneshot;

use super::{Entered, TooMany};
use crate::Revision;

/// A user with connections to this node, or whose record is to be changed.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Connections that have entered.
    pub(super) connected: u32,
    /// Connections that want to.
    pub(super) waiting: Vec<Waiter>,
    pub(super) written: Written,
    /// A first count may be on its way that was given up for lost. Where there is no record, nothing can keep
    /// it from standing there, so that it is looked at once more when the user is gone.
    pub(super) is_haunted: bool,
    /// Its record is being changed; what comes meanwhile is seen by whoever does that.
    pub(super) is_busy: bool,
    /// It is in the queue of that name.
    pub(super) is_urgent: bool,
    pub(super) is_paced: bool,
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) max: Option<NonZeroUsize>,
    /// What it will be told if the change that is under way is made.
    pub(super) foreseen: Option<Result<Entered, TooMany>>,
    pub(super) verdict: oneshot::Sender<Result<Entered, TooMany>>,
}

/// What the user's record says of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing.
    #[default]
    Nothing,
    /// So many.
    Standing {
        revision: Revision,
        count: u32,
        /// And of no other node anything.
        is_alone: bool,
    },
    /// It is to be looked at.
    Stale,
    /// A change may have been made, or may be made yet: whatever stands there is to be changed once more, so that
    /// the other change fails.
    Unsure {
        /// The change was to take our count out, in this life, and there was no other.
        was_last: bool,
    },
}

impl Local {
    pub(super) fn doubtful() -> Self {
        Self { written: Written::Stale, ..Self::default() }
    }

    /// What was written may not stand any more.
    pub(super) fn doubt(&mut self, is_other_life: bool) {
        self.written = match self.written {
            // Whoever has settled this node has told.
            Written::Unsure { was_last } => {
                Written::Unsure { was_last: was_last && !is_other_life }
            }
            Written::Nothing | Written::Standing { .. } | Written::Stale => Written::Stale,
        };
    }

    pub(super) fn is_done_with(&self) -> bool {
        self.connected == 0 && self.waiting.is_empty() && self.written == Written::Nothing
    }

    /// How many will have entered when those who wait now are judged.
    pub(super) fn foresee(&mut self, others: u64) -> u32 {
        // Who does not wait any more is not to be written down.
        self.waiting.retain(|waiter| !waiter.verdict.is_closed());
        let mut count = self.connected;
        for waiter in &mut self.waiting {
            let fits = has_room(waiter.max, others + u64::from(count));
            waiter.foreseen = Some(if fits { Ok(Entered::Everywhere) } else { Err(TooMany) });
            count += u32::from(fits);
        }
        count
    }

    /// Tells those who wait what was foreseen. Who came later waits on.
    pub(super) fn judge(&mut self) {
        for waiter in std::mem::take(&mut self.waiting) {
            let Some(verdict) = waiter.foreseen else {
                self.waiting.push(waiter);
                continue;
            };
            // Who does not wait any more has not entered.
            if waiter.verdict.send(verdict).is_ok() && verdict.is_ok() {
                self.connected += 1;
            }
        }
    }

    /// Lets those in who fit by this node's own count.
    pub(super) fn judge_here(&mut self) {
        for waiter in std::mem::take(&mut self.waiting) {
            let entered = self.enter_here(waiter.max);
            if waiter.verdict.send(entered).is_err() && entered.is_ok() {
                self.connected -= 1;
            }
        }
    }

    /// One more, by this node's own count.
    pub(super) fn enter_here(&mut self, max: Option<NonZeroUsize>) -> Result<Entered, TooMany> {
        if !has_room(max, u64::from(self.connected)) {
            return Err(TooMany);
        }
        self.connected += 1;
        Ok(Entered::Here)
    }
}

fn has_room(max: Option<NonZeroUsize>, count: u64) -> bool {
    max.is_none_or(|max| count < max.get() as u64)
}
