//! `cargo xtask peers`: what others cost beside us, in the same run.
//!
//! Each case asks one question of a program of ours and of a peer, in turn, A B A B, each on a core of
//! its own with the load tool on another. The answer is a ratio of CPU time or of memory.

use std::path::Path;

use anyhow::Context;

use self::cases::{Case, Length};
use self::field::{Field, Opponent};
use self::row::{Outcome, Row};
use crate::arguments::flag_and_value;
use crate::measure::conditions::Conditions;
use crate::measure::cores::Cores;
use crate::measure::duel::{Rig, Side};
use crate::measure::load::LoadTool;
use crate::measure::ours::{Builds, Built, Program};
use crate::measure::page;
use crate::measure::reading::Cost;
use crate::workspace::{Workspace, root};

pub(crate) mod cases;
pub(crate) mod field;
pub(crate) mod install;
mod report;
mod row;

/// Pairs of runs where memory is measured.
const MEMORY_PAIRS: usize = 3;

/// What was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Nothing is measured: all peers are installed and named.
    pub(crate) list: bool,
    pub(crate) builds: Builds,
    /// Longer runs and more of them, and the docs are written.
    pub(crate) full: bool,
    /// Nothing here means every peer.
    pub(crate) only: Vec<String>,
    /// Nothing here means every case.
    pub(crate) cases: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (flag, value) = flag_and_value(&argument);
            match (flag, value) {
                ("--list", None) => options.list = true,
                ("--no-build", None) => options.builds = Builds::Earlier,
                ("--full", None) => options.full = true,
                ("--only", value) => {
                    let known: Vec<&str> = install::all().iter().map(|peer| peer.id).collect();
                    let names = value.or_else(|| arguments.next());
                    options.only.extend(checked(flag, names, &known)?);
                }
                ("--cases", value) => {
                    let cases = cases::all(Length::Full);
                    let known: Vec<&str> = cases.iter().map(|case| case.id).collect();
                    let names = value.or_else(|| arguments.next());
                    options.cases.extend(checked(flag, names, &known)?);
                }
                _ => return Err(format!("`peers` knows no `{argument}`")),
            }
        }
        Ok(options)
    }

    fn length(&self) -> Length {
        if self.full { Length::Full } else { Length::Short }
    }

    /// Memory is much the same in each run, and takes the longest.
    fn pairs(&self, cost: Cost) -> usize {
        let pairs = self.length().pairs();
        if cost == Cost::Memory { pairs.min(MEMORY_PAIRS) } else { pairs }
    }

    /// The cases of this run; one that was named is there, however long it takes.
    fn chosen(&self) -> Vec<Case> {
        let mut cases = cases::all(self.length());
        if !self.cases.is_empty() {
            let known = |id: &str| cases.iter().any(|case| case.id == id);
            let missing: Vec<Case> =
                cases::all(Length::Full).into_iter().filter(|case| !known(case.id)).collect();
            cases.extend(missing);
            cases.retain(|case| self.cases.iter().any(|id| id == case.id));
        }
        cases
    }
}

/// The names between commas, each of which has to be known.
fn checked(flag: &str, names: Option<String>, known: &[&str]) -> Result<Vec<String>, String> {
    let list = known.join(", ");
    let names = names.ok_or_else(|| format!("`{flag}` wants names: {list}"))?;
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("`{flag}` knows no `{unknown}`; there are {list}")),
        None => Ok(names),
    }
}

/// Measures, prints, and for a full run writes the docs.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    if options.list {
        return Ok(install::list(workspace));
    }
    let cases = options.chosen();
    let rig = rig(workspace, options.builds)?;
    let field = Field::gather(
        workspace,
        options.builds,
        &options.only,
        cases.iter().map(|case| case.program),
    )?;
    let mut conditions = Conditions::here(&rig.tool.cores);
    let mut rows = Vec::new();
    for case in &cases {
        let first_only = case.first_only && options.only.is_empty();
        let count = if first_only { 1 } else { usize::MAX };
        let able = field.opponents.iter().filter(|opponent| opponent.plays(case.role));
        for opponent in able.take(count) {
            let row = measure(&rig, &field, case, opponent, options.pairs(case.cost));
            println!("{}", row.line());
            rows.push(row);
        }
    }
    conditions.end();
    let report = report::Report { conditions, field: &field, rows: &rows, options };
    println!("\n{}", report.terminal());
    if options.full {
        report.write(root())?;
    } else {
        let path = workspace.target.join("peers.json");
        std::fs::write(&path, report.json_text()?).context("write the figures")?;
        println!("the raw figures: {}", path.display());
    }
    Ok(true)
}

/// The load tool, built, and where it runs.
pub(crate) fn rig(workspace: &Workspace, builds: Builds) -> anyhow::Result<Rig> {
    anyhow::ensure!(
        Path::new("/proc/self/schedstat").exists(),
        "CPU time is read from /proc/PID/task/*/schedstat, which this system does not have"
    );
    let tool = Built::new(Program::Load, workspace, builds)?;
    let tool = LoadTool { program: tool.path, cores: Cores::here() };
    Ok(Rig { tool, logs: workspace.target.join("measure") })
}

/// One row of the table. What goes wrong stands in it.
pub(crate) fn measure(
    rig: &Rig,
    field: &Field,
    case: &Case,
    opponent: &Opponent,
    pairs: usize,
) -> Row {
    let outcome = match (field.ours(case.program), opponent.installed.as_ref()) {
        (Err(why), _) => Outcome::Missing(why),
        (_, Err(why)) => Outcome::Missing(why.clone()),
        (Ok(built), Ok(installed)) => {
            let start_ours = |port| built.command(port);
            let start_theirs = |port| opponent.command(installed, case, port);
            let ours = Side { name: "ours", command: &start_ours, workload: case.ours.clone() };
            let theirs = Side {
                name: opponent.id,
                command: &start_theirs,
                workload: opponent.workload(case),
            };
            match rig.duel(&ours, &theirs, case.cost, pairs) {
                Ok(duel) => Outcome::Measured(duel),
                Err(error) => Outcome::Failed(format!("{error:#}")),
            }
        }
    };
    Row { case: case.clone(), peer: opponent.id, outcome }
}

/// Puts a generated part into the page of the figures.
pub(crate) fn write_page(name: &str, text: &str) -> anyhow::Result<()> {
    page::write(&root().join("docs").join("benchmarks.md"), name, text)
}
