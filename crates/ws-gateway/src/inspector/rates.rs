//! How much each connection receives and sends, between two looks.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use ws_handler::{Activity, Application, ConnectionId, Measurement, WebSocketHandler};

/// Counts while it is kept.
#[derive(Debug)]
pub(crate) struct Gauge {
    measurement: Measurement,
    before: HashMap<ConnectionId, Activity>,
    since: Instant,
}

/// What each connection did in a time; those that did nothing are not in it.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    of: HashMap<ConnectionId, Activity>,
    over: Duration,
}

impl Gauge {
    pub(crate) fn start<A: Application>(handler: &WebSocketHandler<A>) -> Self {
        let measurement = handler.measure();
        let before = snapshot(&measurement);
        Self { measurement, before, since: Instant::now() }
    }

    /// What was done since it was started, or read before.
    pub(crate) fn read(&mut self) -> Rates {
        let (now, after) = (Instant::now(), snapshot(&self.measurement));
        let nothing = Activity::default();
        let since = |(id, activity): (&ConnectionId, &Activity)| {
            (*id, activity.since(self.before.get(id).unwrap_or(&nothing)))
        };
        let of = after.iter().map(since).filter(|(_, activity)| *activity != nothing).collect();
        let rates = Rates { of, over: now - self.since };
        (self.before, self.since) = (after, now);
        rates
    }
}

fn snapshot(measurement: &Measurement) -> HashMap<ConnectionId, Activity> {
    let mut all = HashMap::new();
    measurement.for_each(|id, activity| {
        all.insert(id, activity);
    });
    all
}

/// What one connection does in a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    pub(super) messages_in: f64,
    pub(super) messages_out: f64,
    pub(super) bytes_in: f64,
    pub(super) bytes_out: f64,
}

impl Rate {
    pub(super) fn messages(&self) -> f64 {
        self.messages_in + self.messages_out
    }

    pub(super) fn bytes(&self) -> f64 {
        self.bytes_in + self.bytes_out
    }
}

impl Rates {
    /// Over how long.
    pub(super) fn over(&self) -> Duration {
        self.over
    }

    pub(super) fn of(&self, id: ConnectionId) -> Rate {
        let Some(activity) = self.of.get(&id) else { return Rate::default() };
        // A window of nothing says nothing.
        let seconds = self.over.as_secs_f64().max(0.001);
        let rate = |count: u64| (count as f64 / seconds * 100.0).round() / 100.0;
        Rate {
            messages_in: rate(activity.messages_in),
            messages_out: rate(activity.messages_out),
            bytes_in: rate(activity.bytes_in),
            bytes_out: rate(activity.bytes_out),
        }
    }
}
