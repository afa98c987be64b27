//! What can be measured.

/// A scenario; the first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Echo,
    Request,
    FanOut,
    Idle,
    Connect,
}

/// Each with its name and a line of help.
pub(crate) const SCENARIOS: [(&str, Scenario, &str); 5] = [
    ("echo", Scenario::Echo, "messages that come back, in a closed loop or at a rate"),
    ("request", Scenario::Request, "requests and their answers, by templates"),
    ("fan-out", Scenario::FanOut, "messages of few publishers to many receivers"),
    ("idle", Scenario::Idle, "connections that do nothing: what one costs in memory"),
    ("connect", Scenario::Connect, "opening handshakes: a storm, or at a rate"),
];

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        SCENARIOS.iter().find(|(_, scenario, _)| *scenario == self).map_or("", |(name, ..)| name)
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        SCENARIOS.iter().find(|(known, ..)| *known == name).map(|(_, scenario, _)| *scenario)
    }
}
