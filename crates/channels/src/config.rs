//! What can be set, with what it costs.

use std::time::Duration;

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
