//! Channels without I/O: names, permissions, subscriptions, presence, recent events.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(test)]
mod clock;
mod config;
mod error;
mod name;
mod pattern;
mod permissions;
mod presence;
mod rules;
mod subscriptions;

pub use config::{HistorySpec, PresenceConfig, RuleSpec, SlowConsumer, SubscriptionLimits};
pub use error::{NameError, PatternError, RuleError, RuleFault, SubscribeError};
pub use name::{ChannelKind, ChannelName};
pub use pattern::{Caller, Pattern};
pub use permissions::{Action, GrantError, Grants, Permissions};
pub use presence::{
    Announcement, Change, Departure, Difference, Presence, PresenceEvent, PresenceStats,
};
pub use rules::{ChannelRule, ChannelRules, Denial, DenialCause, History};
pub use subscriptions::{
    Arrival, Channel, Continuity, Left, Members, Position, Publication, Subscribed, Subscriber,
    SubscriptionStats, Subscriptions,
};
