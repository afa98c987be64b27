//! The task that sends spans to the collector.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout_at},
};
use ws_traces::Span;

use super::{
    Outcome, Told,
    collector::{Collector, pause_before},
};

/// So many spans go together at most.
const BATCH_MAX: usize = 512;
/// So often the same is sent again.
const REPETITIONS: u32 = 4;

/// Sends what ends up in the queue.
pub(super) struct Export {
    pub(super) collector: Collector,
    pub(super) spans: mpsc::Receiver<Span>,
    pub(super) delay: Duration,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) told: Arc<Told>,
}

impl Export {
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        let mut is_away = false;
        while self.collect(&mut batch).await {
            self.note_taken(batch.len());
            self.send(&mut batch, &mut is_away).await;
        }
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
        }
        self.note_taken(batch.len());
        for part in batch.chunks(BATCH_MAX) {
            let taken = self.collector.take(part).await.is_ok();
            self.told.add(if taken { Outcome::Exported } else { Outcome::Failed }, part.len());
        }
    }

    /// Collects until there are enough, or the first has waited long enough. `false` if everything ends.
    async fn collect(&mut self, batch: &mut Vec<Span>) -> bool {
        let stopped = &mut self.stopped;
        tokio::select! {
            biased;
            _ = stopped.wait_for(|is_stopped| *is_stopped) => return false,
            count = self.spans.recv_many(batch, BATCH_MAX) => if count == 0 { return false },
        }
        let deadline = Instant::now() + self.delay;
        while batch.len() < BATCH_MAX {
            let more = self.spans.recv_many(batch, BATCH_MAX - batch.len());
            tokio::select! {
                biased;
                // What was collected is told with the rest.
                _ = stopped.wait_for(|is_stopped| *is_stopped) => return true,
                more = timeout_at(deadline, more) => match more {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                },
            }
        }
        true
    }

    /// Sends a batch, and again after a while where that may help.
    async fn send(&mut self, batch: &mut Vec<Span>, is_away: &mut bool) {
        let count = batch.len();
        let mut attempt = 0;
        let outcome = loop {
            let refused = match self.collector.take(batch).await {
                Ok(()) => break Outcome::Exported,
                Err(refused) => refused,
            };
            let reason = &*refused.reason;
            match is_away {
                false => tracing::warn!(reason, "the collector does not take traces"),
                true => tracing::debug!(reason, "the collector does not take traces"),
            }
            *is_away = true;
            if !refused.is_passing || attempt == REPETITIONS {
                break Outcome::Failed;
            }
            let stopped = &mut self.stopped;
            tokio::select! {
                biased;
                _ = stopped.wait_for(|is_stopped| *is_stopped) => break Outcome::Failed,
                () = sleep(pause_before(attempt, refused.retry_after)) => attempt += 1,
            }
        };
        if *is_away && matches!(outcome, Outcome::Exported) {
            *is_away = false;
            tracing::info!("the collector takes traces again");
        }
        self.told.add(outcome, count);
        batch.clear();
    }

    fn note_taken(&self, count: usize) {
        self.told.waiting.fetch_sub(count, Ordering::Relaxed);
    }
}
