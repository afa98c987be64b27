//! Who watches, and what they were told.

use std::fmt;

use ws_handler::Application;

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn inspector(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.watch_stats();
        page.gauge("ws_inspector_watchers", "Traces that are going on", stats.watchers)?;
        page.counters(
            "ws_inspector_sightings_total",
            "What traces asked for, by what became of it",
            "outcome",
            &stats.sightings,
        )
    }
}
