//! What befalls connections, and when: by a seed, so that it can be had again.

use std::time::Duration;

/// What the proxy does to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Ends it, as one who closes a socket does.
    Cut,
    /// Ends it so that what was on its way is gone, mostly in the middle of a frame.
    Reset,
    /// Takes everything from then on and hands nothing on.
    HalfOpen,
    /// Lets nothing pass for a while.
    Stall,
    /// Lets little pass at a time, for a while.
    Slow,
    /// Answers the upgrade itself, by 502.
    BadGateway,
    /// Lets the upgrade wait.
    Delay,
}

/// What lies before one connection, counted in bytes that it carries in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Before it is carried at all: `Delay` or `BadGateway`.
    pub(crate) upgrade: Option<Fault>,
    /// A `Stall` or `Slow` that begins after so many bytes, and how long it lasts.
    pub(crate) trouble: Option<(Fault, usize, Duration)>,
    /// How it ends, and after how many bytes: `Cut`, `Reset` or `HalfOpen`.
    pub(crate) end: Option<(Fault, usize)>,
}

impl Fate {
    /// Nothing happens to it.
    pub(crate) const FAIR: Self = Self { upgrade: None, trouble: None, end: None };
}

/// Where fates come from.
#[derive(Clone, Debug)]
pub(crate) enum Weather {
    Fair,
    /// Every connection ends after so many bytes on average, and one in three has trouble before.
    Storm {
        dice: Dice,
        bytes: usize,
    },
    /// The next ones meet with these, and those after them with nothing.
    Planned(std::collections::VecDeque<Fate>),
}

impl Weather {
    pub(crate) fn storm(seed: u64, bytes: usize) -> Self {
        Self::Storm { dice: Dice::new(seed), bytes }
    }

    /// What lies before the next connection.
    pub(crate) fn next(&mut self) -> Fate {
        match self {
            Self::Fair => Fate::FAIR,
            Self::Planned(fates) => fates.pop_front().unwrap_or(Fate::FAIR),
            Self::Storm { dice, bytes } => {
                let upgrade = match dice.roll(100) {
                    0..3 => Some(Fault::BadGateway),
                    3..8 => Some(Fault::Delay),
                    _ => None,
                };
                // Some are cut in the middle of the handshakes, of TLS and of the WebSocket, most when they
                // have carried something.
                let life = match dice.roll(25) {
                    0 => dice.roll(3_000),
                    _ => *bytes / 4 + dice.roll(3 * *bytes / 2),
                };
                let trouble = match dice.roll(9) {
                    0 => Some((Fault::Stall, dice.roll(life + 1), millis(20 + dice.roll(80)))),
                    1 => Some((Fault::Slow, dice.roll(life + 1), millis(10 + dice.roll(30)))),
                    _ => None,
                };
                let end = match dice.roll(50) {
                    0 => Fault::HalfOpen,
                    1..26 => Fault::Reset,
                    _ => Fault::Cut,
                };
                Fate { upgrade, trouble, end: Some((end, life)) }
            }
        }
    }
}

fn millis(number: usize) -> Duration {
    Duration::from_millis(number as u64)
}

/// Numbers that look random and are the same in every run.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides.max(1)
    }
}
