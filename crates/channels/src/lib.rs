//! Channels without I/O: names, permissions, subscriptions, presence, recent events.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod error;
mod name;
mod pattern;
mod permissions;
mod rules;

pub use config::{HistorySpec, RuleSpec, SlowConsumer};
pub use error::{NameError, PatternError, RuleError, RuleFault};
pub use name::{ChannelKind, ChannelName};
pub use pattern::{Caller, Pattern};
pub use permissions::{Action, GrantError, Grants, Permissions};
pub use rules::{ChannelRule, ChannelRules, Denial, DenialCause, History};
