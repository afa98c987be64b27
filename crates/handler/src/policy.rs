//! What may change while a handler runs: one value that is in force, and is exchanged as a whole.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use ws_auth::Origins;
use ws_broker::Keep;
use ws_channels::{ChannelName, ChannelRule, ChannelRules, ConnectionTypes, SubscriptionLimits};
use ws_connection::ConnectionConfig;
use ws_rate_limiter::{KeyedLimiter, TokenBucket};

use crate::{
    address::TrustedProxies,
    channels::feeds::keep_of,
    config::{AuthMode, Limits},
    gatekeeper::Gatekeeper,
    tunnels::Tunneling,
};

mod gist;

use gist::{Gist, GistCell};

/// Users and channels whose publishes are limited, and remembered for that.
const RATE_KEYS_MAX: usize = 100_000;

/// What a handler goes by, and may be told anew while it runs:
/// [`set_policy`](crate::WebSocketHandler::set_policy).
///
/// Who is judged is judged by one of them from beginning to end, never by half of each.
#[derive(Clone)]
pub struct Policy {
    /// The protocol of each connection: heartbeat, sizes, idle and close deadlines. Connections keep that
    /// with which they began.
    pub connection: Arc<ConnectionConfig>,
    /// When a client must say who it is. Who is served already goes on being served.
    pub auth_mode: AuthMode,
    /// The cookie that may carry a token; an allowlist of origins must go with it.
    pub auth_cookie: Option<Box<str>>,
    /// The web pages whose browsers may connect.
    pub origins: Origins,
    /// The proxies whose word on a client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// How much, how often, how many.
    pub limits: Limits,
    /// Who may do what in which channel. Without a rule, all but reserved channels may be used.
    pub rules: Arc<ChannelRules>,
    /// What the paths of upgrades mean.
    pub types: Arc<ConnectionTypes>,
    /// Who serves the types that are tunnels. `None`: who did so before, or nobody, and then their
    /// connections are closed with 1014.
    pub tunnels: Option<Arc<dyn Tunneling>>,
    /// How many subscriptions there may be.
    pub subscriptions: SubscriptionLimits,
    /// Up to so many users are named to whoever asks who is there; of more, only the number is told.
    pub presence_users_max: usize,
    /// Who has the last word on who may connect, subscribe and publish.
    pub gatekeeper: Option<Arc<dyn Gatekeeper>>,
    /// Whether JSON pings go out beside control pings, for clients that cannot see the latter.
    pub json_ping: bool,
    /// What `connected` announces as `heartbeatMs`.
    pub heartbeat_ms: u64,
}

impl Policy {
    /// Users that are named by default.
    pub const PRESENCE_USERS_MAX: usize = 100;

    /// With somebody who serves the types that are tunnels.
    #[must_use]
    pub fn with_tunnels(mut self, tunnels: impl Tunneling) -> Self {
        self.tunnels = Some(Arc::new(tunnels));
        self
    }
}

impl Default for Policy {
    /// Whoever has authenticated may use any channel but reserved ones; no connection types.
    fn default() -> Self {
        Self {
            connection: Arc::new(ConnectionConfig::server()),
            auth_mode: AuthMode::default(),
            auth_cookie: None,
            origins: Origins::any(),
            trusted_proxies: TrustedProxies::default(),
            limits: Limits::default(),
            rules: Arc::new(ChannelRules::open()),
            types: Arc::default(),
            tunnels: None,
            subscriptions: SubscriptionLimits::default(),
            presence_users_max: Self::PRESENCE_USERS_MAX,
            gatekeeper: None,
            json_ping: false,
            heartbeat_ms: 30_000,
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("auth_mode", &self.auth_mode)
            .field("limits", &self.limits)
            .field("rules", &self.rules)
            .field("types", &self.types)
            .finish_non_exhaustive()
    }
}

/// The policy that is in force at the moment of asking. Let it go soon: as long as it is held, what it says
/// stays in memory.
pub struct CurrentPolicy(pub(crate) Guard<Arc<InForce>>);

impl Deref for CurrentPolicy {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.0.policy
    }
}

impl fmt::Debug for CurrentPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.policy.fmt(f)
    }
}

type Rate = Option<Arc<KeyedLimiter<u64, TokenBucket>>>;

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}

/// A policy, with what follows from it.
pub(crate) struct InForce {
    policy: Policy,
    /// Another number with each policy, round after round: who holds one sees by it that there is a later one.
    pub(crate) generation: u16,
    /// For each rule, how much is kept of its channels, if anything is.
    keeps: Box<[Option<Arc<Keep>>]>,
    pub(crate) has_keeps: bool,
    /// For each rule that has a limit, how often each user publishes to each of its channels.
    rates: Box<[Rate]>,
}

impl InForce {
    fn new(policy: Policy, event_window: Option<Duration>, before: Option<&Self>) -> Self {
        let rules = policy.rules.rules();
        let keeps: Box<[_]> = rules.iter().map(|rule| keep_of(rule, event_window)).collect();
        Self {
            generation: before.map_or(0, |before| before.generation.wrapping_add(1)),
            has_keeps: keeps.iter().any(Option::is_some),
            keeps,
            rates: rules.iter().map(|rule| rate_of(rule, before)).collect(),
            policy,
        }
    }

    /// How much is kept of the channels of a rule, if anything is. A rule of this policy.
    pub(crate) fn keep_of(&self, rule: &ChannelRule) -> Option<&Arc<Keep>> {
        self.keeps.get(rule.index())?.as_ref()
    }

    /// How much is kept of a channel, if anything is.
    pub(crate) fn keep(&self, name: &ChannelName) -> Option<&Arc<Keep>> {
        if !self.has_keeps {
            return None;
        }
        self.keep_of(self.policy.rules.rule_of(name)?)
    }

    /// What counts the publishes in the channels of a rule, if they are limited. An open table has none.
    pub(crate) fn rate_of(
        &self,
        rule: &ChannelRule,
    ) -> Option<&Arc<KeyedLimiter<u64, TokenBucket>>> {
        self.rates.get(rule.index())?.as_ref()
    }

    pub(crate) fn rates(&self) -> impl Iterator<Item = &Arc<KeyedLimiter<u64, TokenBucket>>> {
        self.rates.iter().flatten()
    }
}

impl Deref for InForce {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

/// A rule that says what it said before goes on counting where it was.
fn rate_of(rule: &ChannelRule, before: Option<&InForce>) -> Rate {
    let bucket = TokenBucket::per_second(rule.rate_limit_per_second()?);
    let same = |other: &&ChannelRule| other.pattern() == rule.pattern();
    let known = before.and_then(|before| {
        let other = before.policy.rules.rules().iter().find(same)?;
        before.rate_of(other).filter(|rate| *rate.limit() == bucket).cloned()
    });
    let capacity = const { std::num::NonZeroUsize::new(RATE_KEYS_MAX).unwrap() };
    Some(known.unwrap_or_else(|| Arc::new(KeyedLimiter::new(bucket, capacity))))
}

/// Holds the policy that is in force. Reading it takes no lock and touches nothing that other threads write.
pub(crate) struct Rulebook {
    current: ArcSwap<InForce>,
    gist: GistCell,
    event_window: Option<Duration>,
    /// Two changes at once come one after the other.
    changing: Mutex<()>,
}

impl Rulebook {
    pub(crate) fn new(policy: Policy, event_window: Option<Duration>) -> Self {
        let first = InForce::new(policy, event_window, None);
        let gist = GistCell::new(Gist::of(&first));
        let current = ArcSwap::from_pointee(first);
        Self { current, gist, event_window, changing: Mutex::default() }
    }

    #[inline]
    pub(crate) fn current(&self) -> Guard<Arc<InForce>> {
        self.current.load()
    }

    /// For who keeps it, and lets go of it when it is [no longer in force](Self::is_in_force).
    pub(crate) fn to_keep(&self) -> Arc<InForce> {
        self.current.load_full()
    }

    /// What there is in the policy that is in force, for who would look at it in vain.
    #[inline]
    pub(crate) fn gist(&self) -> Gist {
        self.gist.get()
    }

    /// Whether this is the policy that is in force. Once [`replace`](Self::replace) has returned, none before it is.
    #[inline]
    pub(crate) fn is_in_force(&self, known: &InForce) -> bool {
        known.generation == self.gist().generation
    }

    /// Puts another policy in force. Before it is, `get_ready` may look at both.
    pub(crate) fn replace<T>(
        &self,
        mut policy: Policy,
        get_ready: impl FnOnce(&InForce, &InForce) -> T,
    ) -> T {
        let _turn = self.changing.lock();
        let before = self.current.load_full();
        policy.limits.go_on_from(&before.policy.limits);
        policy.tunnels = policy.tunnels.or_else(|| before.policy.tunnels.clone());
        let next = InForce::new(policy, self.event_window, Some(&before));
        let ready = get_ready(&before, &next);
        self.gist.replace(Gist::of(&next), || self.current.store(Arc::new(next)));
        ready
    }
}
