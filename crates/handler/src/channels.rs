//! What the channels of a handler share: rules, subscriptions, presence, recent events.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Instant,
};

use arc_swap::Guard;
use tokio::{runtime::Handle, sync::Notify};
use ws_auth::Identity;
use ws_channels::{
    Action, Caller, ChannelKind, ChannelName, ChannelRule, Denial, Grants, Permissions, Places,
    Presence, SlowConsumer, Subscriptions,
};
use ws_rate_limiter::Denied;
use ws_traces::Tracer;

use crate::{
    client::Client,
    clock::WallClock,
    cluster::Cluster,
    counts::Counts,
    policy::{InForce, Rulebook},
};

pub(crate) mod back_end;
pub(crate) mod backlog;
pub(crate) mod changing;
pub(crate) mod delivery;
pub(crate) mod events;
pub(crate) mod feeds;
pub(crate) mod history;
pub(crate) mod look_back;
pub(crate) mod news;
pub(crate) mod outward;
pub(crate) mod settings;
pub(crate) mod stored;

use backlog::Backlog;
use events::Events;
use feeds::Feeds;
use news::gossip::Gossip;
use settings::ChannelSettings;

/// What channels keep of a subscriber.
pub(crate) type Member = Arc<Client>;
/// A channel with its subscribers.
pub(crate) type Channel = ws_channels::Channel<Member>;
/// A connection's subscriptions.
pub(crate) type Subscriber = ws_channels::Subscriber<Member>;

/// The channels of one handler. It knows no session: what it does, it does to all of a channel.
pub(crate) struct Hub {
    pub(crate) settings: ChannelSettings,
    rulebook: Arc<Rulebook>,
    pub(crate) table: Arc<Subscriptions<Member>>,
    pub(crate) presence: Presence,
    /// Who asked to be told who comes and goes, in all channels: while nobody did, nobody is looked for.
    pub(crate) watchers: AtomicUsize,
    pub(crate) places: Arc<Places<Member>>,
    pub(crate) counts: Counts<{ Tally::LABELS.len() }>,
    pub(crate) events: Events,
    pub(crate) cluster: Arc<Cluster>,
    /// What is followed at the engine.
    pub(crate) feeds: Feeds,
    /// What is said to other nodes of who is here.
    pub(crate) gossip: Gossip,
    /// What waits for the engine.
    pub(crate) backlog: Backlog,
    backlog_turn: tokio::sync::Mutex<()>,
    keys: ahash::RandomState,
    pub(crate) clock: Arc<WallClock>,
    /// Where there is one when it is built: engines call from threads of their own.
    runtime: Option<Handle>,
    timer_runs: AtomicBool,
    earlier: Arc<Notify>,
    /// Who tells of traces, if anybody does.
    pub(crate) tracer: OnceLock<Tracer>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tally {
    /// Publishes that were taken on.
    Published,
    /// Publishes of an event that had been published lately.
    Repeated,
    /// Messages handed to an outbox.
    Delivered,
    /// Messages not handed over, because the client had been sent that event.
    AlreadySent,
    /// Messages that a slow client goes without, as the rule of the channel has it.
    Dropped,
    /// Clients that were closed because they were too slow.
    ClosedSlow,
    /// Publishes above the limit of a channel's rule.
    RateLimited,
    /// What rules or a token did not allow.
    Denied,
    /// Times that something was missing and read from the log of a channel.
    Repaired,
    /// Messages that were read from logs for those who came back.
    Replayed,
}

impl Tally {
    pub(crate) const LABELS: [&'static str; 10] = [
        "published",
        "repeated",
        "delivered",
        "already_sent",
        "dropped",
        "closed_slow",
        "rate_limited",
        "denied",
        "repaired",
        "replayed",
    ];
}

/// Who asks, with what its token leaves.
#[derive(Clone, Copy)]
pub(crate) struct Bearer<'b> {
    pub(crate) identity: Option<&'b Identity>,
    pub(crate) grants: Option<&'b Grants>,
}

impl Bearer<'_> {
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            user_id: self.identity.map(|identity| &*identity.user_id),
            // Only what the issuer says: a session that a client names could be anybody's.
            session_id: self.identity.and_then(|identity| identity.session_id.as_deref()),
        }
    }
}

impl Hub {
    pub(crate) fn new(
        settings: ChannelSettings,
        rulebook: Arc<Rulebook>,
        cluster: Arc<Cluster>,
        clock: Arc<WallClock>,
        now: Instant,
    ) -> Self {
        // Later than any epoch of a process before this one, whose clients may come back to us.
        let first_epoch = clock.wall_ms(now) * 1000;
        let limits = rulebook.current().subscriptions;
        Self {
            cluster,
            feeds: Feeds::new(),
            gossip: Gossip::default(),
            backlog: Backlog::new(settings.backlog_bytes_max),
            backlog_turn: tokio::sync::Mutex::new(()),
            table: Arc::new(Subscriptions::new(limits, first_epoch)),
            presence: Presence::new(settings.presence),
            watchers: AtomicUsize::new(0),
            places: Arc::default(),
            counts: Counts::new(),
            events: Events::new(settings.published),
            keys: ahash::RandomState::new(),
            clock,
            runtime: Handle::try_current().ok(),
            timer_runs: AtomicBool::new(false),
            earlier: Arc::default(),
            tracer: OnceLock::new(),
            rulebook,
            settings,
        }
    }

    /// Where tasks are spawned; `None` when everything has ended, and nobody is left to be told anything.
    pub(crate) fn runtime(&self) -> Option<Handle> {
        Handle::try_current().ok().or_else(|| self.runtime.clone())
    }

    /// What counts now. Whoever asks it more than one question keeps it until all are answered.
    #[inline]
    pub(crate) fn in_force(&self) -> Guard<Arc<InForce>> {
        self.rulebook.current()
    }

    /// Whether the bearer may do this, and by which rule.
    pub(crate) fn authorize<'f>(
        &self,
        in_force: &'f InForce,
        name: &ChannelName,
        action: Action<'_>,
        bearer: &Bearer<'_>,
    ) -> Result<&'f ChannelRule, Denial<'f>> {
        let judged = judge(in_force, name, action, bearer);
        if judged.is_err() {
            self.counts.add(Tally::Denied as usize);
        }
        judged
    }

    /// Counts a publish against the limit of the channel's rule.
    pub(crate) fn check_rate(
        &self,
        in_force: &InForce,
        rule: &ChannelRule,
        name: &ChannelName,
        user_key: u64,
        now: Instant,
    ) -> Result<(), Denied> {
        let Some(limiter) = in_force.rate_of(rule) else { return Ok(()) };
        let key = self.keys.hash_one((user_key, name.as_str()));
        limiter.check(&key, now).inspect_err(|_| self.counts.add(Tally::RateLimited as usize))
    }

    /// Whether it is said who comes into a channel and who leaves it. Not a matter of who asks: who is
    /// counted in has to be counted out, also when a fresh token has meanwhile changed the caller's rule.
    pub(crate) fn has_presence(&self, name: &ChannelName) -> bool {
        if !self.rulebook.gist().has_presence {
            return false;
        }
        let in_force = self.in_force();
        let rule = in_force.rules.rule_of(name);
        rule.is_some_and(|rule| rule.permissions().contain(Permissions::PRESENCE))
    }

    /// Whether it is to be said that a user leaves a channel: also where it came by rules that are not in force
    /// any more.
    pub(crate) fn tells_of_leaving(&self, name: &ChannelName, user: &str) -> bool {
        self.has_presence(name)
            || (self.rulebook.gist().generation != 0 && self.presence.is_own(name, user))
    }

    /// What becomes of slow subscribers of a channel into which a back-end publishes.
    pub(crate) fn policy(&self, name: &ChannelName) -> SlowConsumer {
        let in_force = self.in_force();
        in_force.rules.rule_of(name).map_or_else(SlowConsumer::default, ChannelRule::slow_consumer)
    }

    /// What a message is about, for those who are told the newest of each.
    pub(crate) fn key_of(&self, event: Option<&str>) -> u64 {
        self.keys.hash_one(event.unwrap_or_default())
    }

    pub(crate) fn wall_ms(&self, now: Instant) -> u64 {
        self.clock.wall_ms(now)
    }

    /// Throws away what the limiters know of those who have their full allowance again.
    pub(crate) fn forget_recovered(&self, now: Instant) {
        for limiter in self.in_force().rates() {
            limiter.forget_recovered(now);
        }
    }
}

/// As [`Hub::authorize`], when nobody has asked for it and nothing is denied to anybody.
pub(crate) fn judge<'f>(
    in_force: &'f InForce,
    name: &ChannelName,
    action: Action<'_>,
    bearer: &Bearer<'_>,
) -> Result<&'f ChannelRule, Denial<'f>> {
    const UNLIMITED: &Grants = &Grants::unlimited();
    let grants = bearer.grants.unwrap_or(UNLIMITED);
    in_force.rules.authorize(name, action, &bearer.caller(), grants)
}

/// Whether clients see a channel of that name.
pub(crate) fn is_public(name: &ChannelName) -> bool {
    name.kind() != ChannelKind::System
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("table", &self.table).finish_non_exhaustive()
    }
}
