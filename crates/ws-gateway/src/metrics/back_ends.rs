//! What back-ends are asked and told, and ask for.

use std::fmt;

use ws_handler::Application;

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn back_ends(&self, page: &mut Page<'_>) -> fmt::Result {
        let outcomes: Vec<_> = self.outcomes.totals().collect();
        page.counters(
            "ws_upstream_requests_total",
            "Requests by what became of them",
            "outcome",
            &outcomes,
        )?;
        let api: Vec<_> = self.outcomes.api_totals().collect();
        page.counters(
            "ws_api_requests_total",
            "Requests of back-ends by their answers",
            "outcome",
            &api,
        )?;
        let bridges: Vec<_> = self.outcomes.bridge_totals().collect();
        page.counters(
            "ws_bridge_messages_total",
            "Messages at bridges to NATS",
            "outcome",
            &bridges,
        )?;
        let visits: Vec<_> = self.outcomes.visit_totals().collect();
        page.counters(
            "ws_console_visits_total",
            "Who wanted to look, by the answer",
            "outcome",
            &visits,
        )?;
        page.hooks(&self.outcomes.hook_totals())
    }
}
