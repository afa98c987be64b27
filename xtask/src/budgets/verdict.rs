//! Met or missed, with the figure.

use serde_json::{Value, json};

use super::list::{Budget, Versus};
use crate::measure::pairs::Summary;

/// What became of a budget.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    Met(Summary),
    Missed(Summary),
    NotMeasured(String),
}

impl Verdict {
    pub(crate) fn of(budget: &Budget, figure: Summary) -> Self {
        if figure.median <= budget.limit { Self::Met(figure) } else { Self::Missed(figure) }
    }

    fn figure(&self) -> Option<Summary> {
        match self {
            Self::Met(figure) | Self::Missed(figure) => Some(*figure),
            Self::NotMeasured(_) => None,
        }
    }
}

/// A budget and its verdict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) verdict: Verdict,
}

impl Finding<'_> {
    pub(crate) fn line(&self) -> String {
        let cells = self.cells();
        format!("{:<20} {:<12} {:<16} {}", self.budget.id, cells[1], cells[2], cells[4])
    }

    /// About, limit, figure, range, verdict, note.
    fn cells(&self) -> [String; 6] {
        let Budget { about, versus, limit, aim, note, .. } = self.budget;
        let shown = |figure: f64| match versus {
            Versus::Peer(peer) => format!("{figure:.2} × {peer}"),
            Versus::Ourselves => format!("{figure:.2}"),
            Versus::Nobody | Versus::Figure(_) if figure >= 100.0 => grouped(figure),
            Versus::Nobody | Versus::Figure(_) => format!("{figure:.3}"),
        };
        let limit = match aim {
            Some(aim) => format!("≤ {}, aim {}", shown(*limit), shown(*aim)),
            None => format!("≤ {}", shown(*limit)),
        };
        let range = self.verdict.figure().filter(|figure| figure.least < figure.greatest);
        let range = range.map(|figure| format!("{:.2}–{:.2}", figure.least, figure.greatest));
        let figure = self.verdict.figure().map(|figure| shown(figure.median));
        let verdict = match &self.verdict {
            Verdict::Met(_) => "met".to_owned(),
            Verdict::Missed(_) => "**missed**".to_owned(),
            Verdict::NotMeasured(why) => format!("not measured: {why}"),
        };
        let note = match self.verdict {
            Verdict::Met(_) => String::new(),
            _ => note.clone(),
        };
        [
            about.clone(),
            limit,
            figure.unwrap_or_else(|| "–".to_owned()),
            range.unwrap_or_else(|| "–".to_owned()),
            verdict,
            note,
        ]
    }

    pub(crate) fn json(&self) -> Value {
        let figure = self.verdict.figure();
        json!({
            "id": self.budget.id, "about": self.budget.about, "limit": self.budget.limit,
            "figure": figure.map(|figure| figure.median),
            "least": figure.map(|figure| figure.least),
            "greatest": figure.map(|figure| figure.greatest),
            "met": matches!(self.verdict, Verdict::Met(_)),
        })
    }
}

/// Rows for a page or a terminal, with their head.
pub(crate) fn table(findings: &[Finding<'_>]) -> Vec<Vec<String>> {
    let head = ["budget", "limit", "measured", "range", "", "why, if missed"];
    let rows = findings.iter().map(|finding| finding.cells().to_vec());
    std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect()
}

/// `2,147,483,648`.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(versus: Versus, limit: f64) -> Budget {
        Budget {
            id: "a".to_owned(),
            about: "it".to_owned(),
            case: "c".to_owned(),
            versus,
            limit,
            aim: None,
            note: "because".to_owned(),
        }
    }

    fn cells(budget: &Budget, figures: &[f64]) -> [String; 6] {
        let verdict = Verdict::of(budget, Summary::of(figures).unwrap());
        Finding { budget, verdict }.cells()
    }

    #[test]
    fn a_budget_is_met_up_to_its_limit_and_a_missed_one_says_why() {
        let ratio = budget(Versus::Peer("bun".to_owned()), 1.2);
        let met = ["it", "≤ 1.20 × bun", "1.20 × bun", "1.00–1.50", "met", ""];
        assert_eq!(cells(&ratio, &[1.0, 1.2, 1.5]), met);
        let missed = ["it", "≤ 1.20 × bun", "1.21 × bun", "–", "**missed**", "because"];
        assert_eq!(cells(&ratio, &[1.21]), missed);
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let memory = Budget { aim: Some(1024.0), ..budget(Versus::Nobody, 2048.0) };
        let verdict = Verdict::NotMeasured("no server".to_owned());
        let finding = Finding { budget: &memory, verdict };
        let expected = ["it", "≤ 2,048, aim 1,024", "–", "–", "not measured: no server", "because"];
        assert_eq!(finding.cells(), expected);
        assert_eq!(finding.json()["met"], false);
    }
}
