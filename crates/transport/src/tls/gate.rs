//! So many handshakes at once, and no more.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::verdict::TlsFault;

/// How long a handshake may take while others wait for their turn. A client that means it takes three ways
/// over the network.
const HURRY: Duration = Duration::from_secs(2);
/// How often it is looked whether others wait, once a handshake has taken so long.
const LOOK: Duration = Duration::from_millis(250);

/// Bounds the memory that handshakes take. Those that dribble make way for those that wait.
#[derive(Debug)]
pub(super) struct Gate {
    slots: Semaphore,
    slots_max: usize,
    waiting: AtomicUsize,
}

/// One who waits, while it waits.
struct Waiting<'g>(&'g AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(super) fn new(slots_max: usize) -> Self {
        let slots_max = slots_max.clamp(1, Semaphore::MAX_PERMITS);
        Self { slots: Semaphore::new(slots_max), slots_max, waiting: AtomicUsize::new(0) }
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.slots_max - self.slots.available_permits()
    }

    /// Does the work within a place, and within its time.
    pub(super) async fn pass<R>(
        &self,
        deadline: Instant,
        work: impl Future<Output = R>,
    ) -> Result<R, TlsFault> {
        let slot = self.slot(deadline).await?;
        let mut work = pin!(work);
        let mut look_at = deadline.min(Instant::now() + HURRY);
        let done = loop {
            if let Ok(done) = timeout_at(look_at, work.as_mut()).await {
                break Ok(done);
            }
            if look_at >= deadline {
                break Err(TlsFault::TimedOut);
            }
            if self.waiting.load(Ordering::Relaxed) > 0 {
                break Err(TlsFault::Crowded);
            }
            look_at = deadline.min(look_at + LOOK);
        };
        drop(slot);
        done
    }

    async fn slot(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, TlsFault> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        match timeout_at(deadline, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            // Nobody closes it.
            Ok(Err(_)) | Err(_) => Err(TlsFault::Crowded),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use super::*;

    fn in_secs(secs: u64) -> Instant {
        Instant::now() + Duration::from_secs(secs)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_dribbles_has_the_whole_time_while_nobody_waits() {
        let gate = Gate::new(1);
        let start = Instant::now();
        assert_eq!(gate.pass(in_secs(10), pending::<()>()).await, Err(TlsFault::TimedOut));
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(gate.under_way(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_dribbles_makes_way_for_those_who_wait() {
        let gate = Arc::new(Gate::new(2));
        let dribbling = [0; 2].map(|_| {
            let gate = gate.clone();
            tokio::spawn(async move { gate.pass(in_secs(10), pending::<()>()).await })
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.under_way(), 2);
        let start = Instant::now();
        assert_eq!(gate.pass(in_secs(10), async { "done" }).await, Ok("done"));
        assert!(start.elapsed() <= HURRY + LOOK, "{:?}", start.elapsed());
        for one in dribbling {
            assert!(matches!(one.await.unwrap(), Err(TlsFault::Crowded | TlsFault::TimedOut)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_the_whole_time_is_let_go() {
        let gate = Arc::new(Gate::new(1));
        let busy = gate.clone();
        let _held = tokio::spawn(async move {
            // Quick ones, one after the other: none of them is at fault.
            for _ in 0..100 {
                let quick = tokio::time::sleep(Duration::from_secs(1));
                let _ = busy.pass(in_secs(10), quick).await;
            }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.pass(in_secs(0), async {}).await, Err(TlsFault::Crowded));
        assert_eq!(gate.pass(in_secs(5), async {}).await, Ok(()), "its turn comes");
    }
}
