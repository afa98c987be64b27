//! One who watches: what is wanted, and the queue of what was seen.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use ws_channels::ChannelName;
use ws_rate_limiter::{Limit, TokenBucket};

use super::{Tap, WATCH_MAX, WatchTally, is_meant, sighting::Sighting};
use crate::client::{Client, ConnectionId};

/// What may wait for a watcher. With payloads of at most 4 KiB, a queue is 2 MiB at worst.
const QUEUED_MAX: usize = 512;
/// Sightings of a second, unless it is said; and as many as may be wanted.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(500).unwrap();
const PER_SECOND_MAX: NonZeroU32 = NonZeroU32::new(5000).unwrap();

/// What is to be watched. A watch is about a user, a channel or a connection; what is said of more than one
/// of them must be true of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRequest {
    /// The connections of this user.
    pub user: Option<Arc<str>>,
    /// Messages about this channel, to it and from it. Without a user or a connection these are the messages
    /// of all its subscribers.
    pub channel: Option<ChannelName>,
    /// This connection.
    pub connection: Option<ConnectionId>,
    /// Whether payloads are told. Tokens never are.
    pub with_payloads: bool,
    /// One of so many is told.
    pub sample: NonZeroU32,
    /// How many are told in a second; 500 unless it is said, and 5000 at most.
    pub per_second_max: NonZeroU32,
    /// How long; an hour at most.
    pub lasts: Duration,
}

/// Why nobody watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Nobody in particular is asked for.
    #[error(
        "a user, a channel or a connection is expected: all that passes is too much to look at"
    )]
    Everybody,
    /// As many watch as may.
    #[error("{max} watch already, and no more may")]
    TooMany {
        /// How many may.
        max: usize,
    },
}

/// How much of what was asked for was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts {
    /// Put into the queue.
    pub told: u64,
    /// Not among the one of so many that are told.
    pub sampled_out: u64,
    /// Beyond what is told in a second.
    pub limited: u64,
    /// The queue was full.
    pub dropped: u64,
}

pub(super) struct Watch {
    request: WatchRequest,
    until: Instant,
    queue: mpsc::Sender<Sighting>,
    rate: TokenBucket,
    used: Mutex<<TokenBucket as Limit>::State>,
    counts: [AtomicU64; WatchTally::LABELS.len()],
}

/// Hears what is seen, until its time is over or it is dropped.
pub struct Watcher {
    tap: Arc<Tap>,
    watch: Arc<Watch>,
    sightings: mpsc::Receiver<Sighting>,
}

impl Default for WatchRequest {
    /// Of nobody yet: for a minute, each message, without its payload.
    fn default() -> Self {
        Self {
            user: None,
            channel: None,
            connection: None,
            with_payloads: false,
            sample: NonZeroU32::MIN,
            per_second_max: PER_SECOND,
            lasts: Duration::from_secs(60),
        }
    }
}

impl WatchRequest {
    /// How many may be told in a second at most.
    pub const PER_SECOND_MAX: NonZeroU32 = PER_SECOND_MAX;

    pub(super) fn is_about_somebody(&self) -> bool {
        self.user.is_some() || self.channel.is_some() || self.connection.is_some()
    }
}

impl Watch {
    pub(super) fn new(
        request: WatchRequest,
        now: Instant,
    ) -> (Arc<Self>, mpsc::Receiver<Sighting>) {
        let (queue, sightings) = mpsc::channel(QUEUED_MAX);
        let rate = TokenBucket::per_second(request.per_second_max.min(PER_SECOND_MAX));
        let watch = Self {
            until: now + request.lasts.min(WATCH_MAX),
            used: Mutex::new(rate.new_state(now.into_std())),
            request,
            queue,
            rate,
            counts: Default::default(),
        };
        (Arc::new(watch), sightings)
    }

    pub(super) fn with_payloads(&self) -> bool {
        self.request.with_payloads
    }

    /// The channel that it is about, if it is about one.
    pub(super) fn channel(&self) -> Option<&ChannelName> {
        self.request.channel.as_ref()
    }

    /// Whether it may be about a connection, whoever that turns out to be.
    pub(super) fn may_mean(&self, client: &Client) -> bool {
        is_meant(self.request.connection, client)
            && self.request.user.as_deref().is_none_or(|user| {
                // Who has not said who it is may be about to.
                client.user_id().is_none_or(|known| *known == *user)
            })
    }

    /// Whether it is about a connection, as far as that is known.
    pub(super) fn means(&self, client: &Client) -> bool {
        is_meant(self.request.connection, client)
            && self.request.user.as_deref().is_none_or(|user| client.is_user(user))
    }

    /// Takes a sighting that is wanted, if it is one of those that are told.
    pub(super) fn offer(
        &self,
        now: std::time::Instant,
        sighting: impl FnOnce() -> Sighting,
    ) -> Option<WatchTally> {
        if now >= self.until.into_std() || self.queue.is_closed() {
            return None;
        }
        let tally = self.judge(now, sighting);
        self.counts[tally as usize].fetch_add(1, Ordering::Relaxed);
        Some(tally)
    }

    fn judge(&self, now: std::time::Instant, sighting: impl FnOnce() -> Sighting) -> WatchTally {
        let sample = u64::from(self.request.sample.get());
        if sample > 1 && !self.count_of_all().is_multiple_of(sample) {
            return WatchTally::SampledOut;
        }
        // Before it is made: what is not told costs little.
        if self.rate.check(&mut self.used.lock(), 1, now).is_err() {
            return WatchTally::Limited;
        }
        match self.queue.try_reserve() {
            Ok(place) => {
                place.send(sighting());
                WatchTally::Told
            }
            Err(_) => WatchTally::Dropped,
        }
    }

    fn count_of_all(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn counts(&self) -> WatchCounts {
        let of = |tally: WatchTally| self.counts[tally as usize].load(Ordering::Relaxed);
        WatchCounts {
            told: of(WatchTally::Told),
            sampled_out: of(WatchTally::SampledOut),
            limited: of(WatchTally::Limited),
            dropped: of(WatchTally::Dropped),
        }
    }
}

impl Watcher {
    pub(super) fn new(
        tap: Arc<Tap>,
        watch: Arc<Watch>,
        sightings: mpsc::Receiver<Sighting>,
    ) -> Self {
        Self { tap, watch, sightings }
    }

    /// The next sighting; `None` when the time is over and all that was seen has been told. Nothing is lost when
    /// this is not awaited to its end.
    pub async fn next(&mut self) -> Option<Sighting> {
        timeout_at(self.watch.until, self.sightings.recv()).await.ok().flatten()
    }

    /// A sighting that is there already.
    pub fn next_at_hand(&mut self) -> Option<Sighting> {
        self.sightings.try_recv().ok()
    }

    /// What was asked for, as it is carried out.
    pub fn request(&self) -> &WatchRequest {
        &self.watch.request
    }

    /// How much was told so far, and how much was not.
    pub fn counts(&self) -> WatchCounts {
        self.watch.counts()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.tap.remove(&self.watch);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("request", self.request()).finish_non_exhaustive()
    }
}
