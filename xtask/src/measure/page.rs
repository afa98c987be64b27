//! The generated parts of a page, between two comments that a reader does not see.

use std::path::Path;

use anyhow::Context;

/// Puts `text` between `<!-- name:begin -->` and `<!-- name:end -->` of the page.
pub(crate) fn write(page: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let old = std::fs::read_to_string(page).with_context(|| format!("read {}", page.display()))?;
    let new = replaced(&old, name, text).with_context(|| format!("{}", page.display()))?;
    std::fs::write(page, new).with_context(|| format!("write {}", page.display()))
}

fn replaced(page: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let between = |from: usize| page.get(from..).and_then(|rest| rest.find(&end));
    let start = page.find(&begin).map(|at| at + begin.len());
    let start = start.with_context(|| format!("there is no `{begin}`"))?;
    let length = between(start).with_context(|| format!("there is no `{end}` behind `{begin}`"))?;
    Ok(format!("{}\n\n{}\n\n{}", &page[..start], text.trim(), &page[start + length..]))
}

/// A table of Markdown; the first row is its head.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
        if index == 0 {
            text.push_str(&format!("|{}\n", "---|".repeat(row.len())));
        }
    }
    text
}

/// The same for a terminal: columns as wide as their widest cell.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_is_replaced() {
        let page = "# A\n<!-- peers:begin -->\nold\n<!-- peers:end -->\nrest\n";
        let expected = "# A\n<!-- peers:begin -->\n\nnew\n\n<!-- peers:end -->\nrest\n";
        assert_eq!(replaced(page, "peers", "new\n").unwrap(), expected);
        assert_eq!(replaced(expected, "peers", "new").unwrap(), expected);
    }

    #[test]
    fn a_page_without_its_markers_is_an_error() {
        for (page, complaint) in [
            ("# A", "there is no `<!-- a:begin -->`"),
            (
                "<!-- a:end --><!-- a:begin -->",
                "there is no `<!-- a:end -->` behind `<!-- a:begin -->`",
            ),
        ] {
            assert_eq!(replaced(page, "a", "").unwrap_err().to_string(), complaint);
        }
    }

    #[test]
    fn rows_become_a_table_for_a_page_and_for_a_terminal() {
        let rows = [["case", "µs"], ["echo", "5.20"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "| case | µs |\n|---|---|\n| echo | 5.20 |\n");
        assert_eq!(columns(&rows), "case  µs\necho  5.20\n");
    }
}
