//! What happened so far, by cause.

use std::{sync::atomic::Ordering, time::Duration};

use ws_heartbeat::Suspect;
use ws_protocol::{ClientType, ErrorCode};

use crate::{
    application::Application, counts::Counts, end_reason::EndReason, handler::Shared,
    rejection::Rejection,
};

/// Upper bounds of the round-trip histogram's buckets in microseconds; one more takes the rest.
const ROUND_TRIP_BOUNDS: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];
/// The buckets, and behind them the sum of all round trips.
const ROUND_TRIP_COUNTS: usize = ROUND_TRIP_BOUNDS.len() + 2;

#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) rejections: Counts<{ Rejection::LABELS.len() }>,
    pub(crate) ends: Counts<{ EndReason::ALL.len() }>,
    pub(crate) messages: Counts<{ ClientType::ALL.len() }>,
    pub(crate) errors: Counts<{ ErrorCode::ALL.len() }>,
    pub(crate) rate_limited: Counts<1>,
    pub(crate) pings: Counts<1>,
    round_trips: Counts<ROUND_TRIP_COUNTS>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            rejections: Counts::new(),
            ends: Counts::new(),
            messages: Counts::new(),
            errors: Counts::new(),
            rate_limited: Counts::new(),
            pings: Counts::new(),
            round_trips: Counts::new(),
        }
    }

    pub(crate) fn note_round_trip(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        let bucket = ROUND_TRIP_BOUNDS.partition_point(|bound| *bound < micros);
        self.round_trips.add(bucket);
        self.round_trips.add_many(ROUND_TRIP_COUNTS - 1, micros);
    }
}

/// A histogram of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Upper bound and count of each bucket; the last is for the rest.
    pub buckets: Vec<(Duration, u64)>,
    /// The sum of all.
    pub sum: Duration,
    /// How many there were.
    pub count: u64,
}

impl Histogram {
    fn of_round_trips(counts: &[u64; ROUND_TRIP_COUNTS]) -> Self {
        let bounds = ROUND_TRIP_BOUNDS.into_iter().map(Duration::from_micros);
        let buckets: Vec<_> = bounds.chain([Duration::MAX]).zip(counts.iter().copied()).collect();
        let sum = Duration::from_micros(counts[ROUND_TRIP_COUNTS - 1]);
        let count = buckets.iter().map(|(_, count)| count).sum();
        Self { buckets, sum, count }
    }
}

/// A snapshot of everything the handler counts. Pairs are a label and a count that never goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlerStats {
    /// Connections that are open.
    pub connections: usize,
    /// Users with at least one connection.
    pub online_users: usize,
    /// Connections that wait for their authentication.
    pub pending_authentications: usize,
    /// Upgrades that were refused, by cause.
    pub rejections: Vec<(&'static str, u64)>,
    /// Connections that ended, by [reason](EndReason).
    pub ends: Vec<(&'static str, u64)>,
    /// How old connections were that [broke](EndReason::is_abnormal).
    pub break_ages: Histogram,
    /// Who is behind most of the last of those, if anybody is.
    pub suspect: Option<Suspect>,
    /// Messages that were understood, by type.
    pub messages: Vec<(&'static str, u64)>,
    /// Errors that were sent to clients, by code.
    pub errors: Vec<(&'static str, u64)>,
    /// Messages that were dropped by the rate limit.
    pub rate_limited: u64,
    /// Pings that the heartbeat sent.
    pub pings: u64,
    /// Round trips that it measured.
    pub round_trips: Histogram,
}

impl HandlerStats {
    pub(crate) fn of<A: Application>(shared: &Shared<A>) -> Self {
        let counters = &shared.counters;
        let [rate_limited] = counters.rate_limited.totals();
        let [pings] = counters.pings.totals();
        let now = tokio::time::Instant::now().into_std();
        Self {
            connections: shared.registry.len(),
            online_users: shared.registry.user_count(),
            pending_authentications: shared.pending.load(Ordering::Relaxed),
            rejections: Rejection::LABELS.into_iter().zip(counters.rejections.totals()).collect(),
            ends: EndReason::ALL
                .iter()
                .map(|reason| reason.label())
                .zip(counters.ends.totals())
                .collect(),
            break_ages: shared.breaks.ages(),
            suspect: shared.breaks.suspect(shared.ping_interval(), now),
            messages: ClientType::ALL
                .iter()
                .map(|kind| kind.name())
                .zip(counters.messages.totals())
                .collect(),
            errors: ErrorCode::ALL
                .iter()
                .map(|code| code.name())
                .zip(counters.errors.totals())
                .collect(),
            rate_limited,
            pings,
            round_trips: Histogram::of_round_trips(&counters.round_trips.totals()),
        }
    }
}
