//! The committed figures, and how those of today compare.

use std::fmt;

use anyhow::Context;

/// By how much a figure may differ, in percent. Runs of one program differ by less than a quarter of it:
/// hash tables are seeded anew each time, and the allocator's lists are a little different.
const TOLERANCE: f64 = 2.0;
/// The same where another compiler or library was at work than when the table was written. It still
/// shows what has become half as dear again.
const TOLERANCE_ELSEWHERE: f64 = 25.0;

/// Figures, and under which conditions they were counted.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) conditions: String,
    pub(super) cases: Vec<Case>,
}

/// What one thing takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) instructions: u64,
}

impl Table {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let table: toml::Table = text.parse()?;
        let conditions = table.get("conditions").and_then(toml::Value::as_str);
        let cases = table.get("instructions").and_then(toml::Value::as_table);
        let cases = cases.context("no `[instructions]`")?.iter().map(|(name, figure)| {
            let figure = figure.as_integer().and_then(|figure| u64::try_from(figure).ok());
            let instructions = figure.with_context(|| format!("`{name}` is no count"))?;
            Ok(Case { name: name.clone(), instructions })
        });
        Ok(Self {
            conditions: conditions.context("no `conditions`")?.to_owned(),
            cases: cases.collect::<anyhow::Result<_>>()?,
        })
    }

    /// In the order of their names, as they are read.
    pub(super) fn to_text(&self) -> String {
        let mut cases: Vec<_> = self.cases.iter().collect();
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        let mut text = format!(
            "# Instructions for each message, delivery, connect or check, as callgrind counts them.\n\
             # Written by `cargo xtask instructions --update`, compared by `cargo xtask test`.\n\
             conditions = \"{}\"\n\n[instructions]\n",
            self.conditions
        );
        for Case { name, instructions } in cases {
            text += &format!("\"{name}\" = {instructions}\n");
        }
        text
    }
}

/// One case in the table and now; none where it is missing.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    committed: Option<u64>,
    now: Option<u64>,
}

impl Row {
    fn percent(&self) -> Option<f64> {
        let (committed, now) = (self.committed? as f64, self.now? as f64);
        Some(100.0 * (now / committed - 1.0))
    }

    /// What is to be said of it, if anything.
    fn complaint(&self, tolerance: f64) -> Option<&'static str> {
        match (self.percent(), self.committed) {
            (Some(percent), _) if percent > tolerance => Some("DEARER"),
            (Some(percent), _) if percent < -tolerance => Some("CHEAPER: update the table"),
            (Some(_), _) => None,
            (None, None) => Some("NEW: update the table"),
            (None, Some(_)) => Some("GONE: update the table"),
        }
    }
}

/// All cases compared. Its `Display` is a table.
#[derive(Debug)]
pub(super) struct Verdict {
    rows: Vec<Row>,
    tolerance: f64,
    /// Where the conditions differ, those of the table and of now.
    elsewhere: Option<(String, String)>,
}

impl Verdict {
    pub(super) fn new(committed: &Table, counted: &Table) -> Self {
        let figure = |table: &Table, name: &str| {
            table.cases.iter().find(|case| case.name == name).map(|case| case.instructions)
        };
        let row = |case: &Case| Row {
            name: case.name.clone(),
            committed: figure(committed, &case.name),
            now: figure(counted, &case.name),
        };
        let gone = committed.cases.iter().filter(|case| figure(counted, &case.name).is_none());
        let rows = counted.cases.iter().chain(gone).map(row).collect();
        let is_elsewhere = committed.conditions != counted.conditions;
        let elsewhere =
            is_elsewhere.then(|| (committed.conditions.clone(), counted.conditions.clone()));
        let tolerance = if is_elsewhere { TOLERANCE_ELSEWHERE } else { TOLERANCE };
        Self { rows, tolerance, elsewhere }
    }

    pub(super) fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.complaint(self.tolerance).is_none())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        let figure = |figure: Option<u64>| figure.map_or("-".to_owned(), |it| it.to_string());
        writeln!(f, "{:<width$} {:>9} {:>9}", "instructions", "committed", "now")?;
        for row in &self.rows {
            let percent = row.percent().map_or(String::new(), |it| format!("{it:+.1} %"));
            let line = format!(
                "{:<width$} {:>9} {:>9} {percent:>8}  {}",
                row.name,
                figure(row.committed),
                figure(row.now),
                row.complaint(self.tolerance).unwrap_or_default()
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some((committed, now)) = &self.elsewhere {
            writeln!(f, "The table was counted with {committed}; this is {now}.")?;
        }
        let out = self.rows.iter().filter(|row| row.complaint(self.tolerance).is_some()).count();
        writeln!(f, "{out} of {} differ by more than {} %", self.rows.len(), self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(conditions: &str, cases: &[(&str, u64)]) -> Table {
        let case = |(name, instructions): &(&str, u64)| Case {
            name: (*name).to_owned(),
            instructions: *instructions,
        };
        Table { conditions: conditions.to_owned(), cases: cases.iter().map(case).collect() }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let figures = table("rustc 1.95.0", &[("echo: 16 of 20 B", 928), ("parse: ping", 753)]);
        assert_eq!(Table::parse(&figures.to_text()).unwrap(), figures);
        for text in ["", "conditions = \"\"", "conditions = \"\"\n[instructions]\nping = -1"] {
            assert!(Table::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_differs_is_named_with_both_figures_and_by_how_much() {
        let committed = table("here", &[("a", 1000), ("b", 1000), ("c", 1000), ("d", 5)]);
        let counted = table("here", &[("a", 1019), ("b", 1021), ("c", 979), ("e", 5)]);
        let verdict = Verdict::new(&committed, &counted);
        assert!(!verdict.is_good());
        let expected = "\
instructions committed now
a 1000 1019 +1.9 %
b 1000 1021 +2.1 % DEARER
c 1000 979 -2.1 % CHEAPER: update the table
e - 5 NEW: update the table
d 5 - GONE: update the table
4 of 5 differ by more than 2 %
";
        let words = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(words(&verdict.to_string()), words(expected));
    }

    #[test]
    fn another_compiler_may_make_a_difference_and_is_named() {
        let committed = table("here", &[("a", 1000), ("b", 1000)]);
        let verdict = Verdict::new(&committed, &table("there", &[("a", 1200), ("b", 800)]));
        assert!(verdict.is_good());
        let last = "The table was counted with here; this is there.\n\
                    0 of 2 differ by more than 25 %\n";
        assert!(verdict.to_string().ends_with(last), "{verdict}");
        assert!(!Verdict::new(&committed, &table("there", &[("a", 1300), ("b", 1000)])).is_good());
    }
}
