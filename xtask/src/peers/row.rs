//! One line of the comparison: a case, a peer, and what became of it.

use serde_json::{Value, json};

use super::cases::Case;
use crate::measure::duel::Duel;
use crate::measure::pairs::Summary;

/// What became of one case with one peer. There is no silent gap.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Measured(Duel),
    /// One of the two could not be had; why.
    Missing(String),
    /// A server died, a message was lost, nothing was measured; what.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) peer: &'static str,
    pub(crate) outcome: Outcome,
}

impl Row {
    /// Ours ÷ theirs, if both were measured.
    pub(crate) fn ratio(&self) -> Option<Summary> {
        match &self.outcome {
            Outcome::Measured(duel) => duel.cost.ratio(),
            Outcome::Missing(_) | Outcome::Failed(_) => None,
        }
    }

    /// Why there is no ratio.
    pub(crate) fn reason(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Measured(_) => None,
            Outcome::Missing(why) => Some(format!("missing: {why}")),
            Outcome::Failed(why) => Some(format!("failed: {why}")),
        }
    }

    /// Case, peer, ours, theirs, ratio, range, the load tool's own cost.
    pub(crate) fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.case.id.to_owned(), self.peer.to_owned()];
        let (Outcome::Measured(duel), Some(ratio)) = (&self.outcome, self.ratio()) else {
            let reason = self.reason().unwrap_or_else(|| "failed: no figures".to_owned());
            cells.extend([String::new(), String::new(), String::new(), reason, String::new()]);
            return cells;
        };
        let median = |figures: &[f64]| {
            let summary = Summary::of(figures);
            summary.map_or_else(|| "?".to_owned(), |summary| self.case.cost.shown(summary.median))
        };
        let own = |figures: &[f64]| {
            Summary::of(figures)
                .filter(|summary| summary.median > 0.0)
                .map_or_else(|| "–".to_owned(), |summary| format!("{:.2}", summary.median))
        };
        cells.extend([
            format!("{} {}", median(&duel.cost.ours), self.case.cost.unit()),
            median(&duel.cost.theirs),
            format!("{:.2}", ratio.median),
            format!("{:.2}–{:.2}", ratio.least, ratio.greatest),
            format!("{} / {}", own(&duel.load.ours), own(&duel.load.theirs)),
        ]);
        cells
    }

    /// Told while the next is measured.
    pub(crate) fn line(&self) -> String {
        let cells = self.cells();
        let rest: Vec<&str> = cells[2..].iter().map(String::as_str).collect();
        let rest: Vec<&str> = rest.into_iter().filter(|cell| !cell.is_empty()).collect();
        format!("{:<20} {:<20} {}", cells[0], cells[1], rest.join("  "))
    }

    pub(crate) fn json(&self) -> Value {
        let mut row = json!({
            "case": self.case.id, "about": self.case.about, "peer": self.peer,
            "unit": self.case.cost.unit(), "ours_is": self.case.program.name(),
            "ours_workload": format!("{} {}", self.case.ours.scenario, self.case.ours.options),
            "peer_workload": format!("{} {}", self.case.theirs.scenario, self.case.theirs.options),
        });
        let figures = match &self.outcome {
            Outcome::Missing(why) => json!({ "missing": why }),
            Outcome::Failed(why) => json!({ "failed": why }),
            Outcome::Measured(duel) => json!({
                "ours": duel.cost.ours, "theirs": duel.cost.theirs, "ratios": duel.cost.ratios(),
                "ratio": self.ratio().map(|ratio| ratio.median),
                "load_tool_beside_ours": duel.load.ours,
                "load_tool_beside_theirs": duel.load.theirs,
            }),
        };
        if let (Value::Object(row), Value::Object(figures)) = (&mut row, figures) {
            row.extend(figures);
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::pairs::Pairs;
    use crate::peers::cases::{Length, all};

    fn row(outcome: Outcome) -> Row {
        Row { case: all(Length::Short)[0].clone(), peer: "bun", outcome }
    }

    #[test]
    fn a_row_tells_both_costs_their_ratio_and_its_range() {
        let cost = Pairs { ours: vec![5.0, 5.2, 5.5], theirs: vec![5.2, 5.2, 5.0] };
        let load = Pairs { ours: vec![0.4; 3], theirs: vec![0.5; 3] };
        let row = row(Outcome::Measured(Duel { cost, load }));
        let expected =
            ["echo-w1", "bun", "5.20 µs a message", "5.20", "1.00", "0.96–1.10", "0.40 / 0.50"];
        assert_eq!(row.cells(), expected);
        assert_eq!(row.json()["ratio"], 1.0);
    }

    #[test]
    fn what_could_not_be_measured_says_why() {
        for (outcome, reason) in [
            (Outcome::Missing("no npm".to_owned()), "missing: no npm"),
            (Outcome::Failed("bun: 3 × reset".to_owned()), "failed: bun: 3 × reset"),
        ] {
            let row = row(outcome);
            assert!(row.line().ends_with(reason), "{}", row.line());
            assert_eq!(row.ratio(), None);
        }
    }
}
