//! What became of all that back-ends were asked or told, and asked for.

use http::StatusCode;
use ws_handler::Counts;

use crate::metrics::PastLimits;

/// Counts of what back-ends were asked and told, and asked for, by what became of it.
#[derive(Debug, Default)]
pub struct Outcomes {
    requests: Counts<{ Outcome::LABELS.len() }>,
    hooks: Counts<{ Hook::LABELS.len() * HookOutcome::LABELS.len() }>,
    api: Counts<{ ApiOutcome::LABELS.len() }>,
    bridges: Counts<{ Passage::LABELS.len() }>,
    visits: Counts<{ Visit::LABELS.len() }>,
    past_limits: PastLimits,
}

/// How one request of a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Timeout,
    Unavailable,
    Failed,
    Busy,
    Unset,
}

/// How one request of a back-end was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiOutcome {
    Answered,
    /// Without the key.
    Unauthorized,
    /// It was not as it must be.
    Faulty,
    /// The gateway is on its way out.
    Draining,
    /// The engine is away, or has too much to do.
    Unavailable,
    Failed,
}

/// What became of one message at a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    In,
    /// It had come before.
    Repeated,
    /// It is neither JSON nor text.
    NotText,
    /// It could not be kept, or too many were on their way.
    NotKept,
    Out,
    /// The server was away.
    NotSent,
}

/// How one who wanted to look through the console was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    Opened,
    /// Without the key, or with a wrong one.
    Unauthorized,
    /// After too many wrong keys.
    Limited,
    /// From a page of another host.
    ForeignOrigin,
    /// As many look already as may.
    Full,
    /// The gateway is on its way out.
    Draining,
    /// The upgrade was not as it must be.
    Malformed,
}

/// What a back-end is asked or told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Connect,
    Subscribe,
    Publish,
    Disconnected,
}

/// What became of one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookOutcome {
    /// Asked, and it may be.
    Allowed,
    /// Asked, and it may not be.
    Refused,
    /// Told, and heard.
    Told,
    Timeout,
    Unavailable,
    Failed,
    /// Neither asked nor told: too many are waiting.
    Busy,
}

impl Outcome {
    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }

    const LABELS: [&'static str; 6] =
        ["answered", "timeout", "unavailable", "failed", "busy", "unset"];
}

impl ApiOutcome {
    const LABELS: [&'static str; 6] =
        ["answered", "unauthorized", "faulty", "draining", "unavailable", "failed"];

    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::SERVICE_UNAVAILABLE => Self::Draining,
            status if status.is_success() => Self::Answered,
            status if status.is_client_error() => Self::Faulty,
            _ => Self::Failed,
        }
    }
}

impl Passage {
    const LABELS: [&'static str; 6] = ["in", "repeated", "not_text", "not_kept", "out", "not_sent"];
}

impl Visit {
    const LABELS: [&'static str; 7] =
        ["opened", "unauthorized", "limited", "origin", "full", "draining", "malformed"];
}

impl Hook {
    const ALL: [Self; 4] = [Self::Connect, Self::Subscribe, Self::Publish, Self::Disconnected];
    pub(crate) const LABELS: [&'static str; 4] =
        ["connect", "subscribe", "publish", "disconnected"];

    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }
}

impl HookOutcome {
    const ALL: [Self; 7] = [
        Self::Allowed,
        Self::Refused,
        Self::Told,
        Self::Timeout,
        Self::Unavailable,
        Self::Failed,
        Self::Busy,
    ];
    const LABELS: [&'static str; 7] =
        ["allowed", "refused", "told", "timeout", "unavailable", "failed", "busy"];

    pub(crate) fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }

    /// Whether it can come of that hook: one that is only told neither allows nor refuses.
    fn comes_of(self, hook: Hook) -> bool {
        match self {
            Self::Allowed | Self::Refused => hook != Hook::Disconnected,
            Self::Told => hook == Hook::Disconnected,
            Self::Timeout | Self::Unavailable | Self::Failed | Self::Busy => true,
        }
    }
}

impl Outcomes {
    /// What limiters had counted that are there no more.
    pub(crate) fn past_limits(&self) -> &PastLimits {
        &self.past_limits
    }

    /// Label and count of each outcome of a client's request.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::LABELS.into_iter().zip(self.requests.totals())
    }

    /// Hook, label and count of each outcome of a hook.
    pub fn hook_totals(&self) -> Vec<(&'static str, &'static str, u64)> {
        let totals = self.hooks.totals();
        let pairs =
            Hook::ALL.into_iter().flat_map(|hook| HookOutcome::ALL.map(|outcome| (hook, outcome)));
        pairs
            .zip(totals)
            .filter(|((hook, outcome), _)| outcome.comes_of(*hook))
            .map(|((hook, outcome), total)| {
                (hook.label(), HookOutcome::LABELS[outcome as usize], total)
            })
            .collect()
    }

    /// Label and count of each outcome of a back-end's request.
    pub fn api_totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ApiOutcome::LABELS.into_iter().zip(self.api.totals())
    }

    /// Label and count of what became of messages at bridges.
    pub fn bridge_totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Passage::LABELS.into_iter().zip(self.bridges.totals())
    }

    /// Label and count of how those were answered who wanted to look through the console.
    pub fn visit_totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Visit::LABELS.into_iter().zip(self.visits.totals())
    }

    pub(crate) fn add_visit(&self, visit: Visit) {
        self.visits.add(visit as usize);
    }

    pub(crate) fn add_bridge(&self, passage: Passage) {
        self.bridges.add(passage as usize);
    }

    pub(crate) fn add_api(&self, outcome: ApiOutcome) {
        self.api.add(outcome as usize);
    }

    pub(crate) fn add(&self, outcome: Outcome) {
        self.requests.add(outcome as usize);
    }

    pub(crate) fn add_hook(&self, hook: Hook, outcome: HookOutcome) {
        self.hooks.add(hook as usize * HookOutcome::LABELS.len() + outcome as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_of_each_hook_is_counted_by_itself() {
        let outcomes = Outcomes::default();
        let mut expect = Vec::new();
        for hook in Hook::ALL {
            for outcome in HookOutcome::ALL.into_iter().filter(|it| it.comes_of(hook)) {
                let times = expect.len() as u64 + 1;
                (0..times).for_each(|_| outcomes.add_hook(hook, outcome));
                expect.push((hook.label(), HookOutcome::LABELS[outcome as usize], times));
            }
        }
        assert_eq!(outcomes.hook_totals(), expect);
        assert_eq!(expect.len(), 3 * 6 + 5);
    }
}
