//! Channels without I/O: names, permissions, subscriptions, presence, recent events.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(test)]
mod clock;
mod config;
mod connection_types;
mod error;
mod event_id;
mod name;
mod pattern;
mod permissions;
mod presence;
mod published_events;
mod rules;
mod seen_events;
mod subscriptions;

pub use config::{
    ConnectionTypeSpec, HistorySpec, OnLimit, OnOutage, PresenceConfig, PublishedEventsConfig,
    RuleSpec, SlowConsumer, SubscriptionLimits,
};
pub use connection_types::{
    ConnectionType, ConnectionTypes, Entered, Place, Places, Target, TypeFull,
};
pub use error::{
    NameError, PathError, PatternError, RuleError, RuleFault, SubscribeError, TypeError, TypeFault,
    UrlError,
};
pub use event_id::{EventId, EventIds};
pub use name::{ChannelKind, ChannelName};
pub use pattern::{Caller, Pattern};
pub use permissions::{Action, GrantError, Grants, Permissions};
pub use presence::{
    Announcement, Change, Departure, Difference, Holder, Part, Presence, PresenceEvent,
    PresenceStats, Progress, Restated, Statement, Turn,
};
pub use published_events::{PublishedEvents, PublishedEventsStats};
pub use rules::{ChannelRule, ChannelRules, Denial, DenialCause, History};
pub use seen_events::{SeenEvents, SeenEventsStats};
pub use subscriptions::{
    Arrival, Channel, Continuity, Left, Members, Position, Publication, Subscribed, Subscriber,
    SubscriptionStats, Subscriptions,
};
