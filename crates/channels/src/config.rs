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
    /// Only events of these names may be published by clients; `None`: any, or none at all. Says nothing
    /// where clients may not publish.
    pub allowed_events: Option<Vec<String>>,
    /// How often a user may publish to one channel.
    pub rate_limit_per_second: Option<u32>,
    /// What is kept for those who come back. Who may subscribe may ask for it.
    pub history: Option<HistorySpec>,
    /// What becomes of a subscriber that does not keep up.
    pub slow_consumer: SlowConsumer,
    /// What becomes of a publish while the engine between nodes is away; `None`: it is refused where there is
    /// a history, and stays on its node where there is none.
    pub on_outage: Option<OnOutage>,
}

/// How much of each channel is kept, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySpec {
    /// The last so many messages: memory for channels × size messages, at worst.
    pub size: u32,
    /// None that is older.
    pub ttl: Duration,
}

impl HistorySpec {
    /// As many messages as one client may have to be given again.
    pub const SIZE_MAX: u32 = 1_000_000;
    /// Longer than that it is an archive, for which there are databases.
    pub const TTL_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
}

/// What becomes of a publish while the engine is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// The publisher is told that it cannot be done.
    Refuse,
    /// It reaches those who are connected to the same node, and nobody else.
    Local,
    /// It waits for the engine, within a bound.
    Queue,
}

impl OnOutage {
    /// All of them, in the order in which they are explained.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Local, Self::Queue];

    /// The spelling in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Local => "local",
            Self::Queue => "queue",
        }
    }
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

/// What rooms are told of who comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceConfig {
    /// How long after the last connection of a user is lost the room is told (default 15 s; zero: at
    /// once). Below the time in which clients reconnect, every tunnel is a coming and going.
    pub grace: Duration,
    /// Above so many users, changes are collected (default 50). Below, each change is told to
    /// everyone: n users who come one by one cost n² / 2 deliveries. Zero: always collected.
    pub batch_above: usize,
    /// For how long changes are collected (default 1 s). A large room in which something changes
    /// all the time costs one delivery for each user and interval.
    pub batch_interval: Duration,
    /// How many who came, and how many who left, a difference names at most (default 100); the others
    /// are counted. Bounds the size of what everyone in a large room is sent.
    pub batch_names_max: usize,
    /// How many users may be in their grace period at once, in all rooms (default 1,000,000, some 170
    /// bytes each). Above, rooms are told at once.
    pub absent_max: usize,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(15),
            batch_above: 50,
            batch_interval: Duration::from_secs(1),
            batch_names_max: 100,
            absent_max: 1_000_000,
        }
    }
}

/// For how long it is remembered which events were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedEventsConfig {
    /// For so long an event of the same name is a repetition (default 2 min). Longer than clients try
    /// again.
    pub window: Duration,
    /// So many events of one channel (default 1,000), some 50 bytes each. A busier channel has a
    /// shorter window.
    pub events_per_channel_max: NonZeroUsize,
    /// So many of all channels (default 1,000,000: 50 MB, and some 150 bytes for each channel). Beyond,
    /// channels in which nothing was published for longest are forgotten.
    pub events_max: NonZeroUsize,
}

impl Default for PublishedEventsConfig {
    fn default() -> Self {
        const {
            Self {
                window: Duration::from_secs(120),
                events_per_channel_max: NonZeroUsize::new(1_000).unwrap(),
                events_max: NonZeroUsize::new(1_000_000).unwrap(),
            }
        }
    }
}

/// One connection type as it is written.
///
/// [`ConnectionTypes::compile`](crate::ConnectionTypes::compile) checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTypeSpec {
    /// Which URLs: `/ws/chat/{session_id}`. A parameter is one whole segment.
    pub path: String,
    /// How many connections at once for each value of `per`; `None`: any number.
    pub max: Option<u32>,
    /// The parameter by which connections are counted; `None`: all of the type are counted together.
    pub per: Option<String>,
    /// Whether `{user_id}` in the URL must be the caller.
    pub owner: bool,
    /// The channels that such a connection is in by itself: `chat:{session_id}`.
    pub channels: Vec<String>,
    /// What happens when there are as many as there may be and one more comes.
    pub on_limit: OnLimit,
    /// The address to which such a connection is a tunnel: `127.0.0.1:22`, `{host}:22`; `None`: it is none,
    /// and speaks the gateway's protocol.
    pub tunnel: Option<String>,
}

/// What happens when a connection comes that is one too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnLimit {
    /// It is closed.
    #[default]
    Reject,
    /// The one that has been there longest is closed.
    CloseOldest,
}

impl OnLimit {
    /// The spelling in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::CloseOldest => "close-oldest",
        }
    }

    /// The one that is spelled so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Reject, Self::CloseOldest].into_iter().find(|choice| choice.name() == name)
    }
}

impl ConnectionTypeSpec {
    /// The types that there are when none is configured.
    #[must_use]
    pub fn default_table() -> Vec<Self> {
        let table = [
            ("/ws/chat/{session_id}", 1, "session_id", false, "chat:{session_id}"),
            ("/ws/agent-status/{user_id}", 1, "user_id", true, "agent:{user_id}"),
            ("/ws/trips/{trip_id}/collab", 3, "trip_id", false, "trip:{trip_id}"),
            ("/ws/notifications/{user_id}", 1, "user_id", true, "notifications:{user_id}"),
        ];
        let spec = |(path, max, per, owner, channel): (&str, u32, &str, bool, &str)| Self {
            path: path.into(),
            max: Some(max),
            per: Some(per.into()),
            owner,
            channels: vec![channel.into()],
            on_limit: OnLimit::Reject,
            tunnel: None,
        };
        table.map(spec).into()
    }
}
