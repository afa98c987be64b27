//! Whose turn it is: the highest priority's, but nobody is passed over for long.

use super::entry::PRIORITIES;

#[cfg(test)]
mod tests;

/// How often each priority was passed over since its last turn.
///
/// Several can run out of patience together, and only one can have the next turn. So the highest
/// goes only where, behind it, everybody else can still be served in time one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    passes: [u32; PRIORITIES],
}

impl Turns {
    /// Who of those that can send does it now. Who cannot is not passed over.
    pub(super) fn take(&mut self, can_send: [bool; PRIORITIES], passes_max: u32) -> Option<usize> {
        for (passes, can_send) in self.passes.iter_mut().zip(can_send) {
            if !can_send {
                *passes = 0;
            }
        }
        let senders = || (0..PRIORITIES).filter(|&index| can_send[index]);
        let highest = senders().next()?;
        let chosen = if self.can_wait(&senders().filter(|&index| index != highest), passes_max) {
            highest
        } else {
            // Of those who waited longest it is the last that `max_by_key` finds: turn them round.
            senders().rev().max_by_key(|&index| self.passes[index])?
        };
        for index in senders() {
            self.passes[index] = self.passes[index].saturating_add(1);
        }
        self.passes[chosen] = 0;
        Some(chosen)
    }

    /// Whether all of these can be passed over once more: how many more passes each can bear must
    /// suffice for those who are no more patient.
    fn can_wait(&self, others: &(impl Iterator<Item = usize> + Clone), passes_max: u32) -> bool {
        let left = |index: usize| passes_max.checked_sub(self.passes[index].saturating_add(1));
        others.clone().all(|index| {
            let Some(patience) = left(index) else { return false };
            let is_no_more_patient = |&other: &usize| left(other).is_none_or(|it| it <= patience);
            let before = others.clone().filter(is_no_more_patient).count();
            before <= patience as usize + 1
        })
    }
}
