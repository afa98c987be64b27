//! Limits, and who they refuse.

use std::fmt;

use ws_handler::Application;
use ws_rate_limiter::{LeaseStats, LimiterStats};

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn limits(&self, page: &mut Page<'_>) -> fmt::Result {
        let limits = self.handler.policy().limits.clone();
        let shared: Vec<(&'static str, LeaseStats)> =
            limits.cluster.iter().flat_map(|cluster| cluster.stats()).collect();
        let connects = limits.connects.map(|connects| connects.stats());
        let messages = limits.messages.map(|messages| messages.stats());
        let all = [("connects", connects), ("messages", messages)];
        let all: Vec<(&'static str, LimiterStats)> = all
            .into_iter()
            .filter_map(|(name, stats)| Some((name, with_shared(stats?, name, &shared))))
            .collect();
        let each = |pick: fn(&LimiterStats) -> u64| -> Vec<_> {
            all.iter().map(|(name, stats)| (*name, pick(stats))).collect()
        };
        let (denied, evicted) = (each(|it| it.denied), each(|it| it.evicted));
        let keys = each(|it| it.keys as u64);
        page.counters("ws_limiter_denials_total", "Denials by a limiter", "limiter", &denied)?;
        page.counters(
            "ws_limiter_shadow_denials_total",
            "What a limiter that is only watched would have denied",
            "limiter",
            &each(|it| it.shadowed),
        )?;
        page.counters(
            "ws_limiter_evictions_total",
            "Keys forgotten for want of room",
            "limiter",
            &evicted,
        )?;
        page.gauges("ws_limiter_keys", "Keys that a limiter remembers", "limiter", &keys)?;
        leases(page, &shared)
    }

    /// What was taken back and is not over.
    pub(super) fn revocations(&self, page: &mut Page<'_>) -> fmt::Result {
        let count = self.handler.revocations().len();
        page.gauge("ws_tokens_revoked", "Revocations that are in force", count)
    }
}

/// What is decided for all nodes together is decided by this node, too.
fn with_shared(
    mut stats: LimiterStats,
    name: &str,
    shared: &[(&'static str, LeaseStats)],
) -> LimiterStats {
    for (_, leased) in shared.iter().filter(|(limiter, _)| *limiter == name) {
        stats.allowed += leased.allowed;
        stats.denied += leased.denied;
        stats.shadowed += leased.shadowed;
        stats.evicted += leased.evicted;
        stats.keys += leased.keys;
    }
    stats
}

fn leases(page: &mut Page<'_>, shared: &[(&'static str, LeaseStats)]) -> fmt::Result {
    // There also where each node has its limits for itself: an alert finds what it asks for.
    let of = |name: &str| shared.iter().find(|(limiter, _)| *limiter == name);
    let each = |pick: fn(&LeaseStats) -> u64| -> Vec<_> {
        let count = |name| of(name).map_or(0, |(_, stats)| pick(stats));
        ["connects", "messages"].map(|name| (name, count(name))).to_vec()
    };
    page.counters(
        "ws_limiter_settlements_total",
        "Accounts of callers settled with the engine",
        "limiter",
        &each(|it| it.settled),
    )?;
    page.counters(
        "ws_limiter_settlement_failures_total",
        "Accounts of callers that could not be settled",
        "limiter",
        &each(|it| it.failed),
    )?;
    page.counters(
        "ws_limiter_alone_total",
        "Requests decided by this node's share while the engine was away",
        "limiter",
        &each(|it| it.alone),
    )
}
