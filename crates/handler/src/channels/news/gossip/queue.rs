//! What waits to be said, and when its turn is.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque, hash_map::Entry},
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
    /// Rooms that are to be restated, each once, by when and in which order.
    pub(super) wishes: BTreeMap<(Instant, u64), ChannelName>,
    wishes_so_far: u64,
    pub(super) wished: HashMap<ChannelName, Wished, ahash::RandomState>,
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

/// A wish, and its place among the others.
pub(super) struct Wished {
    wish: Wish,
    at: (Instant, u64),
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
    /// One more reason to restate a room, by that time at the latest.
    pub(super) fn wish(&mut self, room: ChannelName, wish: Wish, due: Instant) {
        self.wishes_so_far += 1;
        let at = (due, self.wishes_so_far);
        let known = match self.wished.entry(room.clone()) {
            Entry::Vacant(new) => {
                new.insert(Wished { wish, at });
                self.wishes.insert(at, room);
                return;
            }
            Entry::Occupied(known) => known.into_mut(),
        };
        known.wish.asks |= wish.asks;
        known.wish.even_if_empty |= wish.even_if_empty;
        if due < known.at.0 {
            self.wishes.remove(&known.at);
            self.wishes.insert(at, room);
            known.at = at;
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
        let first = self.wishes.first_entry().filter(|first| first.key().0 <= now)?;
        let room = first.remove();
        let wish = self.wished.remove(&room).map(|wished| wished.wish).unwrap_or_default();
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
        self.wished.shrink_to(ROOMS_AT_ONCE);
    }

    pub(super) fn next(&self, now: Instant) -> Next {
        if !self.now.is_empty() {
            return Next::Now;
        }
        let after_a_tick = |due: Instant| due.max(now + TICK);
        let all = [
            self.under_way.as_ref().map(|_| now + TICK),
            self.wishes.first_key_value().map(|((due, _), _)| after_a_tick(*due)),
            self.collected.front().map(|(due, _)| *due),
            self.sweeps.front().map(|(due, _)| *due),
            self.retry_at,
        ];
        all.into_iter().flatten().min().map_or(Next::Never, Next::At)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn room(id: &str) -> ChannelName {
        ChannelName::room(id).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_is_restated_once_for_all_who_wish_it_and_as_early_as_any() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut queue = Queue::default();
        let asking = Wish { asks: true, even_if_empty: false };
        queue.wish(room("a"), Wish::default(), now + 3 * second);
        queue.wish(room("b"), Wish::default(), now + second);
        queue.wish(room("a"), asking, now + 2 * second);
        queue.wish(room("b"), Wish::default(), now + 9 * second);
        assert!(queue.take_wish(now).is_none());
        let mut take = |at| queue.take_wish(at).map(|(room, wish, _)| (room, wish.asks));
        assert_eq!(take(now + second), Some((room("b"), false)));
        assert_eq!(take(now + second), None);
        assert_eq!(take(now + 2 * second), Some((room("a"), true)));
        assert_eq!(take(now + 9 * second), None);
        assert!(matches!(queue.next(now), Next::Never));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_is_wished_when_it_is_time_to_try_again() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.owed.insert(room("a"));
        assert!(matches!(queue.next(now), Next::Never), "until the engine is back");
        queue.retry_at = Some(now + Duration::from_secs(1));
        assert!(queue.take_wish(now).is_none());
        let (name, wish, _) = queue.take_wish(now + Duration::from_secs(1)).unwrap();
        assert_eq!((name, wish.asks, wish.even_if_empty), (room("a"), false, true));
        assert!(queue.owed.is_empty() && queue.retry_at.is_none());
    }
}
