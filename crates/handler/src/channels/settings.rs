//! What a handler is told about its channels.

use std::{num::NonZeroU16, sync::Arc};

use ws_channels::{PresenceConfig, PublishedEventsConfig};

use super::outward::Outward;

/// What is told and remembered of channels, for as long as the handler lives. Who may do what in them is a
/// matter of the [`Policy`](crate::Policy).
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// What is told of who comes and goes.
    pub presence: PresenceConfig,
    /// For how long an event that is published again is not delivered again; `None`: it always is.
    pub published: Option<PublishedEventsConfig>,
    /// How many events each client is remembered to have been sent, 19 bytes each; `None`: an event
    /// that comes in two ways is sent twice.
    pub event_cache: Option<NonZeroU16>,
    /// Bytes of publishes that may wait for the engine while it is away, where a rule lets them wait.
    pub backlog_bytes_max: usize,
    /// Who is told of what is published through this node.
    pub outward: Option<Arc<dyn Outward>>,
}

impl ChannelSettings {
    /// What may wait for the engine by default.
    pub const BACKLOG_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// Events that are remembered of each client by default.
    pub const EVENT_CACHE: NonZeroU16 = NonZeroU16::new(1000).unwrap();
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            presence: PresenceConfig::default(),
            published: Some(PublishedEventsConfig::default()),
            event_cache: Some(Self::EVENT_CACHE),
            backlog_bytes_max: Self::BACKLOG_BYTES_MAX,
            outward: None,
        }
    }
}
