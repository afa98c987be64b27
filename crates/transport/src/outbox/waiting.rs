//! What waits to be written, in order, and what makes way when it is too much.

use std::{collections::VecDeque, sync::Arc};

use ws_connection::Prepared;

use super::{Delivery, Missed, Overflow, SendError, backlog::Backlog, missed::MissedLog};

/// Room for messages behind the first, made with the second.
const REST_CAPACITY: usize = 16;

/// Empty and without an allocation while the connection is idle; one message that waits alone, the
/// common case, needs none either.
#[derive(Debug)]
pub(crate) struct Waiting {
    first: Option<Arc<Prepared>>,
    rest: VecDeque<Arc<Prepared>>,
    /// What all of those were sent with, so that none needs to be asked. While there is something rare
    /// it is written there.
    overflow: Option<Overflow>,
    rare: Option<Box<Rare>>,
}

/// What most connections never have.
#[derive(Debug, Default)]
struct Rare {
    urgent: VecDeque<Arc<Prepared>>,
    /// What all in `first` and `rest` were sent with.
    overflow: Overflow,
    /// Behind `first` and `rest`: what was sent with another policy than those, and everything once
    /// some of it has to make way.
    backlog: Backlog,
    missed: MissedLog,
}

/// How much may wait, and how much of that is taken by what a socket has not taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bytes_max: usize,
    pub(super) unsent: usize,
}

impl Room {
    /// Whether a message fits beside what is queued. One that is larger than the whole bound fits
    /// where nothing waits, so that the bound on messages is the one that speaks.
    pub(super) fn fits(self, queued: usize, len: usize) -> bool {
        let waiting = self.unsent + queued;
        waiting == 0 || waiting + len <= self.bytes_max
    }
}

impl Rare {
    #[cold]
    fn for_each(
        self,
        ordinary: impl Iterator<Item = Arc<Prepared>>,
        each: &mut dyn FnMut(Arc<Prepared>),
    ) {
        let Self { urgent, backlog, .. } = self;
        urgent.into_iter().chain(ordinary).chain(backlog.into_messages()).for_each(each);
    }
}

impl Default for Waiting {
    fn default() -> Self {
        let overflow = Some(Overflow::Refuse);
        Self { first: None, rest: VecDeque::new(), overflow, rare: None }
    }
}

impl Waiting {
    /// Puts a message behind the others; there is room for it.
    #[inline(always)]
    pub(super) fn push(&mut self, message: Arc<Prepared>, overflow: Overflow) {
        if self.overflow == Some(overflow) {
            self.push_last(message);
        } else {
            self.push_rarely(message, overflow);
        }
    }

    #[cold]
    fn push_rarely(&mut self, message: Arc<Prepared>, overflow: Overflow) {
        let is_empty = self.first.is_none() && self.rest.is_empty();
        if self.rare.is_none() && is_empty {
            self.overflow = Some(overflow);
            return self.push_last(message);
        }
        let rare = self.rare();
        if !rare.backlog.is_empty() || (rare.overflow != overflow && !is_empty) {
            rare.backlog.push(message, overflow);
        } else {
            rare.overflow = overflow;
            self.push_last(message);
        }
    }

    #[inline(always)]
    fn push_last(&mut self, message: Arc<Prepared>) {
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(message);
            return;
        }
        if self.rest.capacity() == 0 {
            // Where two wait, more often do: one allocation rather than three for a few of them.
            self.rest.reserve(REST_CAPACITY);
        }
        self.rest.push_back(message);
    }

    /// Puts a message before all others, and behind those that were put there.
    pub(super) fn push_urgent(&mut self, message: Arc<Prepared>) {
        self.rare().urgent.push_back(message);
    }

    /// Whether a newer message replaces an older one with the same key.
    pub(super) fn is_conflating(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.backlog.is_conflating())
    }

    /// Finds a place for a message of a client that is slow. `queued` is kept at the bytes that wait.
    pub(super) fn push_crowded(
        &mut self,
        message: Arc<Prepared>,
        overflow: Overflow,
        room: Room,
        queued: &mut usize,
    ) -> Result<Delivery, SendError> {
        match overflow {
            Overflow::Refuse if !self.may_make_way() => return Err(SendError::Full(message)),
            Overflow::DropNewest => {
                self.rare().missed.note(&message);
                return Ok(Delivery::Dropped);
            }
            Overflow::Refuse | Overflow::DropOldest | Overflow::Conflate => {}
        }
        self.gather();
        let Rare { backlog, missed, .. } = self.rare();
        let mut drop_one = |message: Arc<Prepared>, queued: &mut usize| {
            *queued -= message.wire_len();
            missed.note(&message);
        };
        if overflow == Overflow::Conflate {
            backlog.start_conflating(|older| drop_one(older, queued));
        }
        let len = message.wire_len();
        if !room.fits(*queued - backlog.droppable_bytes(), len) {
            // Nothing is dropped for what would find no place all the same.
            if overflow == Overflow::Refuse {
                return Err(SendError::Full(message));
            }
            missed.note(&message);
            return Ok(Delivery::Dropped);
        }
        if overflow == Overflow::Conflate
            && let Some(older) = backlog.take_same(&message)
        {
            drop_one(older, queued);
        }
        while !room.fits(*queued, len)
            && let Some(oldest) = backlog.take_oldest()
        {
            drop_one(oldest, queued);
        }
        *queued += len;
        backlog.push(message, overflow);
        Ok(Delivery::Queued)
    }

    /// Whether some of what waits was sent to be dropped rather than anything else.
    fn may_make_way(&self) -> bool {
        self.rare.is_some() || self.overflow.is_some_and(Overflow::may_drop)
    }

    /// Drops what waits, but for what is urgent.
    pub(super) fn discard(&mut self) {
        let urgent = std::mem::take(self).rare.map(|rare| rare.urgent).unwrap_or_default();
        if !urgent.is_empty() {
            self.rare().urgent = urgent;
        }
    }

    /// What the client is to be told that it went without, before it is sent what waits.
    #[inline]
    pub(crate) fn take_missed(&mut self) -> Option<Vec<Missed>> {
        let rare = self.rare.as_mut()?;
        Some(std::mem::take(&mut rare.missed).into_records())
    }

    /// Hands over all messages, urgent ones first.
    #[inline]
    pub(crate) fn for_each(self, mut each: impl FnMut(Arc<Prepared>)) {
        let Self { first, rest, rare, .. } = self;
        let ordinary = first.into_iter().chain(rest);
        match rare {
            None => ordinary.for_each(each),
            Some(rare) => rare.for_each(ordinary, &mut each),
        }
    }

    /// Brings all to the backlog, where a message can be taken out of their midst.
    fn gather(&mut self) {
        let first = self.first.take();
        let rest = std::mem::take(&mut self.rest);
        if first.is_some() || !rest.is_empty() {
            let rare = self.rare();
            rare.backlog.prepend(first.into_iter().chain(rest), rare.overflow);
        }
    }

    fn rare(&mut self) -> &mut Rare {
        let overflow = self.overflow.take().unwrap_or_default();
        self.rare.get_or_insert_with(|| Box::new(Rare { overflow, ..Rare::default() }))
    }
}
