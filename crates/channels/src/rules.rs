//! Who may do what with which channel: exact names first, then the most specific pattern.

use std::{cmp::Reverse, fmt, num::NonZeroU32, time::Duration};

use ahash::RandomState;
use hashbrown::HashTable;

use crate::{
    Action, Caller, ChannelKind, ChannelName, Grants, OnOutage, Pattern, Permissions, RuleFault,
    SlowConsumer, config::RuleSpec,
};

mod compile;
mod prefixes;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use prefixes::{Node, Prefixes};

/// Settings of the channels that a pattern means, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRule {
    /// Where it stands among the rules, the most specific first.
    index: u32,
    pattern: Pattern,
    permissions: Permissions,
    allowed_events: Option<Box<[Box<str>]>>,
    rate_limit_per_second: Option<NonZeroU32>,
    history: Option<History>,
    slow_consumer: SlowConsumer,
    on_outage: OnOutage,
}

/// How much of a channel is kept for those who come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The last so many messages.
    pub size: NonZeroU32,
    /// None that is older.
    pub ttl: Duration,
}

/// All rules, ready to be asked.
///
/// A name is looked up in a table of exact names, then along the prefixes that it begins with, so
/// that the cost does not grow with rules that have nothing to do with it.
pub struct ChannelRules {
    /// The most specific first.
    rules: Box<[ChannelRule]>,
    hasher: RandomState,
    /// Indices of the rules that mean exactly one name.
    exact: HashTable<u32>,
    /// The other rules, by what a name has to begin with.
    prefixes: Prefixes,
    /// Applies to all but reserved names, when nobody wrote a rule.
    open: Option<ChannelRule>,
}

/// Why an action is not allowed, and which rule said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial<'r> {
    /// Why.
    pub cause: DenialCause,
    /// The rule that denied; `None` when it was none of them.
    pub rule: Option<&'r Pattern>,
}

/// Why an action is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenialCause {
    /// Rules are configured, and none means this channel.
    NoRule,
    /// The prefix is reserved, and no rule that spells it means this channel for this caller.
    Reserved,
    /// The rule does not allow the action.
    Action(Permissions),
    /// The rule does not allow the event, or asks for the name of one.
    Event,
    /// The token leaves other channels.
    GrantedChannels,
    /// The token leaves other actions.
    GrantedPermissions(Permissions),
}

impl ChannelRules {
    /// No rules: any channel that is not reserved, without history.
    #[must_use]
    pub fn open() -> Self {
        Self::of(Vec::new())
    }

    /// Checks what was written and makes it ready to be asked. Without any rule the outcome is
    /// [`open`](Self::open); with one rule or more, what no rule means is denied.
    ///
    /// # Errors
    ///
    /// All faults of all rules, each with the index of its rule.
    pub fn compile(specs: &[RuleSpec]) -> Result<Self, Vec<RuleFault>> {
        compile::rules(specs).map(Self::of)
    }

    /// Says whether `caller` may do this with the channel `name`, and by which rule.
    ///
    /// # Errors
    ///
    /// Why not, and which rule said so.
    pub fn authorize(
        &self,
        name: &ChannelName,
        action: Action<'_>,
        caller: &Caller<'_>,
        grants: &Grants,
    ) -> Result<&ChannelRule, Denial<'_>> {
        let Some(rule) = self.rule_for(name, caller) else {
            let reserved = name.kind().reserved_prefix().is_some();
            let cause = if reserved { DenialCause::Reserved } else { DenialCause::NoRule };
            return Err(Denial { cause, rule: None });
        };
        let wanted = action.permission();
        if !rule.permissions.contain(wanted) {
            return Err(rule.deny(DenialCause::Action(wanted)));
        }
        if let Action::Publish { event } = action
            && !rule.allows_event(event)
        {
            return Err(rule.deny(DenialCause::Event));
        }
        // Whose fault it is comes out right only in this order: the token leaves what rules allow.
        if !grants.permissions().contain(wanted) {
            return Err(Denial { cause: DenialCause::GrantedPermissions(wanted), rule: None });
        }
        if !grants.cover(name, caller) {
            return Err(Denial { cause: DenialCause::GrantedChannels, rule: None });
        }
        Ok(rule)
    }

    /// The rule that settles everything about a channel when `caller` asks.
    #[must_use]
    pub fn rule_for(&self, name: &ChannelName, caller: &Caller<'_>) -> Option<&ChannelRule> {
        self.find(name, |pattern| pattern.matches(name, caller))
    }

    /// The rule of a channel when nobody asks but the server itself: placeholders stand for anybody, and of
    /// the patterns that may be meant it is the one that says most of the name.
    #[must_use]
    pub fn rule_of(&self, name: &ChannelName) -> Option<&ChannelRule> {
        let exact = self.find(name, |_| false);
        exact.or_else(|| {
            let spelled_min = name.kind().reserved_prefix().map_or(0, str::len);
            let candidates = self.prefixes.along(name).take_while(|node| node.len() >= spelled_min);
            let rules = candidates.flat_map(Node::rules).map(|&i| &self.rules[i as usize]);
            // Of those that say equally much, the first.
            rules
                .filter(|rule| rule.pattern.matches_for_somebody(name))
                .max_by_key(|rule| (rule.pattern.literal_bytes(), Reverse(rule.index)))
        })
    }

    fn find(&self, name: &ChannelName, matches: impl Fn(&Pattern) -> bool) -> Option<&ChannelRule> {
        let kind = name.kind();
        if kind == ChannelKind::System {
            return None;
        }
        if let Some(open) = &self.open {
            return kind.reserved_prefix().is_none().then_some(open);
        }
        let is_name = |&rule: &u32| self.rules[rule as usize].pattern.as_str() == name.as_str();
        if let Some(&rule) = self.exact.find(self.hasher.hash_one(name.as_str()), is_name) {
            return Some(&self.rules[rule as usize]);
        }
        // A reserved name is reached only by a rule that spells its prefix: `*` opens nobody's mail.
        let spelled_min = kind.reserved_prefix().map_or(0, str::len);
        let fits = |&rule: &u32| matches(&self.rules[rule as usize].pattern);
        let candidates = self.prefixes.along(name).take_while(|node| node.len() >= spelled_min);
        let best = candidates.filter_map(|node| node.rules().iter().copied().find(fits)).min()?;
        Some(&self.rules[best as usize])
    }

    /// Whether nobody wrote a rule: worth a line in the log at start.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The rules, the most specific first; none if nobody wrote one.
    #[must_use]
    pub const fn rules(&self) -> &[ChannelRule] {
        &self.rules
    }

    /// Takes checked rules in the order in which they were written.
    fn of(mut rules: Vec<ChannelRule>) -> Self {
        let open = rules.is_empty().then(ChannelRule::open);
        // Stable: of two that say equally much, the one that was written first is asked first.
        rules.sort_by_key(|rule| Reverse(rule.pattern.specificity()));
        for (index, rule) in (0_u32..).zip(&mut rules) {
            rule.index = index;
        }
        let hasher = RandomState::new();
        let hash = |rule: &ChannelRule| hasher.hash_one(rule.pattern.as_str());
        let mut exact = HashTable::new();
        let mut patterns = Vec::new();
        for (i, rule) in (0_u32..).zip(&rules) {
            match rule.pattern.exact() {
                Some(_) => {
                    let rehash = |&other: &u32| hash(&rules[other as usize]);
                    exact.insert_unique(hash(rule), i, rehash);
                }
                None => patterns.push((rule.pattern.literal_prefix(), i)),
            }
        }
        let prefixes = Prefixes::new(patterns);
        Self { rules: rules.into(), hasher, exact, prefixes, open }
    }
}

impl ChannelRule {
    fn open() -> Self {
        Self {
            index: 0,
            pattern: Pattern::any(),
            permissions: Permissions::SUBSCRIBE | Permissions::PUBLISH | Permissions::PRESENCE,
            allowed_events: None,
            rate_limit_per_second: None,
            history: None,
            slow_consumer: SlowConsumer::default(),
            on_outage: OnOutage::Local,
        }
    }

    /// Its place in [`ChannelRules::rules`], for tables beside it: a limiter for each rule, for example. The
    /// rule that applies when nobody wrote one has the place 0 as well.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index as usize
    }

    /// The channels that are meant.
    #[must_use]
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What may be done with them.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// Whether an event of that name may be published. A rule that names events asks for one.
    #[must_use]
    pub fn allows_event(&self, event: Option<&str>) -> bool {
        let Some(allowed) = &self.allowed_events else { return true };
        event.is_some_and(|event| allowed.iter().any(|name| **name == *event))
    }

    /// How often a user may publish to one of these channels.
    #[must_use]
    pub const fn rate_limit_per_second(&self) -> Option<NonZeroU32> {
        self.rate_limit_per_second
    }

    /// What is kept for those who come back.
    #[must_use]
    pub const fn history(&self) -> Option<History> {
        self.history
    }

    /// What becomes of a subscriber that does not keep up.
    #[must_use]
    pub const fn slow_consumer(&self) -> SlowConsumer {
        self.slow_consumer
    }

    /// What becomes of a publish while the engine between nodes is away.
    #[must_use]
    pub const fn on_outage(&self) -> OnOutage {
        self.on_outage
    }

    const fn deny(&self, cause: DenialCause) -> Denial<'_> {
        Denial { cause, rule: Some(&self.pattern) }
    }
}

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, actions: Permissions| {
            actions.names().try_for_each(|name| f.write_str(name))
        };
        match self.cause {
            DenialCause::NoRule => f.write_str("no rule allows this channel")?,
            DenialCause::Reserved => f.write_str("the channel's prefix is reserved")?,
            DenialCause::Action(action) => {
                list(f, action)?;
                f.write_str(" is not allowed")?;
            }
            DenialCause::Event => f.write_str("the event is not allowed")?,
            DenialCause::GrantedChannels => f.write_str("the token does not cover this channel")?,
            DenialCause::GrantedPermissions(action) => {
                f.write_str("the token does not permit to ")?;
                list(f, action)?;
            }
        }
        match self.rule {
            Some(rule) => write!(f, " by the rule {rule}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ChannelRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules.iter().chain(&self.open)).finish()
    }
}
