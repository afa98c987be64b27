//! A look at what passes between the handler and its clients, for as long as somebody looks.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::Instant;
use ws_transport::Observer;

use crate::{
    application::Application,
    client::{Client, ConnectionId},
    clock::WallClock,
    counts::Counts,
    handler::WebSocketHandler,
};

mod look;
mod outline;
mod rates;
mod sighting;
mod watch;

use look::Look;
pub use rates::{Activity, Measurement};
use rates::{ActivityTable, Measured};
pub use sighting::{Direction, Outline, Payload, Sighting, What};
use watch::Watch;
pub use watch::{WatchCounts, WatchError, WatchRequest, Watcher};

/// How many may watch at once. Each looks at all that passes, until it knows that it is not meant.
const WATCHERS_MAX: usize = 8;

/// Who looks. What it costs while nobody does is one load of [`Tap::is_open`] in each turn of a connection.
pub(crate) struct Tap {
    is_open: AtomicBool,
    lookouts: RwLock<Arc<Lookouts>>,
    pub(crate) counts: Counts<{ WatchTally::LABELS.len() }>,
}

/// Those who look; replaced as a whole when one comes or goes.
#[derive(Clone, Default)]
struct Lookouts {
    watches: Vec<Arc<Watch>>,
    measured: Option<Arc<Measured>>,
}

/// What becomes of what a watcher asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WatchTally {
    /// It was put into the watcher's queue.
    Told,
    /// It was not among the one of so many that are told.
    SampledOut,
    /// More came in that second than are told.
    Limited,
    /// The watcher did not take what waited.
    Dropped,
}

impl WatchTally {
    const LABELS: [&'static str; 4] = ["told", "sampled_out", "limited", "dropped"];
}

/// What watchers have been told so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchStats {
    /// Those who watch now.
    pub watchers: usize,
    /// What they asked for, by what became of it.
    pub sightings: Vec<(&'static str, u64)>,
}

impl Tap {
    pub(crate) fn new() -> Self {
        Self { is_open: AtomicBool::new(false), lookouts: RwLock::default(), counts: Counts::new() }
    }

    /// Whether anybody looks.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Who looks at a connection, in this turn.
    #[cold]
    pub(crate) fn observer(
        self: &Arc<Self>,
        client: &Arc<Client>,
        clock: &Arc<WallClock>,
    ) -> Option<Arc<dyn Observer>> {
        Some(Arc::new(Look::at(self, client, clock)?))
    }

    /// Tells watchers something that no observer sees.
    #[cold]
    pub(crate) fn tell(
        self: &Arc<Self>,
        client: &Arc<Client>,
        clock: &Arc<WallClock>,
        what: &What,
    ) {
        if let Some(look) = Look::at(self, client, clock) {
            look.tell_of_life(what, Instant::now().into_std());
        }
        if let What::Ended { .. } = what
            && let Some(measured) = &self.lookouts.read().measured
        {
            measured.table.forget(client.id());
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Lookouts) -> T) -> T {
        let mut lookouts = self.lookouts.write();
        let mut changed = Lookouts::clone(&lookouts);
        let answer = change(&mut changed);
        let is_open = !changed.watches.is_empty() || changed.measured.is_some();
        *lookouts = Arc::new(changed);
        self.is_open.store(is_open, Ordering::Relaxed);
        answer
    }

    fn remove(&self, watch: &Arc<Watch>) {
        self.change(|lookouts| lookouts.watches.retain(|known| !Arc::ptr_eq(known, watch)));
    }

    fn start_measuring(&self) -> Arc<ActivityTable> {
        self.change(|lookouts| {
            let before = lookouts.measured.take();
            let measured = before.map_or_else(Measured::default, |it| it.with_one_more());
            let table = measured.table.clone();
            lookouts.measured = Some(Arc::new(measured));
            table
        })
    }

    fn stop_measuring(&self) {
        self.change(|lookouts| {
            let before = lookouts.measured.take();
            lookouts.measured = before.and_then(|it| it.with_one_less()).map(Arc::new);
        });
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

impl<A: Application> WebSocketHandler<A> {
    /// Watches what passes between this node and some of its clients, for a while. What it is told waits in a
    /// queue of its own, which is bounded: connections never wait for it.
    ///
    /// # Errors
    ///
    /// Nobody in particular is asked for, or as many watch as may.
    pub fn watch(&self, request: WatchRequest) -> Result<Watcher, WatchError> {
        if !request.is_about_somebody() {
            return Err(WatchError::Everybody);
        }
        let tap = &self.shared.tap;
        let (watch, sightings) = Watch::new(request, Instant::now());
        tap.change(|lookouts| {
            if lookouts.watches.len() >= WATCHERS_MAX {
                return Err(WatchError::TooMany { max: WATCHERS_MAX });
            }
            lookouts.watches.push(watch.clone());
            Ok(())
        })?;
        Ok(Watcher::new(tap.clone(), watch, sightings))
    }

    /// Counts what each connection receives and sends, for as long as the answer is kept.
    pub fn measure(&self) -> Measurement {
        Measurement::new(self.shared.tap.clone())
    }

    /// What watchers were told so far.
    pub fn watch_stats(&self) -> WatchStats {
        let tap = &self.shared.tap;
        let sightings = WatchTally::LABELS.into_iter().zip(tap.counts.totals()).collect();
        WatchStats { watchers: tap.lookouts.read().watches.len(), sightings }
    }
}

/// The longest time that somebody may watch.
pub(crate) const WATCH_MAX: Duration = Duration::from_secs(3600);

/// A connection that a watch may be about.
fn is_meant(wanted: Option<ConnectionId>, client: &Client) -> bool {
    wanted.is_none_or(|wanted| wanted == client.id())
}
