//! From what was written to what it means, with every fault.

use std::{collections::HashMap, num::NonZeroU32};

use super::{ChannelRule, History};
use crate::{
    ChannelKind, HistorySpec, OnOutage, Pattern, Permissions, RuleError, RuleFault,
    config::RuleSpec,
};

/// The checked rules in their order, or all faults of all of them.
pub(super) fn rules(specs: &[RuleSpec]) -> Result<Vec<ChannelRule>, Vec<RuleFault>> {
    let mut faults = Vec::new();
    let mut rules = Vec::new();
    let mut first_of: HashMap<&str, usize> = HashMap::new();
    for (index, spec) in specs.iter().enumerate() {
        let mut fault = |error| faults.push(RuleFault { index, error });
        let first = *first_of.entry(&spec.pattern).or_insert(index);
        if first != index {
            fault(RuleError::Duplicate { first });
        }
        match Pattern::parse(&spec.pattern) {
            Ok(pattern) if ChannelKind::of(pattern.as_str()) == ChannelKind::System => {
                fault(RuleError::Reserved);
            }
            Ok(pattern) => rules.push(rule(pattern, spec, fault)),
            Err(error) => fault(RuleError::Pattern(error)),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn rule(pattern: Pattern, spec: &RuleSpec, mut fault: impl FnMut(RuleError)) -> ChannelRule {
    if spec.rate_limit_per_second == Some(0) {
        fault(RuleError::RateLimitZero);
    }
    let history = spec.history.and_then(|history| {
        let size = NonZeroU32::new(history.size);
        if size.is_none() || history.ttl.is_zero() {
            fault(RuleError::HistoryOfNothing);
        } else if history.size > HistorySpec::SIZE_MAX || history.ttl > HistorySpec::TTL_MAX {
            fault(RuleError::HistoryTooLarge);
        }
        size.map(|size| History { size, ttl: history.ttl })
    });
    // What is kept has one order for all nodes, which none can give by itself.
    if spec.history.is_some() && spec.on_outage == Some(OnOutage::Local) {
        fault(RuleError::LocalHistory);
    }
    let unless_written = if history.is_some() { OnOutage::Refuse } else { OnOutage::Local };
    let events = spec.allowed_events.as_ref();
    if events.is_some_and(|events| events.iter().any(String::is_empty)) {
        fault(RuleError::EmptyEvent);
    }
    ChannelRule {
        // Known when all are sorted.
        index: 0,
        pattern,
        permissions: Permissions::NONE
            .with(Permissions::SUBSCRIBE, spec.subscribe)
            .with(Permissions::PUBLISH, spec.publish)
            .with(Permissions::PRESENCE, spec.presence)
            .with(Permissions::HISTORY, spec.subscribe && history.is_some()),
        allowed_events: events.map(|list| list.iter().map(|name| name.as_str().into()).collect()),
        rate_limit_per_second: spec.rate_limit_per_second.and_then(NonZeroU32::new),
        history,
        slow_consumer: spec.slow_consumer,
        on_outage: spec.on_outage.unwrap_or(unless_written),
    }
}
