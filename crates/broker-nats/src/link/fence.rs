//! Certainty that the server has done what it was told.
//!
//! A server answers at once that nobody listens on a subject on which nobody listens, and it does what comes over
//! one connection in its order. So that answer says that it knows all subscriptions sent before. In a
//! cluster the other servers learn of them a moment later: see [`peers`](super::peers).

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use ws_broker::EngineError;

use super::{Call, CallError, Link};
use crate::error::unavailable;

/// Those who wait. Many who come at once wait for one answer.
#[derive(Debug, Default)]
pub(super) struct Fences {
    waiting: Mutex<Vec<oneshot::Sender<Result<(), EngineError>>>>,
    wake: Notify,
    /// There was somebody where nobody should be: that nobody is there is not asked any more.
    is_overheard: AtomicBool,
}

/// Longer than a server takes to say that nobody listens.
const PATIENCE: Duration = Duration::from_millis(500);

impl Link {
    /// Answers when all servers know what was subscribed before.
    pub(crate) fn fence(&self) -> oneshot::Receiver<Result<(), EngineError>> {
        let (sender, receiver) = oneshot::channel();
        self.fences.waiting.lock().push(sender);
        self.fences.wake.notify_one();
        receiver
    }

    pub(super) async fn confirm(&self) -> Result<(), EngineError> {
        self.roundtrip().await?;
        if self.is_clustered() {
            self.ask_peers().await?;
        }
        Ok(())
    }

    async fn roundtrip(&self) -> Result<(), EngineError> {
        let unanswered = |error: CallError| error.into_engine_error("it does not answer");
        if !self.fences.is_overheard.load(Ordering::Relaxed) {
            let patience = self.config.timeout.min(PATIENCE);
            let call = Call::new(self.names.nowhere(), "", patience);
            match self.answer_to(call).await {
                Ok(_) | Err(CallError::NoResponders) => return Ok(()),
                Err(CallError::TimedOut) => {}
                Err(error) => return Err(unanswered(error)),
            }
        }
        // Somebody listens everywhere, as `nats sub '>'` does. JetStream answers all the same, in the same
        // order, and at greater length.
        let call = Call::new("$JS.API.INFO".to_owned(), "", self.config.timeout);
        match self.answer_to(call).await {
            Ok(_) | Err(CallError::NoResponders) => {
                self.fences.is_overheard.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(unanswered(error)),
        }
    }

    pub(crate) fn is_clustered(&self) -> bool {
        self.wire.get().is_some_and(|wire| wire.client.server_info().cluster.is_some())
    }
}

pub(super) async fn run(link: Arc<Link>) {
    loop {
        link.fences.wake.notified().await;
        let waiting = mem::take(&mut *link.fences.waiting.lock());
        if waiting.is_empty() {
            continue;
        }
        let confirmed = link.confirm().await;
        for waiting in waiting {
            let _ = waiting.send(confirmed.clone());
        }
    }
}

/// What a fence says.
pub(crate) async fn passed(
    fence: oneshot::Receiver<Result<(), EngineError>>,
) -> Result<(), EngineError> {
    fence.await.unwrap_or_else(|_| Err(unavailable("it was ended")))
}
