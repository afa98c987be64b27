//! Whose record is to be written next.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{State, Users};

/// After a failure, what was put back waits at least this long.
const TROUBLED_PAUSE: Duration = Duration::from_millis(250);

impl Users {
    /// To be written at once where that is possible.
    pub(super) fn queue(&self, state: &mut State, user: Arc<str>) {
        if !state.can_write() {
            return state.requeue(&user);
        }
        if let Some(local) = state.users.get_mut(&user)
            && !local.is_urgent
        {
            local.is_urgent = true;
            state.urgent.push_back(user);
            self.work.notify_one();
        }
    }

    pub(super) async fn work(&self) {
        loop {
            let work = self.work.notified();
            let (next, has_more) = {
                let mut state = self.state.lock();
                (state.take_urgent(), !state.urgent.is_empty())
            };
            if has_more {
                self.work.notify_one();
            }
            match next {
                Some(user) => self.write(&user).await,
                None => work.await,
            }
        }
    }

    /// Hands on what was put back, at a pace.
    pub(super) async fn keep_pace(&self) {
        /// So often in a second.
        const TICKS: u32 = 50;
        let each_tick = self.config.asserts_per_second.get().div_ceil(TICKS) as usize;
        loop {
            let more = self.paced_work.notified();
            if std::mem::take(&mut self.state.lock().is_troubled) {
                tokio::time::sleep(TROUBLED_PAUSE).await;
            }
            match self.hand_on(each_tick) {
                Handed::Some => tokio::time::sleep(Duration::from_secs(1) / TICKS).await,
                Handed::NoneUntil(due) => {
                    let _ = tokio::time::timeout_at(due, more).await;
                }
                Handed::None => more.await,
            }
        }
    }

    fn hand_on(&self, max: usize) -> Handed {
        let mut state = self.state.lock();
        if !state.can_write() {
            return Handed::None;
        }
        let mut users: Vec<_> = {
            let count = max.min(state.paced.len());
            state.paced.drain(..count).collect()
        };
        if users.is_empty() && !state.parting.is_empty() {
            if let Some(due) = state.parting_from.filter(|due| *due > Instant::now()) {
                return Handed::NoneUntil(due);
            }
            let count = max.min(state.parting.len());
            users = state.parting.drain(..count).collect();
        }
        if users.is_empty() {
            return Handed::None;
        }
        for user in users {
            if let Some(local) = state.users.get_mut(&user) {
                local.is_paced = false;
            }
            self.queue(&mut state, user);
        }
        Handed::Some
    }
}

/// What was handed on to be written.
enum Handed {
    Some,
    NoneUntil(Instant),
    None,
}

impl State {
    pub(super) fn can_write(&self) -> bool {
        self.is_up && self.is_confirmed
    }

    pub(super) fn is_quiet(&self) -> bool {
        let queues = [&self.urgent, &self.paced, &self.parting];
        queues.iter().all(|queue| queue.is_empty()) && self.busy == 0
    }

    fn take_urgent(&mut self) -> Option<Arc<str>> {
        loop {
            let user = self.urgent.pop_front()?;
            let Some(local) = self.users.get_mut(&user) else { continue };
            local.is_urgent = false;
            if !std::mem::replace(&mut local.is_busy, true) {
                self.busy += 1;
                return Some(user);
            }
        }
    }

    /// To be written when its turn comes.
    pub(super) fn requeue(&mut self, user: &Arc<str>) {
        if let Some(local) = self.users.get_mut(user)
            && !std::mem::replace(&mut local.is_paced, true)
        {
            self.paced.push_back(user.clone());
        }
    }

    /// To be looked at again after a while.
    pub(super) fn part_later(&mut self, user: &Arc<str>, delay: Duration) {
        if let Some(local) = self.users.get_mut(user)
            && !std::mem::replace(&mut local.is_paced, true)
        {
            self.parting.push_back(user.clone());
            self.parting_from = Some(Instant::now() + delay);
        }
    }

    /// What was written may not stand any more.
    pub(super) fn doubt_all(&mut self, is_other_life: bool) {
        self.paced.clear();
        self.parting.clear();
        for (user, local) in &mut self.users {
            local.doubt(is_other_life);
            local.is_paced = true;
            let is_there = local.connected > 0 || !local.waiting.is_empty();
            let queue = if is_there { &mut self.paced } else { &mut self.parting };
            queue.push_back(user.clone());
        }
    }
}
