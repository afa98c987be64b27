//! Limits, and who they refuse.

use std::fmt;

use parking_lot::Mutex;
use ws_handler::{Application, Limits};
use ws_rate_limiter::{LeaseStats, LimiterStats};

use super::{Snapshots, page::Page};

/// The limiters that a gateway may have.
const NAMES: [&str; 2] = ["connects", "messages"];

/// What each limiter has counted, in the order of [`NAMES`]; `None` where there is none.
#[derive(Clone, Debug, Default)]
struct Counted([(Option<LimiterStats>, LeaseStats); NAMES.len()]);

/// What limiters had counted that a reload has replaced. A counter that falls in between is taken for one that
/// began anew, and all that it counted since the start for what it counted in that moment.
#[derive(Debug, Default)]
pub(crate) struct PastLimits(Mutex<Counted>);

impl Counted {
    fn of(limits: &Limits) -> Self {
        let leased: Vec<(&str, LeaseStats)> =
            limits.cluster.iter().flat_map(|cluster| cluster.stats()).collect();
        let leased = |name| leased.iter().find(|(other, _)| *other == name).map(|(_, it)| *it);
        let own = [
            limits.connects.as_ref().map(|connects| connects.stats()),
            limits.messages.as_ref().map(|messages| messages.stats()),
        ];
        let mut all = own.into_iter().zip(NAMES);
        Self(std::array::from_fn(|_| {
            let (stats, name) = all.next().unwrap_or_default();
            let leased = leased(name).unwrap_or_default();
            // What is decided for all nodes together is decided by this node, too.
            (stats.map(|stats| with_leased(stats, &leased)), leased)
        }))
    }

    /// What does not go on being counted where `next` has taken the place of this.
    fn lost_to(&self, next: &Self) -> Self {
        let less = |was: u64, is: u64| was.saturating_sub(is);
        Self(std::array::from_fn(|index| {
            let ((was, was_leased), (is, is_leased)) = (&self.0[index], &next.0[index]);
            let stats = was.as_ref().map(|was| {
                let is = is.unwrap_or_default();
                LimiterStats {
                    denied: less(was.denied, is.denied),
                    shadowed: less(was.shadowed, is.shadowed),
                    evicted: less(was.evicted, is.evicted),
                    ..LimiterStats::default()
                }
            });
            let leased = LeaseStats {
                settled: less(was_leased.settled, is_leased.settled),
                failed: less(was_leased.failed, is_leased.failed),
                alone: less(was_leased.alone, is_leased.alone),
                ..LeaseStats::default()
            };
            (stats, leased)
        }))
    }

    /// With what was counted before.
    fn and(mut self, past: &Self) -> Self {
        for ((stats, leased), (past, past_leased)) in self.0.iter_mut().zip(&past.0) {
            if let Some(past) = past {
                let stats = stats.get_or_insert_default();
                stats.denied += past.denied;
                stats.shadowed += past.shadowed;
                stats.evicted += past.evicted;
            }
            leased.settled += past_leased.settled;
            leased.failed += past_leased.failed;
            leased.alone += past_leased.alone;
        }
        self
    }
}

impl PastLimits {
    /// Keeps what is counted no more once `exchange` has put others in the place of these limits. Whoever looks
    /// meanwhile waits.
    pub(crate) fn exchange(&self, limits: impl Fn() -> Limits, exchange: impl FnOnce()) {
        let mut past = self.0.lock();
        let before = limits();
        exchange();
        // In this order: what goes on being counted in both is counted twice rather than lost.
        let after = Counted::of(&limits());
        *past = Counted::of(&before).lost_to(&after).and(&past);
    }
}

impl<A: Application> Snapshots<A> {
    pub(super) fn limits(&self, page: &mut Page<'_>) -> fmt::Result {
        let past = self.outcomes.past_limits().0.lock();
        let counted = Counted::of(&self.handler.policy().limits).and(&past);
        drop(past);
        let each = |pick: fn(&LimiterStats) -> u64| -> Vec<_> {
            let all = NAMES.into_iter().zip(&counted.0);
            all.filter_map(|(name, (stats, _))| Some((name, pick(stats.as_ref()?)))).collect()
        };
        page.counters(
            "ws_limiter_denials_total",
            "Denials by a limiter",
            "limiter",
            &each(|it| it.denied),
        )?;
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
            &each(|it| it.evicted),
        )?;
        let keys = each(|it| it.keys as u64);
        page.gauges("ws_limiter_keys", "Keys that a limiter remembers", "limiter", &keys)?;
        leases(page, &counted)
    }

    /// What was taken back and is not over.
    pub(super) fn revocations(&self, page: &mut Page<'_>) -> fmt::Result {
        let count = self.handler.revocations().len();
        page.gauge("ws_tokens_revoked", "Revocations that are in force", count)
    }
}

fn with_leased(mut stats: LimiterStats, leased: &LeaseStats) -> LimiterStats {
    stats.allowed += leased.allowed;
    stats.denied += leased.denied;
    stats.shadowed += leased.shadowed;
    stats.evicted += leased.evicted;
    stats.keys += leased.keys;
    stats
}

/// There also where each node has its limits for itself: an alert finds what it asks for.
fn leases(page: &mut Page<'_>, counted: &Counted) -> fmt::Result {
    let each = |pick: fn(&LeaseStats) -> u64| -> Vec<_> {
        let all = NAMES.into_iter().zip(&counted.0);
        all.map(|(name, (_, leased))| (name, pick(leased))).collect()
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
