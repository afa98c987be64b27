//! What a handler is told about its channels.

use std::{num::NonZeroU16, sync::Arc};

use ws_channels::{
    ChannelRules, ConnectionTypes, PresenceConfig, PublishedEventsConfig, SubscriptionLimits,
};

use super::outward::Outward;

/// Which channels there are, who may do what in them, and how much of everything.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Who may do what. Without a rule, all but reserved channels may be used.
    pub rules: Arc<ChannelRules>,
    /// How many subscriptions there may be.
    pub limits: SubscriptionLimits,
    /// What is told of who comes and goes.
    pub presence: PresenceConfig,
    /// Up to so many users are named to whoever asks who is there; of more, only the number is told.
    pub presence_users_max: usize,
    /// For how long an event that is published again is not delivered again; `None`: it always is.
    pub published: Option<PublishedEventsConfig>,
    /// How many events each client is remembered to have been sent, 19 bytes each; `None`: an event
    /// that comes in two ways is sent twice.
    pub event_cache: Option<NonZeroU16>,
    /// Bytes of publishes that may wait for the engine while it is away, where a rule lets them wait.
    pub backlog_bytes_max: usize,
    /// Who is told of what is published through this node.
    pub outward: Option<Arc<dyn Outward>>,
    /// What the paths of upgrades mean.
    pub types: Arc<ConnectionTypes>,
}

impl ChannelSettings {
    /// Users that are named by default.
    pub const PRESENCE_USERS_MAX: usize = 100;
    /// What may wait for the engine by default.
    pub const BACKLOG_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// Events that are remembered of each client by default.
    pub const EVENT_CACHE: NonZeroU16 = NonZeroU16::new(1000).unwrap();
}

impl Default for ChannelSettings {
    /// Open to whoever has authenticated; no connection types.
    fn default() -> Self {
        Self {
            rules: Arc::new(ChannelRules::open()),
            limits: SubscriptionLimits::default(),
            presence: PresenceConfig::default(),
            presence_users_max: Self::PRESENCE_USERS_MAX,
            published: Some(PublishedEventsConfig::default()),
            event_cache: Some(Self::EVENT_CACHE),
            backlog_bytes_max: Self::BACKLOG_BYTES_MAX,
            outward: None,
            types: Arc::default(),
        }
    }
}
