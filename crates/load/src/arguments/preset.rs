//! Templates that come as a set.

use super::population::Side;
use crate::scenario::Scenario;

/// Whose messages are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// Payloads and nothing around them.
    Plain,
    /// The vocabulary of ws-gateway.
    Gateway,
}

impl Preset {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "plain" => Ok(Self::Plain),
            "gateway" => Ok(Self::Gateway),
            _ => Err(format!("`{name}` is neither plain nor gateway")),
        }
    }

    pub(super) fn message(self, scenario: Scenario) -> &'static str {
        match (self, scenario) {
            (Self::Plain, _) => "{payload}",
            (Self::Gateway, Scenario::FanOut | Scenario::Slow) => {
                r#"{"type":"publish","channel":"load","data":"{payload}"}"#
            }
            (Self::Gateway, _) => r#"{"type":"request","requestId":"{seq}","payload":"{payload}"}"#,
        }
    }

    pub(super) fn expect(self, scenario: Scenario) -> Option<&'static str> {
        match (self, scenario) {
            (Self::Plain, _) => None,
            (Self::Gateway, Scenario::FanOut | Scenario::Slow) => Some(r#""type":"message""#),
            (Self::Gateway, _) => Some(r#""type":"response""#),
        }
    }

    pub(super) fn on_open(self, scenario: Scenario) -> Option<&'static str> {
        match (self, scenario) {
            (Self::Gateway, Scenario::FanOut | Scenario::Slow) => {
                Some(r#"{"type":"subscribe","channel":"load"}"#)
            }
            _ => None,
        }
    }

    /// The subprotocol of the vocabulary.
    pub(super) fn protocol(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gateway => Some("ws-gateway.v1"),
        }
    }

    /// What a connection has to be told before it counts: the greeting of a server that has one, and
    /// for a receiver that it is subscribed, so that none misses the first publish.
    pub(super) fn until(self, scenario: Scenario, side: Side) -> Option<&'static str> {
        match (self, side) {
            (Self::Plain, _) => None,
            (Self::Gateway, Side::Receiver) if scenario.fans_out() => {
                Some(r#""type":"subscribed""#)
            }
            (Self::Gateway, _) => Some(r#""type":"connected""#),
        }
    }
}
