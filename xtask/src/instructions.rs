//! `cargo xtask instructions`: how many instructions each thing that we do a million times takes, beside
//! the table that is committed.
//!
//! Instructions under callgrind are the same from run to run and from one machine to the next, which no
//! clock is: a change that costs a few of a hundred is seen at once, and by the one who made it.

use std::ffi::OsString;

use crate::provision;
use crate::workspace::{Workspace, root};

mod counting;
mod table;

use self::table::{Table, Verdict};

/// The committed table, relative to the root.
const TABLE: &str = "benches/instructions.toml";

/// What to do with the figures.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// Write them into the table instead of comparing.
    pub(crate) update: bool,
}

impl Options {
    /// Reads what follows the command.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        match arguments {
            [] => Ok(Self::default()),
            [flag] if flag == "--update" => Ok(Self { update: true }),
            [.., other] => Err(format!("`instructions` knows no `{other}`")),
        }
    }
}

/// Counts and compares; whether every figure is as it was, or the table has been written.
///
/// `environment` names the programs that were provided already.
pub(crate) fn run(
    workspace: &Workspace,
    environment: &[(&'static str, OsString)],
    options: Options,
) -> anyhow::Result<bool> {
    let valgrind = match environment.iter().find(|(name, _)| *name == provision::VALGRIND) {
        Some((_, program)) => program.clone(),
        None => provision::valgrind()?,
    };
    let counted = counting::count(workspace, valgrind.as_ref())?;
    let path = root().join(TABLE);
    if options.update {
        std::fs::write(&path, counted.to_text())?;
        println!("{} cases written to {TABLE}", counted.cases.len());
        return Ok(true);
    }
    let committed = Table::parse(&std::fs::read_to_string(&path)?)?;
    let verdict = Verdict::new(&committed, &counted);
    print!("{verdict}");
    if !verdict.is_good() {
        println!(
            "If that is what you meant: cargo xtask instructions --update, and say why in the commit.\n\
             If not: callgrind_annotate --auto=no --threshold=100 {} says where they go.",
            counting::folder(workspace).join("counts.N").display()
        );
    }
    Ok(verdict.is_good())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_update_can_be_asked_for() {
        let parse = |line: &str| {
            Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(parse(""), Ok(Options { update: false }));
        assert_eq!(parse("--update"), Ok(Options { update: true }));
        assert_eq!(parse("--update now"), Err("`instructions` knows no `now`".to_owned()));
    }

    #[test]
    fn the_committed_table_is_one() {
        let text = std::fs::read_to_string(root().join(TABLE)).unwrap();
        let table = Table::parse(&text).unwrap();
        assert!(!table.cases.is_empty());
        assert_eq!(table.to_text(), text, "as `--update` writes it");
    }
}
