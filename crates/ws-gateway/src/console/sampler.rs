//! One look a second for all viewers, while there are any.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use ws_handler::Application;

use super::{Inner, News};

/// How often is looked.
const PACE: Duration = Duration::from_secs(1);

impl<A: Application> Inner<A> {
    /// What is told from now on; the first sample is taken at once, or is the last of those who look
    /// already.
    pub(super) fn watch(self: &Arc<Self>) -> watch::Receiver<News> {
        let mut news = self.news.subscribe();
        news.mark_changed();
        // Under the lock, as the other end is: either that task has seen this receiver, or there is a new
        // task.
        let mut sampling = self.sampling.lock();
        if !sampling.is_running {
            sampling.is_running = true;
            tokio::spawn(self.clone().keep_sampling());
        }
        news
    }

    async fn keep_sampling(self: Arc<Self>) {
        let mut pace = interval(PACE);
        // After a pause there is nothing to make up for.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            if self.has_nobody_to_look() {
                return;
            }
            let inner = self.clone();
            // The health of a million connections is looked at, and files of the system are read.
            let taken = tokio::task::spawn_blocking(move || inner.sample().to_string()).await;
            let Ok(sample) = taken else { continue };
            self.news.send_if_modified(|news| {
                let goes_on = !matches!(news, News::Farewell);
                if goes_on {
                    *news = News::Sample(sample.into());
                }
                goes_on
            });
        }
    }

    /// Counts the sample that is due, unless this is the end.
    fn has_nobody_to_look(&self) -> bool {
        let mut sampling = self.sampling.lock();
        let is_over = self.news.receiver_count() == 0;
        if is_over {
            sampling.is_running = false;
            // Whoever looks next is told nothing of long ago.
            self.news.send_if_modified(|news| {
                if matches!(news, News::Sample(_)) {
                    *news = News::None;
                }
                false
            });
        } else {
            sampling.samples += 1;
        }
        is_over
    }
}
