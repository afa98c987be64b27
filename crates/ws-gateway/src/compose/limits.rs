//! How much, how often, how many.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use ws_handler::{ClusterLimits, Costs, Limits, RevocationConfig};
use ws_protocol::ClientType;
use ws_rate_limiter::{AnyLimit, KeyedLimiter, Ladder, Mode, Price, TieredLimiter, TokenBucket};

use crate::config::{Config, LimitSettings};

/// How much, how often, how many.
pub fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    let keys_max = NonZeroUsize::new(limits.keys_max as usize).unwrap_or(NonZeroUsize::MIN);
    let at_most = |max: Option<u32>| max.and_then(|max| NonZeroUsize::new(max as usize));
    let connects = limits.connects_per_hour.and_then(NonZeroU32::new).map(TokenBucket::per_hour);
    let connects_mode = mode(limits.connects_shadow.unwrap_or(limits.is_shadow));
    let connects =
        connects.map(|limit| KeyedLimiter::new(limit, keys_max).with_mode(connects_mode));
    let messages = messages(limits, keys_max);
    let cluster = limits
        .is_cluster_wide
        .then(|| Arc::new(ClusterLimits::of(messages.as_ref(), connects.as_ref())));
    Limits {
        connections_max: at_most(limits.connections_max),
        connections_per_user_max: at_most(limits.connections_per_user_max),
        connects: connects.map(Arc::new),
        messages: messages.map(Arc::new),
        costs: costs(limits),
        cluster,
        ladder: Ladder::default(),
        outbox_bytes_max: limits.outbox_bytes_max,
    }
}

fn messages(
    limits: &LimitSettings,
    keys_max: NonZeroUsize,
) -> Option<TieredLimiter<u64, AnyLimit>> {
    let default_tier = limits.default_tier.as_ref().and_then(|name| limits.tiers.get(name));
    let (per_minute, burst, shadow) = match default_tier {
        Some(tier) => (tier.messages_per_minute, tier.burst, tier.is_shadow),
        None => (limits.messages_per_minute, limits.message_burst, None),
    };
    let name = limits.default_tier.as_deref().unwrap_or("default");
    let mut messages = TieredLimiter::new(name, message_limit(per_minute, burst), keys_max);
    messages.set_mode(messages.tier_id(None), mode(shadow.unwrap_or(limits.is_shadow)));
    for (tier_name, tier) in limits.tiers.iter().filter(|(tier_name, _)| *tier_name != name) {
        let limit = message_limit(tier.messages_per_minute, tier.burst);
        messages = messages.with_tier(tier_name, limit);
        let is_shadow = tier.is_shadow.unwrap_or(limits.is_shadow);
        messages.set_mode(messages.tier_id(Some(tier_name)), mode(is_shadow));
    }
    let is_unlimited = per_minute.is_none() && limits.tiers.is_empty();
    (!is_unlimited).then_some(messages)
}

const fn mode(is_shadow: bool) -> Mode {
    if is_shadow { Mode::Shadow } else { Mode::Enforce }
}

fn message_limit(per_minute: Option<u32>, burst: Option<u32>) -> AnyLimit {
    let Some(per_minute) = per_minute.and_then(NonZeroU32::new) else { return AnyLimit::Unlimited };
    let bucket = TokenBucket::per_minute(per_minute);
    let burst = burst.and_then(NonZeroU32::new);
    burst.map_or(bucket, |burst| bucket.with_burst(burst)).into()
}

fn costs(limits: &LimitSettings) -> Costs {
    let bytes_per_token = limits.bytes_per_token.and_then(NonZeroU32::new);
    let costs = Costs::all(Price { base: 1, bytes_per_token });
    limits.costs.iter().fold(costs, |costs, (name, base)| {
        let kind = ClientType::ALL.iter().find(|kind| kind.name() == *name);
        kind.map_or(costs, |kind| costs.with_base(*kind, *base))
    })
}

/// The most that JWT_LEEWAY may be. A reload may raise it, and no revocation is to be over before its token.
const LEEWAY_MAX: Duration = Duration::from_secs(600);

/// How much is remembered of tokens that were taken back: as long as one may live, or thirty days.
pub(crate) fn revocation(config: &Config) -> RevocationConfig {
    let default = RevocationConfig::default();
    // A token may be dated ahead by the leeway, and is good for as long after its end.
    let lifetime = config.auth.lifetime_max.map(|lifetime| lifetime + 2 * LEEWAY_MAX);
    RevocationConfig {
        entries_max: NonZeroU32::new(config.auth.revocations_max).unwrap_or(default.entries_max),
        lifetime: lifetime.unwrap_or(default.lifetime),
        is_required: config.auth.revocations_required,
    }
}
