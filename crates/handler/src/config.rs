//! What a handler is told when it is built.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use ws_broker::{Engine, InboxConfig, Memory};
use ws_compression::CompressionManager;
use ws_frame_validator::FrameSizeValidator;
use ws_rate_limiter::{AnyLimit, IpKey, KeyedLimiter, Ladder, TieredLimiter, TokenBucket};

use crate::{
    channels::settings::ChannelSettings, costs::Costs, leasing::ClusterLimits, policy::Policy,
    revoking::RevocationConfig,
};

/// When a client must say who it is (DESIGN §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMode {
    /// With the upgrade, or 401.
    Upgrade,
    /// With the upgrade, or with its first message within the deadline, or 1008. A token that is
    /// sent with the upgrade and is bad is answered 401 all the same.
    Message {
        /// How long the first message may take.
        timeout: Duration,
        /// How many connections may wait for theirs at once; more are answered 503.
        pending_max: usize,
    },
    /// Never: whoever connects is served.
    None,
}

impl Default for AuthMode {
    /// By message within 5 s, ten thousand at once.
    fn default() -> Self {
        Self::Message { timeout: Duration::from_secs(5), pending_max: 10_000 }
    }
}

/// The limits of a handler; each is shared by all its connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections of the whole server; `None` is no limit.
    pub connections_max: Option<NonZeroUsize>,
    /// Connections of one user; `None` is no limit. One more is accepted and closed with 1008, for a
    /// browser cannot read the body of a refusal.
    pub connections_per_user_max: Option<NonZeroUsize>,
    /// Connects by address (IPv6 by /64); `None` is no limit.
    pub connects: Option<Arc<KeyedLimiter<IpKey, TokenBucket>>>,
    /// Messages of a user, by the tier that its token names; where nobody authenticates, of an
    /// address. `None` is no limit.
    pub messages: Option<Arc<TieredLimiter<u64, AnyLimit>>>,
    /// What each message takes of that.
    pub costs: Costs,
    /// The limits of connects and messages for all nodes together; `None`: each node has its own.
    pub cluster: Option<Arc<ClusterLimits>>,
    /// What follows on messages that were denied.
    pub ladder: Ladder,
    /// Bytes that may wait for one client.
    pub outbox_bytes_max: usize,
}

impl Default for Limits {
    /// Five connections a user, 1 MiB of outbox, no other limit.
    fn default() -> Self {
        Self {
            connections_max: None,
            connections_per_user_max: NonZeroUsize::new(5),
            connects: None,
            messages: None,
            costs: Costs::default(),
            cluster: None,
            ladder: Ladder::default(),
            outbox_bytes_max: 1024 * 1024,
        }
    }
}

impl Limits {
    /// What is limited as it was before goes on counting where it was: nobody gains by a change of something
    /// else.
    pub(crate) fn go_on_from(&mut self, before: &Self) {
        if let (Some(connects), Some(known)) = (&mut self.connects, &before.connects)
            && connects.limit() == known.limit()
            && connects.capacity() == known.capacity()
        {
            known.set_mode(connects.mode());
            *connects = known.clone();
        }
        if let (Some(messages), Some(known)) = (&mut self.messages, &before.messages)
            && !Arc::ptr_eq(messages, known)
        {
            *messages = Arc::new(messages.going_on_from(known));
        }
        if let (Some(cluster), Some(known)) = (&mut self.cluster, &before.cluster)
            && let Some(cluster) = Arc::get_mut(cluster)
        {
            cluster.going_on_from(known);
            if let (Some(connects), Some(before)) = (&self.connects, &before.connects)
                && Arc::ptr_eq(connects, before)
            {
                cluster.go_on_with_connects(known, connects.mode());
            }
        }
    }
}

/// Everything about a handler but its authenticator, its application and its clock.
#[derive(Debug)]
pub struct HandlerConfig {
    /// What may change while it runs.
    pub policy: Policy,
    /// Compression, with its statistics.
    pub compression: CompressionManager,
    /// Statistics of message sizes, with the log of violations.
    pub validator: Arc<FrameSizeValidator>,
    /// What is told and remembered of channels.
    pub channels: ChannelSettings,
    /// What is between this node and others, and keeps what is to be kept. One handler has one engine to
    /// itself.
    pub engine: Arc<dyn Engine>,
    /// How much is kept for users who are away; `None`: nothing is.
    pub inbox: Option<InboxConfig>,
    /// How much is remembered of tokens that were taken back; `None`: none can be.
    pub revocation: Option<RevocationConfig>,
    /// Of how many users the last ends are kept, whoever ended last; some 1 KiB each, at most. 0: of none.
    pub past_ends_users_max: usize,
}

impl Default for HandlerConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            compression: CompressionManager::create_default(),
            validator: Arc::default(),
            channels: ChannelSettings::default(),
            engine: Arc::new(Memory::new()),
            inbox: None,
            revocation: None,
            past_ends_users_max: 8192,
        }
    }
}
