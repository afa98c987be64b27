//! An answer that is found in a task of its own, and wakes the connection that waits for it.

use std::{fmt, future::Future, sync::Arc};

use parking_lot::Mutex;

use crate::client::Client;

/// The connection's end: looked at when it is nudged.
pub(super) struct Promise<T>(Arc<Mutex<Option<T>>>);

/// The task's end. Wakes the connection however the task ends: one that panicked must not hold it for
/// ever.
struct Keeper<T> {
    answer: Arc<Mutex<Option<T>>>,
    /// What counts as the answer where none is found.
    otherwise: Option<T>,
    client: Arc<Client>,
}

impl<T: Send + 'static> Promise<T> {
    /// Looks for the answer, and says `otherwise` if that panics.
    pub(super) fn of(
        client: &Arc<Client>,
        otherwise: T,
        answer: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let promised = Arc::<Mutex<Option<T>>>::default();
        let keeper =
            Keeper { answer: promised.clone(), otherwise: Some(otherwise), client: client.clone() };
        tokio::spawn(async move {
            let answer = answer.await;
            *keeper.answer.lock() = Some(answer);
        });
        Self(promised)
    }

    /// An answer that is there already.
    pub(super) fn kept(answer: T) -> Self {
        Self(Arc::new(Mutex::new(Some(answer))))
    }

    /// Whether the answer is there.
    pub(super) fn is_kept(&self) -> bool {
        self.0.lock().is_some()
    }

    /// The answer, once, when it is there.
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().take()
    }
}

impl<T> Drop for Keeper<T> {
    fn drop(&mut self) {
        let mut answer = self.answer.lock();
        if answer.is_none() {
            *answer = self.otherwise.take();
        }
        drop(answer);
        self.client.outbox().nudge();
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Promise(..)")
    }
}
