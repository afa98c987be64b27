//! What is asked of a policy with every message: one word, which costs a load to read.

use std::sync::atomic::{AtomicU32, Ordering};

use ws_channels::Permissions;

use super::InForce;

/// Borrowing a policy takes some sixty instructions, two of them locked. Whoever has one already, or would only
/// learn that there is nothing to do, reads this instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gist {
    /// As [`InForce::generation`].
    pub(crate) generation: u16,
    /// Whether something is kept of any channel.
    pub(crate) has_keeps: bool,
    /// Whether it is said of any channel who comes and who leaves.
    pub(crate) has_presence: bool,
}

const KEEPS: u32 = 1 << 16;
const PRESENCE: u32 = 1 << 17;

impl Gist {
    pub(super) fn of(policy: &InForce) -> Self {
        let rules = policy.rules.rules();
        // Without any rule, there is the one that allows everything.
        let has_presence = rules.is_empty()
            || rules.iter().any(|rule| rule.permissions().contain(Permissions::PRESENCE));
        Self { generation: policy.generation, has_keeps: policy.has_keeps, has_presence }
    }

    /// The same policy, and whatever there is in the other one: there may be something, look at it.
    const fn with_all_of(self, other: Self) -> Self {
        Self {
            generation: self.generation,
            has_keeps: self.has_keeps || other.has_keeps,
            has_presence: self.has_presence || other.has_presence,
        }
    }

    fn to_word(self) -> u32 {
        let keeps = if self.has_keeps { KEEPS } else { 0 };
        let presence = if self.has_presence { PRESENCE } else { 0 };
        u32::from(self.generation) | keeps | presence
    }

    const fn of_word(word: u32) -> Self {
        Self {
            generation: (word & 0xffff) as u16,
            has_keeps: word & KEEPS != 0,
            has_presence: word & PRESENCE != 0,
        }
    }
}

/// The gist of the policy that is in force.
#[derive(Debug)]
pub(super) struct GistCell(AtomicU32);

impl GistCell {
    pub(super) fn new(gist: Gist) -> Self {
        Self(AtomicU32::new(gist.to_word()))
    }

    #[inline]
    pub(super) fn get(&self) -> Gist {
        Gist::of_word(self.0.load(Ordering::Acquire))
    }

    /// Exchanges it around `exchange`, which puts the policy itself in force. Meanwhile it has whatever there is in
    /// either of them: nobody who has seen the next policy is told less than what that says.
    pub(super) fn replace(&self, next: Gist, exchange: impl FnOnce()) {
        self.0.store(self.get().with_all_of(next).to_word(), Ordering::Release);
        exchange();
        self.0.store(next.to_word(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gist_is_what_its_word_says() {
        for generation in [0, 1, u16::MAX] {
            for (has_keeps, has_presence) in [(false, false), (true, false), (false, true)] {
                let gist = Gist { generation, has_keeps, has_presence };
                assert_eq!(Gist::of_word(gist.to_word()), gist);
            }
        }
    }

    #[test]
    fn while_a_policy_is_exchanged_what_either_has_is_looked_for() {
        let before = Gist { generation: 7, has_keeps: true, has_presence: false };
        let next = Gist { generation: 8, has_keeps: false, has_presence: true };
        let cell = GistCell::new(before);
        cell.replace(next, || assert_eq!(cell.get(), Gist { has_presence: true, ..before }));
        assert_eq!(cell.get(), next);
    }
}
