//! The list of one subscriber: short as a rule, and found in constant time when it is not.

use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::Channel;

/// Up to so many seats are looked through, 16 bytes each; beyond, a table is kept.
const FEW_MAX: usize = 16;

pub(super) enum Seats<M> {
    Few(SmallVec<[Seat<M>; 1]>),
    // Boxed, so that the few who have many do not make the list of all larger.
    Many(Box<HashTable<Seat<M>>>),
}

/// A place in a channel.
pub(super) struct Seat<M> {
    pub(super) channel: Arc<Channel<M>>,
    pub(super) slot: u32,
    /// Part of the hash of the channel's name, so that looking through seats does not visit channels.
    pub(super) tag: u32,
}

impl<M> Seat<M> {
    pub(super) const fn tag(hash: u64) -> u32 {
        hash as u32
    }

    fn is_for(&self, hash: u64, name: &str) -> bool {
        self.tag == Self::tag(hash) && self.channel.name().as_str() == name
    }
}

impl<M> Seats<M> {
    pub(super) const fn new() -> Self {
        Self::Few(SmallVec::new_const())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(seats) => seats.len(),
            Self::Many(seats) => seats.len(),
        }
    }

    pub(super) fn find(&self, hash: u64, name: &str) -> Option<&Seat<M>> {
        match self {
            Self::Few(seats) => seats.iter().find(|seat| seat.is_for(hash, name)),
            Self::Many(seats) => seats.find(hash, |seat| seat.is_for(hash, name)),
        }
    }

    /// Adds a seat in a channel in which there is none.
    pub(super) fn insert(&mut self, seat: Seat<M>) {
        let rehash = |seat: &Seat<M>| seat.channel.hash;
        match self {
            Self::Few(seats) if seats.len() < FEW_MAX => seats.push(seat),
            Self::Few(seats) => {
                let mut many = HashTable::with_capacity(2 * FEW_MAX);
                for seat in seats.drain(..).chain([seat]) {
                    many.insert_unique(seat.channel.hash, seat, rehash);
                }
                *self = Self::Many(Box::new(many));
            }
            Self::Many(seats) => {
                seats.insert_unique(seat.channel.hash, seat, rehash);
            }
        }
    }

    pub(super) fn take(&mut self, hash: u64, name: &str) -> Option<Seat<M>> {
        match self {
            Self::Few(seats) => {
                let index = seats.iter().position(|seat| seat.is_for(hash, name))?;
                Some(seats.swap_remove(index))
            }
            Self::Many(seats) => {
                let found = seats.find_entry(hash, |seat| seat.is_for(hash, name)).ok()?;
                Some(found.remove().0)
            }
        }
    }

    /// Takes any seat.
    pub(super) fn pop(&mut self) -> Option<Seat<M>> {
        if let Self::Many(seats) = self {
            // Once, and what is left is a list: a table would be searched for its rest each time.
            *self = Self::Few(seats.drain().collect());
        }
        match self {
            Self::Few(seats) => seats.pop(),
            Self::Many(_) => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Seat<M>> {
        let (few, many) = match self {
            Self::Few(seats) => (Some(seats.iter()), None),
            Self::Many(seats) => (None, Some(seats.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }
}
