//! The budgets as they are written in `benches/budgets.toml`.

use std::path::Path;

use anyhow::Context;
use toml::{Table, Value};

/// One promise of what something may cost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Budget {
    pub(crate) id: String,
    pub(crate) about: String,
    pub(crate) case: String,
    pub(crate) versus: Versus,
    pub(crate) limit: f64,
    pub(crate) aim: Option<f64>,
    /// Why it is missed.
    pub(crate) note: String,
}

/// What our figure is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Versus {
    /// Ours ÷ that peer's.
    Peer(String),
    /// Ours of one kind ÷ ours of another.
    Ourselves,
    /// The limit itself.
    Nobody,
    /// The limit itself, and the figure is at this place of what `million` prints.
    Figure(String),
}

pub(crate) fn read(root: &Path) -> anyhow::Result<Vec<Budget>> {
    let path = root.join("benches").join("budgets.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).context("benches/budgets.toml")
}

fn parse(text: &str) -> anyhow::Result<Vec<Budget>> {
    let table: Table = text.parse()?;
    let budgets =
        table.get("budget").and_then(Value::as_array).context("there is no [[budget]]")?;
    budgets.iter().map(budget).collect()
}

fn budget(value: &Value) -> anyhow::Result<Budget> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = text("id").context("a budget without `id`")?;
    let wanted = |key: &str| text(key).with_context(|| format!("`{id}` has no `{key}`"));
    let number = |key: &str| match value.get(key) {
        Some(Value::Float(number)) => Some(*number),
        _ => None,
    };
    let versus = match (text("peer"), text("figure")) {
        (Some(peer), None) if peer == "ours" => Versus::Ourselves,
        (Some(peer), None) => Versus::Peer(peer),
        (None, Some(pointer)) => Versus::Figure(pointer),
        (None, None) => Versus::Nobody,
        (Some(_), Some(_)) => anyhow::bail!("`{id}` has both `peer` and `figure`"),
    };
    Ok(Budget {
        about: wanted("about")?,
        case: wanted("case")?,
        versus,
        limit: number("limit").with_context(|| format!("`{id}` has no `limit` such as 1.0"))?,
        aim: number("aim"),
        note: wanted("note")?,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::cases::{self, Length};
    use crate::workspace::root;

    #[test]
    fn a_budget_without_its_limit_is_named() {
        let text = "[[budget]]\nid = \"a\"\nabout = \"b\"\ncase = \"c\"\nnote = \"\"\n";
        let error = parse(text).unwrap_err().to_string();
        assert_eq!(error, "`a` has no `limit` such as 1.0");
        let budgets = parse(&format!("{text}limit = 1.5\npeer = \"ours\"\n")).unwrap();
        assert_eq!((budgets[0].limit, &budgets[0].versus), (1.5, &Versus::Ourselves));
    }

    #[test]
    fn each_committed_budget_is_about_a_case_that_there_is() {
        let cases = cases::all(Length::Full);
        for budget in read(root()).unwrap() {
            match budget.versus {
                Versus::Peer(_) | Versus::Nobody => {
                    assert!(cases.iter().any(|case| case.id == budget.case), "{}", budget.id);
                }
                Versus::Ourselves => assert_eq!(budget.case, "fan-out-compressed"),
                Versus::Figure(_) => assert_eq!(budget.case, "million"),
            }
        }
    }
}
