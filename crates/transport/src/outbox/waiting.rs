//! What waits to be written, in order, and what makes way when it is too much.

use std::{collections::VecDeque, sync::Arc};

use ws_connection::Prepared;

use super::{Delivery, Missed, Overflow, SendError, backlog::Backlog, missed::MissedLog};

/// Room for messages behind the first, made with the second.
const REST_CAPACITY: usize = 16;

/// Empty and without an allocation while the connection is idle; one message that waits alone, the
/// common case, needs none either.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    first: Option<Arc<Prepared>>,
    rest: VecDeque<Arc<Prepared>>,
    rare: Option<Box<Rare>>,
    /// What all in `first` and `rest` were sent with.
    overflow: Overflow,
}

/// What most connections never have.
#[derive(Debug, Default)]
struct Rare {
    urgent: VecDeque<Arc<Prepared>>,
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

impl Waiting {
    /// Puts a message behind the others; there is room for it.
    #[inline]
    pub(super) fn push(&mut self, message: Arc<Prepared>, overflow: Overflow) {
        if self.rare.is_some() {
            self.push_beside_rare(message, overflow);
        } else if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(message);
            self.overflow = overflow;
        } else if self.overflow == overflow {
            self.push_rest(message);
        } else {
            self.rare().backlog.push(message, overflow);
        }
    }

    #[inline]
    fn push_rest(&mut self, message: Arc<Prepared>) {
        if self.rest.capacity() == 0 {
            // Where two wait, more often do: one allocation rather than three for a few of them.
            self.rest.reserve(REST_CAPACITY);
        }
        self.rest.push_back(message);
    }

    #[cold]
    fn push_beside_rare(&mut self, message: Arc<Prepared>, overflow: Overflow) {
        let is_first = self.first.is_none() && self.rest.is_empty();
        let rare = self.rare();
        if !rare.backlog.is_empty() {
            rare.backlog.push(message, overflow);
        } else if is_first {
            self.first = Some(message);
            self.overflow = overflow;
        } else if self.overflow == overflow {
            self.push_rest(message);
        } else {
            self.rare().backlog.push(message, overflow);
        }
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
    #[cold]
    pub(super) fn push_crowded(
        &mut self,
        message: Arc<Prepared>,
        overflow: Overflow,
        room: Room,
        queued: &mut usize,
    ) -> Result<Delivery, SendError> {
        match overflow {
            Overflow::Refuse => return Err(SendError::Full(message)),
            Overflow::DropNewest => {
                self.rare().missed.note(&message);
                return Ok(Delivery::Dropped);
            }
            Overflow::DropOldest | Overflow::Conflate => {}
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

    /// Drops what waits, but for what is urgent.
    pub(super) fn discard(&mut self) {
        let urgent = std::mem::take(self).rare.map(|rare| rare.urgent).unwrap_or_default();
        if !urgent.is_empty() {
            self.rare().urgent = urgent;
        }
    }

    /// What the client is to be told that it went without, before it is sent what waits.
    pub(crate) fn take_missed(&mut self) -> impl Iterator<Item = Missed> + use<> {
        let log = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.missed));
        log.into_iter().flat_map(MissedLog::into_records)
    }

    /// Hands over all messages, urgent ones first.
    #[inline]
    pub(crate) fn for_each(self, mut each: impl FnMut(Arc<Prepared>)) {
        let Self { first, rest, rare, .. } = self;
        let Some(rare) = rare else {
            first.into_iter().chain(rest).for_each(&mut each);
            return;
        };
        let Rare { urgent, backlog, .. } = *rare;
        let ordinary = first.into_iter().chain(rest).chain(backlog.into_messages());
        urgent.into_iter().chain(ordinary).for_each(&mut each);
    }

    /// Brings all to the backlog, where a message can be taken out of their midst.
    fn gather(&mut self) {
        let first = self.first.take();
        let rest = std::mem::take(&mut self.rest);
        let overflow = self.overflow;
        if first.is_some() || !rest.is_empty() {
            self.rare().backlog.prepend(first.into_iter().chain(rest), overflow);
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}
