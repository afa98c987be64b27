//! What is done to the house while it works, and when: all of it follows from the seed.

use std::fmt;

use fastrand::Rng;

/// One thing that happens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Milliseconds since the publishers began.
    pub(crate) at: u64,
    /// Until it is healed, in ms.
    pub(crate) lasting: u64,
    pub(crate) kind: Kind,
    /// Which gateway, or the one at the other end of the connection.
    pub(crate) gateway: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `kill -9`; afterwards it is started again.
    GatewayKilled,
    /// SIGSTOP; afterwards it goes on as if nothing had been.
    GatewayPaused,
    EngineKilled,
    EnginePaused,
    /// SIGTERM, and started again.
    EngineRestarted,
    /// Every connection of clients to the gateway breaks; those that follow are taken.
    ClientsCut,
    /// What clients and gateway say to one another comes later.
    ClientsDelayed,
    /// Nothing of it comes, and nothing breaks.
    ClientsStalled,
    EngineCut,
    EngineDelayed,
    EngineStalled,
}

/// What may happen in this house.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Possible {
    pub(crate) gateways: usize,
    /// Whether the gateway may be killed: not where all is gone with it.
    pub(crate) gateways_killed: bool,
    /// Whether there is a server behind the gateways.
    pub(crate) engine: bool,
}

/// All that happens, one after the other, without an end. Nothing happens twice to the same thing at once.
#[derive(Debug)]
pub(crate) struct Timeline {
    random: Rng,
    possible: Possible,
    now: u64,
    /// Until when each process and each link is busy: the engine, then gateways, links to clients, links to
    /// the engine.
    busy: Vec<u64>,
}

const GATEWAY: [Kind; 2] = [Kind::GatewayKilled, Kind::GatewayPaused];
const CLIENTS: [Kind; 3] = [Kind::ClientsCut, Kind::ClientsDelayed, Kind::ClientsStalled];
const ENGINE: [Kind; 3] = [Kind::EngineKilled, Kind::EnginePaused, Kind::EngineRestarted];
const LINK: [Kind; 3] = [Kind::EngineCut, Kind::EngineDelayed, Kind::EngineStalled];
/// Between one beginning and the next, in ms: more often than things heal.
const BETWEEN: std::ops::Range<u64> = 200..1_600;
/// What was healed is left alone for a while, so that there is something to be broken again.
const REST: u64 = 700;

impl Timeline {
    pub(crate) fn new(seed: u64, possible: Possible) -> Self {
        let things = 1 + 3 * possible.gateways;
        Self { random: Rng::with_seed(seed), possible, now: 0, busy: vec![0; things] }
    }

    fn pick(&mut self) -> (Kind, usize) {
        let gateway = self.random.usize(..self.possible.gateways);
        let mut kinds = CLIENTS.to_vec();
        kinds.extend(&GATEWAY[usize::from(!self.possible.gateways_killed)..]);
        if self.possible.engine {
            kinds.extend(ENGINE.iter().chain(&LINK));
        }
        (kinds[self.random.usize(..kinds.len())], gateway)
    }

    fn thing(&self, kind: Kind, gateway: usize) -> usize {
        let gateways = self.possible.gateways;
        match kind {
            Kind::EngineKilled | Kind::EnginePaused | Kind::EngineRestarted => 0,
            Kind::GatewayKilled | Kind::GatewayPaused => 1 + gateway,
            Kind::ClientsCut | Kind::ClientsDelayed | Kind::ClientsStalled => {
                1 + gateways + gateway
            }
            Kind::EngineCut | Kind::EngineDelayed | Kind::EngineStalled => {
                1 + 2 * gateways + gateway
            }
        }
    }
}

impl Iterator for Timeline {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        loop {
            self.now += self.random.u64(BETWEEN);
            let (kind, gateway) = self.pick();
            let thing = self.thing(kind, gateway);
            if self.busy[thing] > self.now {
                continue;
            }
            let lasting = match kind.lasting() {
                range if range.is_empty() => 0,
                range => self.random.u64(range),
            };
            self.busy[thing] = self.now + lasting + REST;
            return Some(Fault { at: self.now, lasting, kind, gateway });
        }
    }
}

impl Kind {
    /// For how long, in ms. Some pauses outlast what a lease or a request waits for.
    fn lasting(self) -> std::ops::Range<u64> {
        match self {
            Self::GatewayKilled => 50..2_000,
            Self::EngineKilled => 50..3_000,
            Self::GatewayPaused => 200..5_000,
            Self::EnginePaused => 200..6_000,
            Self::EngineRestarted | Self::ClientsCut | Self::EngineCut => 0..0,
            Self::ClientsDelayed | Self::EngineDelayed => 500..4_000,
            Self::ClientsStalled | Self::EngineStalled => 300..4_000,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GatewayKilled => "gateway killed",
            Self::GatewayPaused => "gateway paused",
            Self::EngineKilled => "engine killed",
            Self::EnginePaused => "engine paused",
            Self::EngineRestarted => "engine restarted",
            Self::ClientsCut => "clients cut off",
            Self::ClientsDelayed => "clients delayed",
            Self::ClientsStalled => "clients stalled",
            Self::EngineCut => "engine cut off",
            Self::EngineDelayed => "engine delayed",
            Self::EngineStalled => "engine stalled",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasting, kind, gateway } = self;
        write!(f, "{:.1} s: {}, gateway {gateway}", *at as f64 / 1e3, kind.name())?;
        if *lasting > 0 { write!(f, ", for {lasting} ms") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Possible = Possible { gateways: 2, gateways_killed: true, engine: true };

    #[test]
    fn a_seed_tells_all_that_happens() {
        let first = |seed| Timeline::new(seed, ALL).take(200).collect::<Vec<_>>();
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn every_kind_happens_to_every_gateway_and_never_twice_at_once() {
        let faults: Vec<Fault> = Timeline::new(1, ALL).take(2_000).collect();
        let timeline = Timeline::new(1, ALL);
        for kind in GATEWAY.iter().chain(&CLIENTS).chain(&ENGINE).chain(&LINK) {
            for gateway in 0..2 {
                assert!(faults.iter().any(|it| (it.kind, it.gateway) == (*kind, gateway)));
            }
        }
        let mut free = [0; 7];
        for fault in faults {
            let thing = timeline.thing(fault.kind, fault.gateway);
            assert!(free[thing] <= fault.at, "{fault}");
            free[thing] = fault.at + fault.lasting;
        }
    }

    #[test]
    fn what_is_not_possible_does_not_happen() {
        let possible = Possible { gateways: 1, gateways_killed: false, engine: false };
        for fault in Timeline::new(3, possible).take(500) {
            assert_eq!(fault.gateway, 0);
            assert!(fault.kind == Kind::GatewayPaused || CLIENTS.contains(&fault.kind), "{fault}");
        }
    }
}
