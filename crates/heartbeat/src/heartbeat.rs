//! The heartbeat of one connection as a machine.

use std::{
    collections::hash_map::DefaultHasher,
    hash::Hasher,
    time::{Duration, Instant},
};

use crate::{HeartbeatConfig, HeartbeatStats, stats::Latency};

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;

/// What the caller must do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a ping with this payload, ahead of everything that waits.
    SendPing([u8; 8]),
    /// The peer is dead: close with 1001 "Connection timeout". Said once in the life of a heartbeat.
    DeclareDead,
}

/// The heartbeat of one connection: when to ping, when the peer is dead, how long a round trip took.
///
/// ```text
///               silent for the interval: ping
///    ┌───────┐ ───────────────────────────────▶ ┌─────────────┐ ───┐ no frame within the timeout:
///    │ Quiet │                                  │ Waiting{nth}│    │ a miss, ping again (nth + 1)
///    └───────┘ ◀─────────────────────────────── └─────────────┘ ◀──┘
///        ▲        the matching pong                │       │
///        │                                         │       │ the last miss allowed
///        │ the matching pong,      other frame:    │       ▼
///        │ a measure all the same  no miss         │    ┌──────┐
///    ┌─────────┐ ◀─────────────────────────────────┘    │ Dead │ (nothing leads out)
///    │ PongDue │                                        └──────┘
///    └─────────┘ ── silent for the interval: ping ──▶ Waiting{1}
/// ```
///
/// Traffic only notes when it came. The armed deadline stays where it is; when it fires, it is
/// compared with the note and armed anew. So a connection that talks costs one timer an interval, and
/// [`handle_timeout`](Self::handle_timeout) may well return `None`.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    // Eighty bytes, many of which are saved by counting microseconds and milliseconds in 32 bits. The
    // last frame's time is whole all the same, for it is written with every frame.
    last_seen: Instant,
    /// When the phase began.
    anchor: Instant,
    phase: Phase,
    seed: u64,
    ping_interval_ms: u32,
    pong_timeout_ms: u32,
    max_missed_pongs: u16,
    missed: u16,
    pings: u32,
    pongs: u32,
    latency_last_us: u32,
    latency_smoothed_us: u32,
    latency_max_us: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The peer was heard at `anchor`, and no ping waits for its pong.
    Quiet,
    /// The peer was heard at `anchor`; the last ping left that long before and has no pong yet.
    PongDue { sent_before_us: u32 },
    /// The `nth` ping in a row left at `anchor`. The peer had been silent before, so that a frame of that
    /// very instant is one that came after.
    Waiting { nth: u16 },
    /// Declared dead at `anchor`.
    Dead,
}

impl Heartbeat {
    /// Starts the heartbeat of a connection that was established at `now`.
    ///
    /// `seed` should be random and the peer must not know it. It decides where in the second half of
    /// the first interval the first ping goes, so that a wave of new connections does not ping in
    /// step, and it makes the payloads of pings unguessable, so that no peer can send a pong ahead
    /// of its ping and pretend to be near.
    #[must_use]
    pub fn new(config: HeartbeatConfig, now: Instant, seed: u64) -> Self {
        Self {
            last_seen: now,
            anchor: now,
            phase: Phase::Quiet,
            seed,
            ping_interval_ms: config.ping_interval_ms,
            pong_timeout_ms: config.pong_timeout_ms,
            max_missed_pongs: config.max_missed_pongs,
            missed: 0,
            pings: 0,
            pongs: 0,
            latency_last_us: 0,
            latency_smoothed_us: 0,
            latency_max_us: 0,
        }
    }

    /// A frame of any kind came: the peer lives. Costs a store, and moves no timer.
    #[inline]
    pub fn handle_frame(&mut self, now: Instant) {
        self.last_seen = now;
    }

    /// A pong came. Returns the round trip if it answers the last ping, `None` if it was unsolicited,
    /// answers an older ping or comes a second time. Counts as a frame, too, so that
    /// [`handle_frame`](Self::handle_frame) may be called or not, before or after.
    pub fn handle_pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        self.handle_frame(now);
        let sent_before_us = match self.phase {
            Phase::Waiting { .. } => 0,
            Phase::PongDue { sent_before_us } => sent_before_us,
            Phase::Quiet | Phase::Dead => return None,
        };
        if payload != self.payload() {
            return None;
        }
        let since_anchor = micros(now.saturating_duration_since(self.anchor));
        let round_trip_us = since_anchor.saturating_add(sent_before_us);
        self.phase = Phase::Quiet;
        self.anchor = now;
        self.measure(round_trip_us);
        Some(Duration::from_micros(round_trip_us.into()))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout). `None` once the peer is dead.
    ///
    /// It moves earlier never, and later only by [`handle_timeout`](Self::handle_timeout) or a pong
    /// that matches: whoever owns the timer need not arm it anew before it fires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Quiet | Phase::PongDue { .. } => Some(self.anchor + self.silence_allowed()),
            Phase::Waiting { .. } => Some(self.anchor + milliseconds(self.pong_timeout_ms)),
            Phase::Dead => None,
        }
    }

    /// The time is `now`. `None` means that the call was early or that traffic moved the deadline:
    /// read [`poll_timeout`](Self::poll_timeout) again in any case.
    ///
    /// Hand on what has been received before: a driver that slept too long may find the timer and the
    /// frame that it waited for ready together.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Action> {
        if now < self.poll_timeout()? {
            return None;
        }
        if self.was_heard() {
            self.settle();
            if now < self.poll_timeout()? {
                return None;
            }
        }
        match self.phase {
            Phase::Quiet | Phase::PongDue { .. } => Some(self.ping(1, now)),
            Phase::Waiting { nth } => {
                self.missed = self.missed.saturating_add(1);
                if nth < self.max_missed_pongs {
                    return Some(self.ping(nth + 1, now));
                }
                self.phase = Phase::Dead;
                self.anchor = now;
                Some(Action::DeclareDead)
            }
            Phase::Dead => None,
        }
    }

    /// Whether the peer lives as far as anyone can know: no ping was missed since its last frame.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.missed_in_a_row() == 0
    }

    /// Whether the peer was declared dead. A frame that comes later does not bring it back.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.phase == Phase::Dead
    }

    /// The settings that this heartbeat keeps.
    #[must_use]
    pub fn config(&self) -> HeartbeatConfig {
        HeartbeatConfig {
            ping_interval_ms: self.ping_interval_ms,
            pong_timeout_ms: self.pong_timeout_ms,
            max_missed_pongs: self.max_missed_pongs,
        }
    }

    /// What is known about the peer at `now`.
    #[must_use]
    pub fn stats(&self, now: Instant) -> HeartbeatStats {
        let latency = (self.pongs > 0).then(|| Latency {
            last: Duration::from_micros(self.latency_last_us.into()),
            smoothed: Duration::from_micros(self.latency_smoothed_us.into()),
            max: Duration::from_micros(self.latency_max_us.into()),
        });
        HeartbeatStats {
            latency,
            pings: self.pings,
            pongs: self.pongs,
            missed: u32::from(self.missed),
            missed_in_a_row: self.missed_in_a_row(),
            silent_for: now.saturating_duration_since(self.last_seen),
            healthy: self.is_healthy(),
        }
    }

    /// Whether the peer was heard since the phase began.
    fn was_heard(&self) -> bool {
        match self.phase {
            Phase::Waiting { .. } => self.last_seen >= self.anchor,
            Phase::Quiet | Phase::PongDue { .. } | Phase::Dead => self.last_seen > self.anchor,
        }
    }

    /// The peer's last frame begins a new silence.
    fn settle(&mut self) {
        debug_assert!(self.was_heard());
        let since_anchor = micros(self.last_seen.saturating_duration_since(self.anchor));
        self.phase = match self.phase {
            Phase::Quiet => Phase::Quiet,
            // A pong that is an hour late is no measure; it is forgotten where 32 bits end.
            Phase::PongDue { sent_before_us } => match sent_before_us.checked_add(since_anchor) {
                Some(sent_before_us) => Phase::PongDue { sent_before_us },
                None => Phase::Quiet,
            },
            Phase::Waiting { .. } => Phase::PongDue { sent_before_us: since_anchor },
            Phase::Dead => Phase::Dead,
        };
        self.anchor = self.last_seen;
    }

    fn ping(&mut self, nth: u16, now: Instant) -> Action {
        debug_assert!((1..=self.max_missed_pongs).contains(&nth));
        debug_assert!(self.last_seen < now, "nothing is asked of a peer that was heard just now");
        self.pings = self.pings.saturating_add(1);
        self.phase = Phase::Waiting { nth };
        self.anchor = now;
        Action::SendPing(self.payload())
    }

    /// The payload of the last ping, computed again instead of kept. The hash is keyed by the seed, so
    /// that payloads seen do not tell the next one.
    fn payload(&self) -> [u8; 8] {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write_u32(self.pings);
        hasher.finish().to_be_bytes()
    }

    fn measure(&mut self, round_trip_us: u32) {
        self.pongs = self.pongs.saturating_add(1);
        self.latency_last_us = round_trip_us;
        self.latency_max_us = self.latency_max_us.max(round_trip_us);
        self.latency_smoothed_us = if self.pongs == 1 {
            round_trip_us
        } else {
            // As TCP smooths its round trips (RFC 6298 section 2.3): an eighth of the new one.
            let weighted = u64::from(self.latency_smoothed_us) * 7 + u64::from(round_trip_us);
            u32::try_from(weighted / 8).unwrap_or(u32::MAX)
        };
    }

    /// How long the peer may be silent before it is pinged. Until the first ping this is shorter and
    /// different for each seed; afterwards the pings keep the distance that they got.
    fn silence_allowed(&self) -> Duration {
        if self.pings == 0 {
            self.config().first_wait(self.seed)
        } else {
            milliseconds(self.ping_interval_ms)
        }
    }

    fn missed_in_a_row(&self) -> u32 {
        match self.phase {
            Phase::Waiting { nth } if !self.was_heard() => u32::from(nth) - 1,
            Phase::Quiet | Phase::PongDue { .. } | Phase::Waiting { .. } => 0,
            Phase::Dead => u32::from(self.max_missed_pongs),
        }
    }
}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

/// Whole microseconds, at most the 71 minutes that fit. (`Duration::as_micros` computes in 128 bits.)
fn micros(duration: Duration) -> u32 {
    let micros = duration
        .as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(u64::from(duration.subsec_micros()));
    u32::try_from(micros).unwrap_or(u32::MAX)
}
