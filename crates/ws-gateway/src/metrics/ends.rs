//! Why connections ended, and who is suspected of having cut them.

use std::fmt;

use ws_handler::{Application, Culprit};

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn ends(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.stats();
        page.counters("ws_connection_ends_total", "Connections that ended", "reason", &stats.ends)?;
        page.histogram(
            "ws_connection_abnormal_end_age_seconds",
            "Ages of connections that broke, and that nobody closed",
            &stats.break_ages,
        )?;
        let percent = |culprit| {
            let suspect = stats.suspect.filter(|suspect| suspect.culprit == culprit);
            suspect.map_or(0, |suspect| suspect.percent() as u64)
        };
        let culprits = Culprit::ALL.map(|culprit| (culprit.label(), percent(culprit)));
        page.ratios(
            "ws_connection_cut_suspected_ratio",
            "Which part of the last abnormal ends looks like a timeout on the path; 0 if none does",
            "culprit",
            &culprits,
        )?;
        page.gauge_of(
            "ws_connection_cut_suspected_after_seconds",
            "After how long connections look to be cut on the path; 0 if they do not",
            stats.suspect.map_or(0.0, |suspect| suspect.after.as_secs_f64()),
        )
    }
}
