//! What can be measured.

/// A scenario; the first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Echo,
    Request,
    FanOut,
    Idle,
    Connect,
    Churn,
    Slow,
    Reconnect,
}

/// Each with its name and a line of help.
pub(crate) const SCENARIOS: [(&str, Scenario, &str); 8] = [
    ("echo", Scenario::Echo, "messages that come back, in a closed loop or at a rate"),
    ("request", Scenario::Request, "requests and their answers, by templates"),
    ("fan-out", Scenario::FanOut, "messages of few publishers to many receivers"),
    ("idle", Scenario::Idle, "connections that do nothing: what one costs in memory"),
    ("connect", Scenario::Connect, "opening handshakes: a storm, or at a rate"),
    ("churn", Scenario::Churn, "connections that come, ask, go and come again"),
    ("slow", Scenario::Slow, "a fan-out of which some read slowly or not at all"),
    ("reconnect", Scenario::Reconnect, "all are dropped at once and come back"),
];

impl Scenario {
    /// Whether opening connections is what is measured.
    pub(crate) fn measures_connects(self) -> bool {
        matches!(self, Self::Connect | Self::Churn | Self::Reconnect)
    }

    /// Whether a run without a message has measured nothing.
    pub(crate) fn waits_for_messages(self) -> bool {
        !matches!(self, Self::Idle | Self::Connect | Self::Churn | Self::Reconnect)
    }

    /// Whether messages go from publishers to receivers.
    pub(crate) fn fans_out(self) -> bool {
        matches!(self, Self::FanOut | Self::Slow)
    }

    pub(crate) fn name(self) -> &'static str {
        SCENARIOS.iter().find(|(_, scenario, _)| *scenario == self).map_or("", |(name, ..)| name)
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        SCENARIOS.iter().find(|(known, ..)| *known == name).map(|(_, scenario, _)| *scenario)
    }
}
