//! How many are on their way in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Counts what has begun and not ended; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicUsize,
    changed: Notify,
}

/// One that has begun; it ends with this.
#[derive(Debug)]
pub(crate) struct Begun(UnderWay);

impl UnderWay {
    pub(crate) fn begin(&self) -> Begun {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Begun(self.clone())
    }

    /// Waits until there is none.
    pub(crate) async fn none(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.count.load(Ordering::Relaxed) == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl Begun {
    /// What it is counted in.
    pub(crate) fn of(&self) -> UnderWay {
        self.0.clone()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.0.0.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_all_waits_for_the_last() {
        let under_way = UnderWay::default();
        under_way.none().await;
        let (first, second) = (under_way.begin(), under_way.begin());
        let all = async |patience| tokio::time::timeout(patience, under_way.none()).await.is_ok();
        drop(first);
        assert!(!all(Duration::from_secs(1)).await);
        let waiting = tokio::spawn({
            let under_way = under_way.clone();
            async move { under_way.none().await }
        });
        tokio::task::yield_now().await;
        drop(second);
        waiting.await.expect("it ends");
    }
}
