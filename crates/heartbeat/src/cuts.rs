//! What cuts connections: a narrow peak in how long they lasted, or had been silent, says who.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

/// Cuts that are remembered: the last ones.
const REMEMBERED: usize = 1024;
/// A peak of fewer says nothing.
const LEAST: usize = 20;
/// Whoever goes sooner than this has gone by itself, or could not come in the first place.
const SOONEST_MS: u64 = 5_000;
/// A peak is as wide as this to either side of its middle, or this part of it.
const HALF_WIDTH_MS: u64 = 1_000;
const HALF_WIDTH_PART: u64 = 100;
/// What all happened within so long was one event, such as a proxy that was started anew, and no timeout.
const ONE_EVENT_MS: u64 = 10_000;

/// Looks for what connections that broke have in common.
///
/// Tell it of each connection that ended without a goodbye, and ask it now and then whom it suspects. A
/// timeout of somebody on the path, such as a proxy's or a router's, cuts at the same age again and again,
/// or after the same silence; whatever else breaks connections does not. It remembers the last 1024 cuts, 24
/// bytes each.
#[derive(Debug)]
pub struct Cuts {
    began: Instant,
    cuts: VecDeque<Cut>,
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    at_ms: u64,
    age_ms: u64,
    /// `u64::MAX` where it is not known.
    silence_ms: u64,
}

/// What most of the cuts have in common, and who does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Who.
    pub culprit: Culprit,
    /// After how long it cuts.
    pub after: Duration,
    /// How far the cuts are from that, at most.
    pub within: Duration,
    /// How many cuts are so near.
    pub cuts: usize,
    /// Of how many.
    pub of: usize,
    /// When silent peers are pinged, if they are.
    pub ping_interval: Option<Duration>,
}

/// Who cuts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// Somebody on the path drops connections on which nothing passes, and does so before a ping is due.
    IdleTimeout,
    /// Somebody lets connections last so long and no longer, whatever passes on them.
    Lifetime,
}

impl Cuts {
    /// None yet.
    pub const fn new(now: Instant) -> Self {
        Self { began: now, cuts: VecDeque::new() }
    }

    /// A connection of that age broke. `silence` is how long nothing had come from the peer; leave it out
    /// where the silence is what the connection was ended for, and so says nothing of others.
    pub fn handle_cut(&mut self, age: Duration, silence: Option<Duration>, now: Instant) {
        if self.cuts.len() == REMEMBERED {
            self.cuts.pop_front();
        }
        self.cuts.push_back(Cut {
            at_ms: millis(now.saturating_duration_since(self.began)),
            age_ms: millis(age),
            silence_ms: silence.map_or(u64::MAX, millis),
        });
    }

    /// Forgets what was cut before that: whoever did it may be mended by now, and where few connections break
    /// nothing else would ever take its place.
    pub fn forget_before(&mut self, then: Instant) {
        let then_ms = millis(then.saturating_duration_since(self.began));
        let old = self.cuts.iter().take_while(|cut| cut.at_ms < then_ms).count();
        self.cuts.drain(..old);
    }

    /// How many cuts are remembered.
    pub fn len(&self) -> usize {
        self.cuts.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.cuts.is_empty()
    }

    /// Who is behind at least half of the cuts, if anybody is. Sorts what is remembered, so that it is for
    /// a look now and then and not for each cut.
    pub fn suspect(&self, ping_interval: Option<Duration>) -> Option<Suspect> {
        // Whoever forgets a connection that is silent is heard of with our ping, and not before.
        let due_ms = ping_interval.map_or(u64::MAX, |due| millis(due) + HALF_WIDTH_MS);
        let silences = self.peak(|cut| cut.silence_ms).filter(|peak| peak.middle_ms() <= due_ms);
        let (culprit, peak) = match silences {
            Some(peak) => (Culprit::IdleTimeout, peak),
            None => {
                let peak = self.peak(|cut| cut.age_ms)?;
                let is_before_pings = peak.middle_ms() < due_ms;
                let idle = is_before_pings && self.were_silent(&peak);
                (if idle { Culprit::IdleTimeout } else { Culprit::Lifetime }, peak)
            }
        };
        Some(Suspect {
            culprit,
            after: Duration::from_millis(peak.middle_ms()),
            within: Duration::from_millis(((peak.last_ms - peak.first_ms) / 2).max(HALF_WIDTH_MS)),
            cuts: peak.cuts,
            of: self.cuts.len(),
            ping_interval,
        })
    }

    /// The narrow range with the most cuts, if it has enough and they are no single event.
    fn peak(&self, value_of: impl Fn(&Cut) -> u64) -> Option<Peak> {
        let mut cuts: Vec<(u64, u64)> =
            self.cuts.iter().map(|cut| (value_of(cut), cut.at_ms)).collect();
        cuts.retain(|(value, _)| (SOONEST_MS..u64::MAX).contains(value));
        cuts.sort_unstable();
        let (mut first, mut best) = (0, 0..0);
        for last in 0..cuts.len() {
            while cuts[last].0 - cuts[first].0 > 2 * half_width(cuts[first].0) {
                first += 1;
            }
            if last + 1 - first > best.len() {
                best = first..last + 1;
            }
        }
        if best.len() < LEAST || best.len() * 2 < self.cuts.len() {
            return None;
        }
        let (first_ms, last_ms) = (cuts[best.start].0, cuts[best.end - 1].0);
        let mut at: Vec<u64> = cuts[best].iter().map(|(_, at)| *at).collect();
        at.sort_unstable();
        // Nine of ten, so that a straggler does not make several events of one.
        let (early, late) = (at[at.len() / 20], at[at.len() - 1 - at.len() / 20]);
        let is_one_event = late - early < ONE_EVENT_MS.max(4 * half_width(first_ms));
        (!is_one_event).then_some(Peak { first_ms, last_ms, cuts: at.len() })
    }

    /// Whether those that were cut at that age had been silent since they came, as far as is known.
    fn were_silent(&self, peak: &Peak) -> bool {
        let is_in = |cut: &&Cut| (peak.first_ms..=peak.last_ms).contains(&cut.age_ms);
        let spoke = |cut: &&Cut| {
            cut.silence_ms != u64::MAX && cut.silence_ms + 2 * half_width(cut.age_ms) < cut.age_ms
        };
        self.cuts.iter().filter(is_in).filter(spoke).count() * 2 < peak.cuts
    }
}

#[derive(Debug)]
struct Peak {
    first_ms: u64,
    last_ms: u64,
    cuts: usize,
}

impl Peak {
    const fn middle_ms(&self) -> u64 {
        u64::midpoint(self.first_ms, self.last_ms)
    }
}

impl Suspect {
    /// The part of all cuts, in percent.
    pub const fn percent(&self) -> usize {
        self.cuts * 100 / self.of
    }
}

impl Culprit {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::IdleTimeout, Self::Lifetime];

    /// A stable word for metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::Lifetime => "lifetime",
        }
    }
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| (time.as_millis() + 500) / 1000;
        let (percent, after, within) = (self.percent(), seconds(self.after), seconds(self.within));
        write!(f, "{percent} % of abnormal ends at {after} s ± {within}: ")?;
        match (self.culprit, self.ping_interval) {
            (Culprit::IdleTimeout, Some(interval)) => write!(
                f,
                "an idle timeout on the path is shorter than PING_INTERVAL ({} s)",
                seconds(interval)
            ),
            (Culprit::IdleTimeout, None) => {
                f.write_str("an idle timeout on the path, and nobody pings")
            }
            (Culprit::Lifetime, _) => f.write_str(
                "somebody on the path, or the clients themselves, let a connection last no longer",
            ),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1)
}

fn half_width(value_ms: u64) -> u64 {
    HALF_WIDTH_MS.max(value_ms / HALF_WIDTH_PART)
}

#[cfg(test)]
mod tests;
