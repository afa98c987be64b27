//! What can be set, with what it costs.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

/// One rule as it is written: what may be done with the channels that `pattern` means.
///
/// What is not said is not allowed. [`ChannelRules::compile`](crate::ChannelRules::compile) checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSpec {
    /// Which channels: `orders`, `chat:*`, `user:{user_id}:*`; see [`Pattern`](crate::Pattern).
    pub pattern: String,
    /// Whether clients may receive what is published.
    pub subscribe: bool,
    /// Whether clients may publish.
    pub publish: bool,
    /// Whether clients may ask and be told who is there.
    pub presence: bool,
    /// Only events of these names may be published by clients; `None`: any, or none at all.
    pub allowed_events: Option<Vec<String>>,
    /// How often a user may publish to one channel.
    pub rate_limit_per_second: Option<u32>,
    /// What is kept for those who come back. Who may subscribe may ask for it.
    pub history: Option<HistorySpec>,
    /// What becomes of a subscriber that does not keep up.
    pub slow_consumer: SlowConsumer,
}

/// How much of each channel is kept, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySpec {
    /// The last so many messages: memory for channels × size messages, at worst.
    pub size: u32,
    /// None that is older.
    pub ttl: Duration,
}

/// What becomes of a subscriber whose outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlowConsumer {
    /// It is closed, to come back later.
    #[default]
    Disconnect,
    /// What waits longest makes way.
    DropOldest,
    /// What comes now is not sent.
    DropNewest,
    /// Of what waits, only the newest for each key is sent.
    Conflate,
}

impl SlowConsumer {
    /// All of them, in the order in which they are explained.
    pub const ALL: [Self; 4] =
        [Self::Disconnect, Self::DropOldest, Self::DropNewest, Self::Conflate];

    /// The spelling in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
            Self::Conflate => "conflate",
        }
    }

    /// The one that is spelled so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// How many subscriptions there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionLimits {
    /// Of one connection (default 100). Costs 16 bytes each at the connection and some 16 in the
    /// channel, so 3 KB for a connection that uses all; and, where each is another channel, some 200 bytes
    /// more for each.
    pub channels_per_subscriber_max: NonZeroU32,
    /// In one channel (default 1,000,000). Publishing takes time in proportion; who subscribes or leaves
    /// meanwhile waits.
    pub subscribers_per_channel_max: NonZeroU32,
    /// Channels with at least one subscriber (default 1,000,000), some 200 bytes each. Bounds what clients
    /// can cost that each make as many channels as they may.
    pub channels_max: NonZeroUsize,
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        const {
            Self {
                channels_per_subscriber_max: NonZeroU32::new(100).unwrap(),
                subscribers_per_channel_max: NonZeroU32::new(1_000_000).unwrap(),
                channels_max: NonZeroUsize::new(1_000_000).unwrap(),
            }
        }
    }
}
