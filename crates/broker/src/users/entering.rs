//! A connection that enters.

use std::{num::NonZeroUsize, sync::Arc};

use tokio::sync::oneshot;

use super::{Users, local::Waiter};

/// A user has one connection more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// All nodes were counted.
    Everywhere,
    /// Only this node was, as the engine was away.
    Here,
}

/// The user has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user has as many connections as it may")]
pub struct TooMany;

impl Users {
    pub(super) async fn enter_by(
        &self,
        user: &str,
        max: Option<NonZeroUsize>,
    ) -> Result<Entered, TooMany> {
        let (verdict, judged) = oneshot::channel();
        {
            let mut state = self.state.lock();
            let name: Arc<str> = match state.users.get_key_value(user) {
                Some((name, _)) => name.clone(),
                None => user.into(),
            };
            let can_ask = state.can_write();
            let local = state.users.entry(name.clone()).or_default();
            if !can_ask {
                let entered = local.enter_here(max);
                state.requeue(&name);
                return entered;
            }
            local.waiting.push(Waiter { max, foreseen: None, verdict });
            let is_busy = local.is_busy;
            if !is_busy {
                self.queue(&mut state, name);
            }
        }
        let mut waiting = Waiting { users: self, user, judged: Some(judged) };
        match tokio::time::timeout(self.config.enter_timeout, waiting.judged()).await {
            Ok(verdict) => verdict,
            Err(_) => waiting.give_up(max),
        }
    }
}

/// Somebody waits. Given up, it has not entered, even where it was let in at that very moment.
struct Waiting<'w> {
    users: &'w Users,
    user: &'w str,
    judged: Option<oneshot::Receiver<Result<Entered, TooMany>>>,
}

impl Waiting<'_> {
    async fn judged(&mut self) -> Result<Entered, TooMany> {
        let Some(judged) = &mut self.judged else { return Err(TooMany) };
        let verdict = judged.await;
        self.judged = None;
        // Nobody is turned away without a word while the directory lives.
        verdict.unwrap_or(Err(TooMany))
    }

    /// The others' counts are not to be had in time.
    fn give_up(mut self, max: Option<NonZeroUsize>) -> Result<Entered, TooMany> {
        let mut state = self.users.state.lock();
        if let Some(mut judged) = self.judged.take() {
            // Under the lock, by whoever judges as well: it is either judged or not.
            if let Ok(verdict) = judged.try_recv() {
                return verdict;
            }
        }
        let name: Arc<str> = self.user.into();
        let local = state.users.entry(name.clone()).or_default();
        local.waiting.retain(|waiter| !waiter.verdict.is_closed());
        let entered = local.enter_here(max);
        state.requeue(&name);
        self.users.paced_work.notify_one();
        entered
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(mut judged) = self.judged.take() else { return };
        let verdict = {
            let _state = self.users.state.lock();
            judged.close();
            judged.try_recv()
        };
        if let Ok(Ok(_)) = verdict {
            self.users.leave(self.user);
        }
    }
}
