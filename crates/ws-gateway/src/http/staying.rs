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

    pub(super) fn is_granted(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin};

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_stream_outlives_the_grace_by_as_much_as_it_was_granted() {
        let (stay, before) = (Stay::default(), Instant::now());
        assert_eq!(stay.end_of(pin!(pending::<()>()), GRACE).await, None);
        assert_eq!(before.elapsed(), GRACE);
        stay.until(Instant::now() + 10 * GRACE);
        assert_eq!(stay.end_of(pin!(pending::<()>()), GRACE).await, None);
        assert_eq!(before.elapsed(), 12 * GRACE);
        assert_eq!(stay.end_of(pin!(async { 7 }), GRACE).await, Some(7));
    }
}
