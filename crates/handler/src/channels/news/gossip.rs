//! What waits to be said to other nodes of who is in channels, and when it is said.
//!
//! One task says it all, so that what is said of a room comes in the order in which it happened, however
//! it is put into words: single statements, many at once, or the whole of a room in parts. It runs while there is
//! something to say. No lock is held while an engine is called.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use ws_broker::Status;
use ws_channels::{ChannelName, Holder};

use super::{
    super::Hub,
    note::{Said, write_part, write_statements},
};
use crate::cluster::{Kind, channel_topic};

mod queue;

use queue::{Next, Queue, Restatement, Saying, Wish};

/// What happens in a large room is collected for so long before other nodes are told.
const COLLECTED: Duration = Duration::from_millis(200);
/// Who is asked waits for so long: others may ask as well, and one answer is for all.
const BEFORE_ANSWER: Duration = Duration::from_millis(20);
/// Restatements go out at a pace, [`PARTS_AT_ONCE`] in each of these.
const TICK: Duration = Duration::from_millis(10);
const PARTS_AT_ONCE: usize = 128;
/// Rooms of which something is said before others get their turn at the processor.
const ROOMS_AT_ONCE: usize = 256;
/// What could not be said, because too much was under way, is said after this, and what was not understood is asked
/// again.
const BEFORE_RETRY: Duration = Duration::from_secs(1);
/// Who was asked to restate and has not after this time does not hold anybody any more. Ten seconds are enough
/// for 100,000 rooms at the pace above.
const BEFORE_SWEEP: Duration = Duration::from_secs(30);
/// What was said of a channel that is not followed any more may have been lost when the engine is found to be
/// away within this time.
const IS_RECENT: Duration = Duration::from_secs(30);
/// So many channels are remembered for the one and for the other. Beyond, nodes that were away as well find
/// out by themselves.
const REMEMBERED_MAX: usize = 100_000;
/// So many dead nodes are remembered, of which something may yet be on its way.
const DEAD_MAX: usize = 64;

/// What this node has to say.
#[derive(Default)]
pub(crate) struct Gossip {
    queue: Mutex<Queue>,
    dead: Mutex<VecDeque<Holder>>,
    is_running: AtomicBool,
    wake: Arc<Notify>,
}

impl Hub {
    /// The first connection of a user has come into a room, or the last has gone. Called with the turn of the room
    /// held, so that it is said in the order in which it happened.
    pub(super) fn say(self: &Arc<Self>, room: &ChannelName, user: &Arc<str>, said: Said) {
        let is_large = self.presence.count(room) > self.settings.presence.batch_above;
        let mut queue = self.gossip.queue.lock();
        if let Some(saying) = queue.said.get_mut(room) {
            saying.statements.push((user.clone(), said));
            return;
        }
        let saying = Saying { statements: vec![(user.clone(), said)], are_many: is_large };
        queue.said.insert(room.clone(), saying);
        if is_large {
            queue.collected.push_back((Instant::now() + COLLECTED, room.clone()));
        } else {
            queue.now.push_back(room.clone());
        }
        drop(queue);
        self.wake_gossip();
    }

    /// The engine brings what is said in a channel from now on: who is there already?
    pub(crate) fn ask_who_is_there(self: &Arc<Self>, room: &ChannelName) {
        if self.cluster.is_shared && self.has_news(room) {
            let wish = Wish { asks: true, even_if_empty: true };
            self.wish(room, wish, Duration::ZERO);
        }
    }

    /// Somebody asks who is in a channel, or nobody knows whether all have heard it.
    pub(super) fn answer_who_is_here(self: &Arc<Self>, room: &ChannelName) {
        self.wish(room, Wish::default(), BEFORE_ANSWER);
    }

    /// A part of what a node said is missing. It is asked again when it has said the rest.
    pub(super) fn ask_again(self: &Arc<Self>, room: &ChannelName) {
        self.wish(room, Wish { asks: true, even_if_empty: true }, BEFORE_RETRY);
    }

    /// Nothing more comes of a channel: nobody here is subscribed to it.
    pub(crate) fn forget_who_is_elsewhere(&self, room: &ChannelName) {
        if !self.cluster.is_shared || !self.has_news(room) {
            return;
        }
        self.presence.forget_others(room);
        let now = Instant::now();
        let is_up = self.cluster.engine.status() == Status::Up;
        let mut queue = self.gossip.queue.lock();
        let recent = &mut queue.recent;
        while recent.len() >= REMEMBERED_MAX
            || is_up && recent.front().is_some_and(|(at, _)| *at + IS_RECENT < now)
        {
            recent.pop_front();
        }
        recent.push_back((now, room.clone()));
    }

    /// The engine is back, or something may have been missed, or others took this node for dead: everything is said
    /// again, and asked.
    pub(crate) fn restate_all(self: &Arc<Self>) {
        if !self.cluster.is_shared {
            return;
        }
        let rooms = self.presence.rooms();
        let now = Instant::now();
        let mut queue = self.gossip.queue.lock();
        queue.marks = queue.marks.wrapping_add(1);
        let mark = queue.marks;
        queue.sweeps.push_back((now + BEFORE_SWEEP, mark));
        let recent = std::mem::take(&mut queue.recent).into_iter().map(|(_, room)| room);
        let owed = std::mem::take(&mut queue.owed).into_iter();
        for room in recent.chain(owed) {
            queue.wish(room, Wish { asks: false, even_if_empty: true }, now);
        }
        for room in rooms {
            queue.wish(room, Wish { asks: true, even_if_empty: true }, now);
        }
        drop(queue);
        self.presence.doubt(mark);
        self.wake_gossip();
    }

    /// A node is dead: its users are gone, unless they come back elsewhere in time.
    pub(crate) fn forget_node(self: &Arc<Self>, node: Holder) {
        let mut dead = self.gossip.dead.lock();
        if !dead.contains(&node) {
            if dead.len() >= DEAD_MAX {
                dead.pop_front();
            }
            dead.push_back(node);
        }
        drop(dead);
        let earlier = self.presence.drop_holder(node, Instant::now().into_std());
        self.keep_time_from(earlier);
    }

    /// A node lives after all, or again, and restates.
    pub(crate) fn believe_node(&self, node: Holder) {
        self.gossip.dead.lock().retain(|it| *it != node);
    }

    /// Whether what a node says is to be believed: of a dead one something may yet have been on its way.
    pub(super) fn is_believed(&self, node: Holder) -> bool {
        !self.gossip.dead.lock().contains(&node)
    }

    fn wish(self: &Arc<Self>, room: &ChannelName, wish: Wish, wait: Duration) {
        self.gossip.queue.lock().wish(room.clone(), wish, Instant::now() + wait);
        self.wake_gossip();
    }

    fn wake_gossip(self: &Arc<Self>) {
        if self.gossip.is_running.swap(true, Ordering::AcqRel) {
            self.gossip.wake.notify_one();
        } else if let Some(runtime) = self.runtime() {
            runtime.spawn(talk(Arc::downgrade(self)));
        } else {
            // The runtime has ended, and with it the engine's use of us.
            self.gossip.is_running.store(false, Ordering::Release);
        }
    }

    /// Says what is due.
    fn say_what_is_due(self: &Arc<Self>, now: Instant) -> Next {
        for _ in 0..ROOMS_AT_ONCE {
            let Some((room, saying)) = self.gossip.queue.lock().take_due(now) else { break };
            self.say_of(&room, &saying);
        }
        for _ in 0..PARTS_AT_ONCE {
            if !self.say_next_part(now) {
                break;
            }
        }
        loop {
            let Some(mark) = self.gossip.queue.lock().take_sweep(now) else { break };
            let earlier = self.presence.drop_doubted(mark, now.into_std());
            self.keep_time_from(earlier);
        }
        self.gossip.queue.lock().next(now)
    }

    fn say_of(&self, room: &ChannelName, saying: &Saying) {
        let mut statements = last_of_each(&saying.statements);
        let topic = channel_topic(room);
        while !statements.is_empty() {
            let mut written = 0;
            let told = self.cluster.tell(&topic, Kind::Presence, |out| {
                written = write_statements(&statements, saying.are_many, out);
            });
            if told.is_err() {
                return self.owe(room.clone());
            }
            let said = statements.drain(..written);
            if let Some(it) = &mut self.gossip.queue.lock().under_way
                && it.room == *room
            {
                let gone = said.filter(|(_, said)| *said != Said::Here);
                it.gone.extend(gone.map(|(user, _)| user));
            }
        }
    }

    /// Says one part of a restatement; `false` if there is none to be said.
    fn say_next_part(&self, now: Instant) -> bool {
        let under_way = self.gossip.queue.lock().under_way.take();
        let Some(mut it) = under_way.or_else(|| self.next_restatement(now)) else { return false };
        let mut is_last = false;
        let told = self.cluster.tell(&channel_topic(&it.room), Kind::Presence, |out| {
            let is_here = |user: &str| !it.gone.contains(user);
            let part = (it.number, it.index);
            let asks = it.asks && it.index == 0;
            is_last = write_part(part, asks, &mut it.users, is_here, out).is_last;
        });
        if told.is_err() {
            self.owe(it.room);
        } else if !is_last {
            it.index += 1;
            self.gossip.queue.lock().under_way = Some(it);
        }
        true
    }

    /// The next room that is to be restated now, and what is to be said of it.
    fn next_restatement(&self, now: Instant) -> Option<Restatement> {
        loop {
            let (room, wish, number) = self.gossip.queue.lock().take_wish(now)?;
            // In one breath: nobody has left whose departure is not among what is said, before or after this.
            let turn = self.presence.turn(&room);
            let saying = self.gossip.queue.lock().said.remove(&room);
            let users = self.presence.own_users(&room);
            drop(turn);
            if let Some(saying) = saying {
                self.say_of(&room, &saying);
            }
            if !users.is_empty() || wish.even_if_empty {
                let gone = HashSet::default();
                return Some(Restatement { room, asks: wish.asks, number, index: 0, users, gone });
            }
        }
    }

    /// Something could not be said of a room: it is restated when the engine is back. What a full engine
    /// did not take is tried again.
    fn owe(&self, room: ChannelName) {
        let mut queue = self.gossip.queue.lock();
        if queue.owed.len() < REMEMBERED_MAX {
            queue.owed.insert(room);
        }
        drop(queue);
        // Behind the insertion: an engine that is up from now on asks for all that is owed.
        if self.cluster.engine.status() == Status::Up {
            let mut queue = self.gossip.queue.lock();
            queue.retry_at.get_or_insert(Instant::now() + BEFORE_RETRY);
        }
    }
}

/// The last that was said of each user, in the order in which it was said.
fn last_of_each(statements: &[(Arc<str>, Said)]) -> Vec<(Arc<str>, Said)> {
    let mut seen = HashSet::<&str, ahash::RandomState>::default();
    let last = statements.iter().rev().filter(|(user, _)| seen.insert(user));
    let mut last: Vec<_> = last.cloned().collect();
    last.reverse();
    last
}

/// Runs while there is something to say.
async fn talk(hub: Weak<Hub>) {
    loop {
        let Some(shared) = hub.upgrade() else { return };
        let gossip = &shared.gossip;
        let deadline = match shared.say_what_is_due(Instant::now()) {
            Next::Now => {
                drop(shared);
                tokio::task::yield_now().await;
                continue;
            }
            Next::At(deadline) => deadline,
            Next::Never => {
                gossip.queue.lock().give_back();
                // No mere store: what happened before a swap that saw us running is to be seen below.
                gossip.is_running.swap(false, Ordering::AcqRel);
                let is_needed = !matches!(gossip.queue.lock().next(Instant::now()), Next::Never);
                if is_needed && !gossip.is_running.swap(true, Ordering::AcqRel) {
                    continue;
                }
                return;
            }
        };
        let wake = gossip.wake.clone();
        // What there is to say keeps no handler alive that is not used any more.
        drop(shared);
        let _ = timeout_at(deadline, wake.notified()).await;
    }
}
