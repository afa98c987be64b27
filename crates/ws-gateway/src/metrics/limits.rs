//! Limits, and who they refuse.

use std::fmt;

use ws_handler::Application;

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn limits(&self, page: &mut Page<'_>) -> fmt::Result {
        let limits = self.handler.policy().limits.clone();
        let connects = limits.connects.map(|connects| connects.stats());
        let messages = limits.messages.map(|messages| messages.stats());
        let all = [("connects", connects), ("messages", messages)];
        let each = |pick: fn(&ws_rate_limiter::LimiterStats) -> u64| -> Vec<_> {
            all.iter().filter_map(|(name, stats)| Some((*name, pick(stats.as_ref()?)))).collect()
        };
        let (denied, evicted) = (each(|it| it.denied), each(|it| it.evicted));
        let keys = each(|it| it.keys as u64);
        page.counters("ws_limiter_denials_total", "Denials by a limiter", "limiter", &denied)?;
        page.counters(
            "ws_limiter_evictions_total",
            "Keys forgotten for want of room",
            "limiter",
            &evicted,
        )?;
        page.gauges("ws_limiter_keys", "Keys that a limiter remembers", "limiter", &keys)
    }
}
