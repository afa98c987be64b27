//! The members of one channel: dense to walk, constant to join and to leave.

use smallvec::SmallVec;

/// Behind the last slot that is free.
const NONE: u32 = u32::MAX;

/// Members lie side by side, so that walking them hashes nothing and skips nothing. Each also has a
/// *slot*, a number that stays the same until it leaves and that only its owner knows.
///
/// ```text
///   position     0   1   2           a, c and d are members; b has left from slot 1, and d, which was
///   members      a   d   c           the last, has taken its position
///   owner        0   3   2           position → slot
///
///   slot         0   1   2   3
///   position     0   –   2   1       slot → position; in a free slot, the next free one
/// ```
///
/// Both numbers of a row share a link. One member needs no allocation. Links are not given back before
/// the roster goes: eight bytes for each of the most members that were there at once.
pub(super) struct Roster<M> {
    members: SmallVec<[M; 1]>,
    links: SmallVec<[Link; 1]>,
    free: u32,
}

#[derive(Clone, Copy)]
struct Link {
    /// The slot of the member at this position.
    owner: u32,
    /// The position of the member with this slot.
    position: u32,
}

impl<M> Roster<M> {
    pub(super) const fn new() -> Self {
        Self { members: SmallVec::new_const(), links: SmallVec::new_const(), free: NONE }
    }

    pub(super) fn len(&self) -> u32 {
        self.members.len() as u32
    }

    pub(super) fn members(&self) -> &[M] {
        &self.members
    }

    /// All members but one: what is before it and what is behind it.
    pub(super) fn members_except(&self, slot: u32) -> (&[M], &[M]) {
        let position = self.links[slot as usize].position as usize;
        debug_assert_eq!(self.links[position].owner, slot, "the slot is in use");
        (&self.members[..position], &self.members[position + 1..])
    }

    /// Takes a member in and says its slot. The caller sees to it that there are never 2³² − 1.
    pub(super) fn insert(&mut self, member: M) -> u32 {
        let position = self.len();
        debug_assert!(position < NONE, "positions fit into 32 bits");
        let slot = if self.free == NONE {
            let slot = self.links.len() as u32;
            self.links.push(Link { owner: NONE, position });
            slot
        } else {
            let slot = self.free;
            let link = &mut self.links[slot as usize];
            self.free = std::mem::replace(&mut link.position, position);
            slot
        };
        self.links[position as usize].owner = slot;
        self.members.push(member);
        slot
    }

    /// Gives back the member with that slot, which is free from now on.
    pub(super) fn remove(&mut self, slot: u32) -> M {
        let position = self.links[slot as usize].position;
        debug_assert_eq!(self.links[position as usize].owner, slot, "the slot is in use");
        let member = self.members.swap_remove(position as usize);
        let moved = self.links[self.members.len()].owner;
        self.links[position as usize].owner = moved;
        self.links[moved as usize].position = position;
        // After the lines above, because the last member moves nobody but itself.
        self.links[slot as usize].position = std::mem::replace(&mut self.free, slot);
        if self.members.capacity() >= 64 && self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to_fit();
        }
        member
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_stay_and_members_lie_dense_whoever_comes_and_goes(
            steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..300),
        ) {
            let mut roster = Roster::new();
            let mut model: BTreeMap<u32, usize> = BTreeMap::new();
            for (member, (joins, index)) in steps.into_iter().enumerate() {
                if joins || model.is_empty() {
                    let slot = roster.insert(member);
                    prop_assert_eq!(model.insert(slot, member), None, "a slot is given once");
                } else {
                    let slot = *index.get(&model.keys().copied().collect::<Vec<_>>());
                    prop_assert_eq!(Some(roster.remove(slot)), model.remove(&slot));
                }
                let sorted = |mut members: Vec<usize>| { members.sort_unstable(); members };
                let all: Vec<usize> = model.values().copied().collect();
                prop_assert_eq!(sorted(roster.members().to_vec()), sorted(all));
                for (slot, member) in &model {
                    let (before, behind) = roster.members_except(*slot);
                    prop_assert_eq!(before.len() + behind.len() + 1, model.len());
                    prop_assert!(!before.contains(member) && !behind.contains(member));
                }
            }
        }
    }

    #[test]
    fn a_channel_that_was_large_once_is_small_again() {
        let mut roster = Roster::new();
        let slots: Vec<u32> = (0..10_000).map(|member| roster.insert(member)).collect();
        for slot in &slots[10..] {
            roster.remove(*slot);
        }
        assert!(roster.members.capacity() < 100, "{}", roster.members.capacity());
        // Slots are used again, so that the links do not grow with every coming and going.
        for _ in 0..100_000 {
            let slot = roster.insert(0);
            roster.remove(slot);
        }
        assert_eq!(roster.links.len(), 10_000);
    }
}
