//! What waits to be said, and when its turn is.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::Arc,
};

use tokio::time::Instant;
use ws_channels::ChannelName;

use super::{super::note::Said, ROOMS_AT_ONCE, TICK};

#[derive(Default)]
pub(super) struct Queue {
    /// What is to be said of single users.
    pub(super) said: HashMap<ChannelName, Saying, ahash::RandomState>,
    /// Those of `said` that are due at once.
    pub(super) now: VecDeque<ChannelName>,
    /// Those that are collected, in the order in which they become due.
    pub(super) collected: VecDeque<(Instant, ChannelName)>,
    /// Rooms that are to be restated, each once.
    pub(super) wishes: VecDeque<(Instant, ChannelName)>,
    pub(super) wished: HashMap<ChannelName, Wish, ahash::RandomState>,
    pub(super) under_way: Option<Restatement>,
    /// How many rooms were restated.
    pub(super) restatements: u32,
    /// When to drop what was doubted with which mark.
    pub(super) sweeps: VecDeque<(Instant, u32)>,
    pub(super) marks: u32,
    /// Rooms of which something could not be said.
    pub(super) owed: HashSet<ChannelName, ahash::RandomState>,
    pub(super) retry_at: Option<Instant>,
    /// Rooms that are not followed any more.
    pub(super) recent: VecDeque<(Instant, ChannelName)>,
}

/// What is to be said of the users of one room.
pub(super) struct Saying {
    pub(super) statements: Vec<(Arc<str>, Said)>,
    pub(super) are_many: bool,
}

/// Why a room is to be restated.
#[derive(Clone, Copy, Default)]
pub(super) struct Wish {
    /// The others are to restate it as well.
    pub(super) asks: bool,
    /// Also if nobody is here.
    pub(super) even_if_empty: bool,
}

/// A room of which everybody is being named.
pub(super) struct Restatement {
    pub(super) room: ChannelName,
    pub(super) asks: bool,
    pub(super) number: u32,
    pub(super) index: u32,
    pub(super) users: Vec<Arc<str>>,
    /// Who was said to have gone since the users were looked up.
    pub(super) gone: HashSet<Arc<str>, ahash::RandomState>,
}

/// When there is something to say again.
pub(super) enum Next {
    Now,
    At(Instant),
    Never,
}

impl Queue {
    pub(super) fn wish(&mut self, room: ChannelName, wish: Wish, due: Instant) {
        match self.wished.entry(room) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.asks |= wish.asks;
                known.even_if_empty |= wish.even_if_empty;
            }
            Entry::Vacant(new) => {
                self.wishes.push_back((due, new.key().clone()));
                new.insert(wish);
            }
        }
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<(ChannelName, Saying)> {
        loop {
            let room = match self.now.pop_front() {
                Some(room) => room,
                None => self.collected.pop_front_if(|(due, _)| *due <= now)?.1,
            };
            // What was said before a restatement is not here any more.
            if let Some(saying) = self.said.remove(&room) {
                return Some((room, saying));
            }
        }
    }

    pub(super) fn take_wish(&mut self, now: Instant) -> Option<(ChannelName, Wish, u32)> {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            for room in std::mem::take(&mut self.owed) {
                self.wish(room, Wish { asks: false, even_if_empty: true }, now);
            }
        }
        let (_, room) = self.wishes.pop_front_if(|(due, _)| *due <= now)?;
        let wish = self.wished.remove(&room).unwrap_or_default();
        self.restatements = self.restatements.wrapping_add(1);
        Some((room, wish, self.restatements))
    }

    pub(super) fn take_sweep(&mut self, now: Instant) -> Option<u32> {
        self.sweeps.pop_front_if(|(due, _)| *due <= now).map(|(_, mark)| mark)
    }

    /// After an outage of many rooms, or a wave of them, their space goes, too.
    pub(super) fn give_back(&mut self) {
        self.said.shrink_to(ROOMS_AT_ONCE);
        self.now.shrink_to(ROOMS_AT_ONCE);
        self.collected.shrink_to(ROOMS_AT_ONCE);
        self.wishes.shrink_to(ROOMS_AT_ONCE);
        self.wished.shrink_to(ROOMS_AT_ONCE);
    }

    pub(super) fn next(&self, now: Instant) -> Next {
        if !self.now.is_empty() {
            return Next::Now;
        }
        let after_a_tick = |due: Instant| due.max(now + TICK);
        let front = |queue: &VecDeque<(Instant, ChannelName)>| Some(queue.front()?.0);
        let all = [
            self.under_way.as_ref().map(|_| now + TICK),
            front(&self.wishes).map(after_a_tick),
            front(&self.collected),
            self.sweeps.front().map(|(due, _)| *due),
            self.retry_at,
        ];
        all.into_iter().flatten().min().map_or(Next::Never, Next::At)
    }
}
