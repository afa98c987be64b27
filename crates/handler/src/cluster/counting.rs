//! A connection that is counted among those of its user on all nodes.

use std::{num::NonZeroUsize, sync::Arc};

use parking_lot::Mutex;
use ws_broker::Users;
use ws_protocol::ErrorCode;

use crate::{
    application::Application,
    gatekeeper::{Refusal, Verdict},
    handler::Shared,
};

/// Where it is seen whether a connection is counted. Given up before it was taken, it is not any more.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<Option<Seat>>>);

struct Seat {
    users: Arc<Users>,
    user: Arc<str>,
    is_taken: bool,
}

impl<A: Application> Shared<A> {
    /// Counts a connection in, unless its user has as many as it may. `None`: there are no other nodes.
    pub(crate) fn count_in(
        &self,
        user: Arc<str>,
        max: Option<NonZeroUsize>,
    ) -> Option<(Counted, Verdict)> {
        let users = self.peers()?.users.clone();
        let counted = Counted::default();
        let slot = counted.clone();
        let verdict = async move {
            let code = ErrorCode::TooManyConnections;
            let refused = |_| Refusal { code, message: code.sentence().into() };
            users.enter(&user, max).await.map_err(refused)?;
            *slot.0.lock() = Some(Seat { users, user, is_taken: false });
            Ok(())
        };
        Some((counted, Box::pin(verdict)))
    }

    /// A connection that was counted is gone.
    pub(crate) fn count_out(&self, user: &str) {
        if let Some(peers) = self.peers() {
            peers.users.leave(user);
        }
    }
}

impl Counted {
    /// From now on it is to be counted out by whoever calls this; whether it was in.
    pub(crate) fn take(&self) -> bool {
        let Some(mut seat) = self.0.lock().take() else { return false };
        seat.is_taken = true;
        true
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counted(..)")
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_taken {
            self.users.leave(&self.user);
        }
    }
}
