//! An answer that may take longer than a connection that carries HTTP is kept.

use std::{pin::Pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

/// How long a connection may stay: an extension of each request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stay(Arc<Mutex<Option<Instant>>>);

impl Stay {
    /// The answer to this request is a stream that ends by then.
    pub(crate) fn until(&self, end: Instant) {
        *self.0.lock() = Some(end);
    }

    fn is_granted(&self) -> bool {
        self.0.lock().is_some_and(|end| Instant::now() < end)
    }

    /// The outcome of a connection that is to end, if it does within the grace, or a grace after the end of the
    /// stream that it carries.
    pub(super) async fn end_of<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        grace: Duration,
    ) -> Option<C::Output> {
        loop {
            let is_granted = self.is_granted();
            match timeout(grace, connection.as_mut()).await {
                Ok(ended) => return Some(ended),
                Err(_) if is_granted => {}
                Err(_) => return None,
            }
        }
    }
}
