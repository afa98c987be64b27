//! The comparison as a table for the terminal, a page, a chart and raw figures.

use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::cases::CONNECTIONS;
use super::field::{Field, Opponent};
use super::row::Row;
use super::{Options, write_page};
use crate::chart::bars::{Bar, Bars, Group};
use crate::measure::conditions::Conditions;
use crate::measure::page;

const HEAD: [&str; 7] = ["case", "peer", "ours", "peer", "ours ÷ peer", "range", "load tool"];

/// Everything that was found out.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) conditions: Conditions,
    pub(crate) field: &'a Field,
    pub(crate) rows: &'a [Row],
    pub(crate) options: &'a Options,
}

impl Report<'_> {
    pub(crate) fn terminal(&self) -> String {
        format!("{}\n{}\n", page::columns(&self.detail()), self.sentence())
    }

    /// Writes the part of the page, the chart and the raw figures below `docs`.
    pub(crate) fn write(&self, root: &Path) -> anyhow::Result<()> {
        write_page("peers", &self.markdown())?;
        let docs = root.join("docs");
        std::fs::write(docs.join("peers.svg"), self.chart().svg()).context("write the chart")?;
        let folder = docs.join("benchmarks");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("peers.json"), self.json_text()?)
            .context("write the figures")?;
        println!("written: docs/benchmarks.md, docs/peers.svg, docs/benchmarks/peers.json");
        Ok(())
    }

    pub(crate) fn json_text(&self) -> anyhow::Result<String> {
        let peers: Vec<String> = self.field.opponents.iter().map(Opponent::named).collect();
        let json = json!({
            "conditions": self.conditions.json(),
            "peers": peers,
            "connections": CONNECTIONS,
            "pairs": self.options.length().pairs(),
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
        });
        Ok(serde_json::to_string_pretty(&json)? + "\n")
    }

    fn sentence(&self) -> String {
        let pairs = self.options.length().pairs();
        self.conditions.sentence(&format!(
            "{pairs} pairs of runs in turn (at most three where memory is measured), the median of their ratios, the range from \
             the least to the greatest; {CONNECTIONS} connections in the cases of `echo` and `request`"
        ))
    }

    fn detail(&self) -> Vec<Vec<String>> {
        let head = HEAD.map(str::to_owned).to_vec();
        std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect()
    }

    /// A row for each case, a column for each peer.
    fn matrix(&self) -> Vec<Vec<String>> {
        let peers: Vec<&str> = self.field.opponents.iter().map(|peer| peer.id).collect();
        let head = std::iter::once("ours ÷").chain(peers.iter().copied()).map(str::to_owned);
        let mut matrix = vec![head.collect::<Vec<_>>()];
        let mut about: Vec<&str> = Vec::new();
        for row in self.rows {
            if !about.contains(&row.case.about.as_str()) {
                about.push(&row.case.about);
            }
        }
        for case in about {
            let cell = |peer: &&str| {
                let of_both = |row: &&Row| row.case.about == case && row.peer == *peer;
                match self.rows.iter().find(of_both) {
                    None => "–".to_owned(),
                    Some(row) => row.ratio().map_or_else(
                        || {
                            if row.reason().is_some_and(|reason| reason.starts_with('m')) {
                                "missing"
                            } else {
                                "failed"
                            }
                            .to_owned()
                        },
                        |ratio| format!("{:.2}", ratio.median),
                    ),
                }
            };
            matrix.push(std::iter::once(case.to_owned()).chain(peers.iter().map(cell)).collect());
        }
        matrix
    }

    fn markdown(&self) -> String {
        let peers: Vec<String> = self.field.opponents.iter().map(Opponent::named).collect();
        format!(
            "Ours ÷ peer, of the server's CPU time or memory: below 1, ours takes less.\n\n{}\n\
             ![Ours beside each peer, as ratios](peers.svg)\n\n*Conditions:* {}.\n\n*Peers:* {}.\n\n\
             <details><summary>Each figure</summary>\n\n{}\n</details>\n\n\
             The raw figures of each run, and the load tool's options: [peers.json](benchmarks/peers.json).",
            page::table(&self.matrix()),
            self.sentence(),
            peers.join(", "),
            page::table(&self.detail()),
        )
    }

    fn chart(&self) -> Bars {
        let mut groups: Vec<Group> = Vec::new();
        for row in self.rows {
            let Some(ratio) = row.ratio() else { continue };
            let bar = Bar {
                label: row.peer.to_owned(),
                value: ratio.median,
                low: ratio.least,
                high: ratio.greatest,
            };
            match groups.iter_mut().find(|group| group.label == row.case.about) {
                Some(group) => group.bars.push(bar),
                None => groups.push(Group { label: row.case.about.clone(), bars: vec![bar] }),
            }
        }
        Bars { title: "Ours ÷ peer: below 1, ours takes less".to_owned(), groups }
    }
}
