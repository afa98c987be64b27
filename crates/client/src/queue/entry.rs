//! One entry, the key it goes by, and what it wants.

use std::time::Instant;

pub(super) const PRIORITIES: usize = 4;

/// How much something matters beside the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before what is usual.
    High,
    /// What is usual.
    #[default]
    Normal,
    /// When there is nothing else.
    Low,
}

impl Priority {
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Critical => 0,
            Self::High => 1,
            Self::Normal => 2,
            Self::Low => 3,
        }
    }
}

/// By which an entry is found; never used twice by a queue. Ordered by age.
///
/// The lowest two bits are the priority, so that nothing has to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Key {
    pub(super) const fn new(number: u64, priority: Priority) -> Self {
        Self(number << 2 | priority.index() as u64)
    }

    /// As a number, such as for the `id` of a message.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(super) const fn priority(self) -> Priority {
        match self.0 & 3 {
            0 => Priority::Critical,
            1 => Priority::High,
            2 => Priority::Normal,
            _ => Priority::Low,
        }
    }
}

/// The key of an answer. The queue knows which of them it has given.
impl From<u64> for Key {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// What an entry wants beyond being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// An answer, and until it is there it counts as in flight.
    Answered,
    /// Nothing.
    Written,
    /// An answer, which those behind it need not wait for.
    Tracked,
}

#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) bytes: usize,
    pub(super) confirm: Confirm,
    pub(super) is_repeatable: bool,
    pub(super) refusals: u32,
    pub(super) losses: u32,
    pub(super) not_before: Option<Instant>,
}

impl<T> Entry<T> {
    pub(super) const fn new(bytes: usize, confirm: Confirm, is_repeatable: bool, value: T) -> Self {
        Self { value, bytes, confirm, is_repeatable, refusals: 0, losses: 0, not_before: None }
    }

    /// Counts a loss, and says whether the entry may go again after it.
    pub(super) fn survives_loss(&mut self, losses_max: Option<u32>) -> bool {
        self.losses = self.losses.saturating_add(1);
        self.is_repeatable && losses_max.is_none_or(|max| self.losses <= max)
    }
}
