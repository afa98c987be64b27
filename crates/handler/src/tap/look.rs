//! The observer of one connection, for one turn.

use std::{cell::OnceCell, sync::Arc, time::Instant};

use ws_connection::Event;
use ws_transport::{Observer, Sent};

use super::{
    Lookouts, Tap,
    outline::Read,
    rates::Counted,
    sighting::{Direction, Payload, Sighting, What},
    watch::Watch,
};
use crate::{client::Client, clock::WallClock};

/// Those who look, and at whom.
pub(super) struct Look {
    tap: Arc<Tap>,
    client: Arc<Client>,
    clock: Arc<WallClock>,
    lookouts: Arc<Lookouts>,
    counted: Option<Arc<Counted>>,
}

impl Look {
    /// None where nobody means this client, whoever it turns out to be.
    pub(super) fn at(tap: &Arc<Tap>, client: &Arc<Client>, clock: &Arc<WallClock>) -> Option<Self> {
        let lookouts = tap.lookouts.read().clone();
        if lookouts.measured.is_none() && !lookouts.watches.iter().any(|it| it.may_mean(client)) {
            return None;
        }
        let counted = lookouts.measured.as_ref().map(|it| it.table.of(client.id()));
        let (tap, client, clock) = (tap.clone(), client.clone(), clock.clone());
        Some(Self { tap, client, clock, lookouts, counted })
    }

    /// What happens to the connection itself is no message of a channel.
    pub(super) fn tell_of_life(&self, what: &What, now: Instant) {
        self.tell(now, |watch| watch.channel().is_none(), |_| what.clone());
    }

    /// Tells those who mean this client and want what it is.
    fn tell(&self, now: Instant, wants: impl Fn(&Watch) -> bool, what: impl Fn(&Watch) -> What) {
        for watch in &self.lookouts.watches {
            if !watch.means(&self.client) || !wants(watch) {
                continue;
            }
            let tally = watch.offer(now, || Sighting {
                at_ms: self.clock.wall_ms(now),
                connection: self.client.id(),
                user: self.client.user_id(),
                address: self.client.address(),
                what: what(watch),
            });
            if let Some(tally) = tally {
                self.tap.counts.add(tally as usize);
            }
        }
    }

    /// Read once, whoever asks, and not at all where nobody does.
    fn text(&self, direction: Direction, text: &str, now: Instant) {
        let cell = OnceCell::new();
        let read = || cell.get_or_init(|| Read::of(text));
        let wants = |watch: &Watch| {
            watch.channel().is_none_or(|channel| {
                // Names are the same inside JSON, when we say them; what clients say may be spelled otherwise.
                let name = channel.room_id().unwrap_or(channel);
                let is_possible = direction == Direction::In || text.contains(name);
                is_possible && read().outline.channel.as_deref() == Some(channel.as_str())
            })
        };
        self.tell(now, wants, |watch| What::Text {
            direction,
            bytes: text.len(),
            outline: read().outline.clone(),
            payload: if watch.with_payloads() {
                read().payload(text, self.client.is_welcome())
            } else {
                Payload::Withheld
            },
        });
    }
}

impl Observer for Look {
    fn handle_received(&self, event: &Event<'_>, now: Instant) {
        let direction = Direction::In;
        if let (Some(counted), Event::Text(_) | Event::Binary(_)) = (&self.counted, event) {
            counted.count_in(match event {
                Event::Text(text) => text.len(),
                Event::Binary(bytes) => bytes.len(),
                _ => 0,
            });
        }
        let what = match event {
            Event::Text(text) => return self.text(direction, text, now),
            Event::Binary(bytes) => What::Binary { direction, bytes: bytes.len() },
            Event::Ping(_) => What::Ping { direction },
            Event::Pong { round_trip, .. } => What::Pong { round_trip: *round_trip },
            Event::Close(frame) => What::Close {
                direction,
                code: frame.as_ref().map(|frame| frame.code.into()),
                reason: frame.as_ref().map_or("", |frame| frame.reason.as_str()).into(),
            },
            Event::Failed(error) => What::Failed { rule: error.label(), code: error.close_code() },
        };
        self.tell_of_life(&what, now);
    }

    fn handle_sent(&self, sent: Sent<'_>, now: Instant) {
        let direction = Direction::Out;
        if let (Some(counted), Sent::Text(bytes) | Sent::Binary(bytes)) = (&self.counted, sent) {
            counted.count_out(bytes.len());
        }
        let what = match sent {
            Sent::Text(text) => {
                // What we send as text is text.
                return self.text(direction, str::from_utf8(text).unwrap_or_default(), now);
            }
            Sent::Binary(bytes) => What::Binary { direction, bytes: bytes.len() },
            Sent::Ping => What::Ping { direction },
            Sent::Close { code, reason } => {
                What::Close { direction, code: Some(code.u16()), reason: reason.into() }
            }
        };
        self.tell_of_life(&what, now);
    }
}
