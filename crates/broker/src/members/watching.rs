//! Who is dead, by what is seen of all.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{Lease, Members, State};
use crate::{NodeId, Record, Revision};

/// What is known of another node.
pub(super) struct Watched {
    record: Option<(Revision, Lease)>,
    /// Since when nothing has changed.
    since: Instant,
    /// The others know of it, and have not heard of its death.
    pub(super) is_alive: bool,
}

/// What follows from a look at all.
pub(super) struct Judged {
    /// Those whose estates are to be claimed.
    pub(super) dead: Vec<(NodeId, Revision, Lease)>,
    /// Those in the roster of whom there is nothing else.
    pub(super) vanished: Vec<NodeId>,
}

impl Members {
    /// Who is dead, by what was just read of all.
    pub(super) fn judge(&self, records: Vec<(NodeId, Option<Record>)>, now: Instant) -> Judged {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        // Who has not looked for a while does not know what it missed: a node that was paused must not take the
        // others for dead because it sees what it saw last.
        let is_continuous = state
            .looked
            .is_some_and(|looked| now - looked <= self.config.interval + self.config.lease / 2);
        state.looked = Some(now);
        let mut news = Vec::new();
        let seen: HashSet<NodeId> = records.iter().map(|(node, _)| *node).collect();
        for (node, record) in records {
            let record =
                record.and_then(|record| Some((record.revision, Lease::decode(&record.value)?)));
            let watched = state.others.entry(node).or_insert_with(|| Watched {
                record: None,
                since: now,
                is_alive: false,
            });
            if !is_continuous || watched.record != record {
                watched.since = now;
            }
            watched.record = record;
            let is_alive = record.is_some_and(|(_, lease)| lease.is_alive());
            if is_alive != watched.is_alive && (is_alive || record.is_some()) {
                watched.is_alive = is_alive;
                news.push((node, is_alive));
            }
        }
        state.others.retain(|node, watched| {
            let is_there = seen.contains(node);
            if !is_there && watched.is_alive {
                news.push((*node, false));
            }
            is_there
        });
        let judged = state.overdue(self.id, self.config.lease, now);
        drop(guard);
        for (node, is_alive) in news {
            match is_alive {
                true => self.listener.handle_arrival(node),
                false => self.listener.handle_death(node),
            }
        }
        judged
    }
}

impl State {
    fn overdue(&self, own: NodeId, lease: Duration, now: Instant) -> Judged {
        let mut judged = Judged { dead: Vec::new(), vanished: Vec::new() };
        for (node, watched) in &self.others {
            let is_silent = now - watched.since >= lease;
            let Some((revision, found)) = watched.record else {
                if is_silent {
                    judged.vanished.push(*node);
                }
                continue;
            };
            let is_left_behind = match found.claimant() {
                None => is_silent,
                Some((by, life)) if by == own => {
                    // Claimed in an earlier life, or the answer to the claim was lost.
                    life.0 != self.own.life || !self.estates.contains(&(*node, found.life))
                }
                Some((by, life)) => {
                    let claimant = self.others.get(&by).and_then(|it| it.record);
                    let lives = claimant.is_some_and(|(_, it)| it.is_alive() && it.life == life);
                    // A claimant is in the roster before it claims anything, but we may have read that earlier.
                    !lives && is_silent
                }
            };
            if is_left_behind {
                judged.dead.push((*node, revision, found));
            }
        }
        judged
    }
}
