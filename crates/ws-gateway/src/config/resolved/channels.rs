//! The settings of channels, of the back-ends' API, and of the hooks by which a back-end is asked.

use std::time::Duration;

use http::Uri;
use ws_channels::{ConnectionTypeSpec, RuleSpec};

use crate::config::Secret;

/// Who may use which channel, and how much of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    /// `[[channels]]` as they were written; they compile. Default: none, and with none whoever has
    /// authenticated may use all but the reserved channels.
    pub rules: Vec<RuleSpec>,
    /// `[[connection_types]]` as they were written; they compile. Default
    /// [`ConnectionTypeSpec::default_table`]; empty, written as `connection_types = []`: none.
    pub types: Vec<ConnectionTypeSpec>,
    /// In how many channels a connection may be. Default 100, never zero. Worst case of memory:
    /// connections × this × 32 bytes, and 200 bytes more where each is another channel.
    pub per_connection_max: u32,
    /// How many connections a channel may have. Default 1,000,000, never zero. Publishing costs in
    /// proportion.
    pub connections_per_channel_max: u32,
    /// How many channels there may be with at least one connection in them. Default 1,000,000, never
    /// zero; some 200 bytes each.
    pub channels_max: u32,
    /// Of how many events it is known that a client has been sent them. Default 1000; zero: none, and
    /// whatever comes is sent. Worst case of memory: connections × this × 19 bytes.
    pub event_cache_size: u16,
    /// For how long a second event of the same name in a channel is a repetition. Default 2 min;
    /// `None`, written as zero: never.
    pub event_window: Option<Duration>,
    /// How long after a user's last connection was lost a room is told. Default 15 s; zero: at once.
    pub presence_grace: Duration,
    /// Above how many users changes of a room are collected. Default 50; zero: always.
    pub presence_batch_above: u32,
    /// For how long they are collected. Default 1 s, never zero.
    pub presence_batch_interval: Duration,
    /// Up to how many users they are named when somebody asks who is there. Default 100; zero: they
    /// are only counted.
    pub presence_users_max: u32,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            types: ConnectionTypeSpec::default_table(),
            per_connection_max: 100,
            connections_per_channel_max: 1_000_000,
            channels_max: 1_000_000,
            event_cache_size: 1000,
            event_window: Some(Duration::from_secs(120)),
            presence_grace: Duration::from_secs(15),
            presence_batch_above: 50,
            presence_batch_interval: Duration::from_secs(1),
            presence_users_max: 100,
        }
    }
}

/// What back-ends may ask for over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiSettings {
    /// What `/api` demands as `Authorization: Bearer`: visible ASCII, at least 16 bytes outside `--dev`.
    /// Default `None`: there is no `/api`.
    pub key: Option<Secret>,
}

/// What a back-end is asked, or told, by POST. Each address is http or https, without user and
/// password; none is set by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// Whether a client that has authenticated may connect.
    pub connect: Option<Uri>,
    /// Whether it may subscribe to a channel that the rules allow it.
    pub subscribe: Option<Uri>,
    /// Whether it may publish what the rules allow it.
    pub publish: Option<Uri>,
    /// That it is gone. Its answer changes nothing.
    pub disconnected: Option<Uri>,
    /// How long an answer may take. Default 2 s, never zero.
    pub timeout: Duration,
    /// How many may be on their way at once. Default 256, never zero.
    pub concurrency_max: u32,
    /// What counts as the answer when there is none. Default [`HookFailure::Refuse`].
    pub failure: HookFailure,
}

impl HookSettings {
    /// The hooks that are set, each with its variable.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, &Uri)> {
        let hooks = [
            ("HOOK_CONNECT", &self.connect),
            ("HOOK_SUBSCRIBE", &self.subscribe),
            ("HOOK_PUBLISH", &self.publish),
            ("HOOK_DISCONNECTED", &self.disconnected),
        ];
        hooks.into_iter().filter_map(|(env, address)| Some((env, address.as_ref()?)))
    }
}

impl Default for HookSettings {
    fn default() -> Self {
        Self {
            connect: None,
            subscribe: None,
            publish: None,
            disconnected: None,
            timeout: Duration::from_secs(2),
            concurrency_max: 256,
            failure: HookFailure::default(),
        }
    }
}

/// What becomes of those who are asked about while the back-end does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookFailure {
    /// They are refused.
    #[default]
    Refuse,
    /// They are let through.
    Allow,
}
