//! Connections that broke: how old they were, and who may be behind that.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ws_heartbeat::{Cuts, Suspect};

use crate::{counts::Counts, end_reason::EndReason, stats::Histogram};

/// Upper bounds of the buckets in seconds; one more takes the rest. The usual timeouts are each well
/// within a bucket, not at its edge.
const AGE_BOUNDS: [u64; 14] = [1, 5, 8, 12, 25, 35, 55, 65, 95, 125, 305, 610, 1_830, 3_660];
/// The buckets, and behind them the sum of all ages.
const AGE_COUNTS: usize = AGE_BOUNDS.len() + 2;
/// After so many breaks somebody is looked for who is behind them, to be named in the log.
const LOOK_EVERY: u32 = 32;
/// How long a break is remembered: a proxy that was mended is not to be named the day after.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);
/// How long nobody is named again.
const SILENCE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct Breaks {
    ages: Counts<AGE_COUNTS>,
    cuts: Mutex<Watch>,
}

#[derive(Debug)]
struct Watch {
    cuts: Cuts,
    since_look: u32,
    named_at: Option<Instant>,
}

impl Breaks {
    pub(crate) fn new(now: Instant) -> Self {
        let cuts = Cuts::new(now);
        Self {
            ages: Counts::new(),
            cuts: Mutex::new(Watch { cuts, since_look: 0, named_at: None }),
        }
    }

    /// A connection of that age broke. Now and then whoever is suspected is named in the log.
    pub(crate) fn note(
        &self,
        reason: EndReason,
        age: Duration,
        silent_for: Option<Duration>,
        ping_interval: Option<Duration>,
        now: Instant,
    ) {
        let bucket = AGE_BOUNDS.partition_point(|bound| Duration::from_secs(*bound) < age);
        self.ages.add(bucket);
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.ages.add_many(AGE_COUNTS - 1, millis);
        // Whoever is given up is silent for as long as we wait, always.
        let is_ours = matches!(reason, EndReason::PongTimeout | EndReason::WriteTimeout);
        let mut watch = self.cuts.lock();
        watch.cuts.handle_cut(age, silent_for.filter(|_| !is_ours), now);
        watch.since_look += 1;
        let is_quiet = watch.named_at.is_some_and(|at| now.duration_since(at) < SILENCE);
        if watch.since_look < LOOK_EVERY || is_quiet {
            return;
        }
        watch.since_look = 0;
        forget_old(&mut watch.cuts, now);
        let Some(suspect) = watch.cuts.suspect(ping_interval) else { return };
        watch.named_at = Some(now);
        drop(watch);
        tracing::warn!(
            suspect = %suspect,
            culprit = suspect.culprit.label(),
            after_ms = suspect.after.as_millis() as u64,
            percent = suspect.percent(),
            "connections are cut on their way"
        );
    }

    pub(crate) fn suspect(&self, ping_interval: Option<Duration>, now: Instant) -> Option<Suspect> {
        let mut watch = self.cuts.lock();
        forget_old(&mut watch.cuts, now);
        watch.cuts.suspect(ping_interval)
    }

    pub(crate) fn ages(&self) -> Histogram {
        let counts = self.ages.totals();
        let bounds = AGE_BOUNDS.into_iter().map(Duration::from_secs);
        let buckets: Vec<_> = bounds.chain([Duration::MAX]).zip(counts).collect();
        let sum = Duration::from_millis(counts[AGE_COUNTS - 1]);
        let count = buckets.iter().map(|(_, count)| count).sum();
        Histogram { buckets, sum, count }
    }
}

fn forget_old(cuts: &mut Cuts, now: Instant) {
    if let Some(then) = now.checked_sub(REMEMBERED_FOR) {
        cuts.forget_before(then);
    }
}
