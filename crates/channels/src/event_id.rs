//! Events recognized by a number instead of their names.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

/// What is remembered of an event's name: 64 bits of a hash whose key nobody knows.
///
/// With `n` names remembered, another one is taken for one of them with a probability of `n` / 2⁶⁴:
/// 1 in 18,000,000,000,000,000 for a thousand. Names that collide on purpose cannot be found without the
/// key, which is drawn by [`EventIds::new`] and never leaves it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(pub(crate) u64);

/// Makes [`EventId`]s of one key. What two of them made cannot be compared.
#[derive(Clone, Default)]
pub struct EventIds(RandomState);

impl EventIds {
    /// With a key of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of an event of that name. Once for an event, however many are to receive it.
    #[must_use]
    pub fn id(&self, name: &str) -> EventId {
        EventId(self.0.hash_one(name))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({:016x})", self.0)
    }
}

impl fmt::Debug for EventIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventIds(..)")
    }
}
