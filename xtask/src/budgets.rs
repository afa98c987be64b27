//! `cargo xtask budgets`: what each thing may cost, what it costs, and which of these we meet.
//!
//! The budgets are in `benches/budgets.toml`, each a ratio to a peer that is measured in the same run,
//! or a figure of memory. One that is missed stays in the table, with its reason.

use anyhow::Context;
use serde_json::{Value, json};

use self::list::{Budget, Versus};
use self::verdict::{Finding, Verdict};
use crate::arguments::flag_and_value;
use crate::measure::conditions::Conditions;
use crate::measure::duel::{Rig, Side};
use crate::measure::ours::{Builds, Built, Program};
use crate::measure::page;
use crate::measure::pairs::Summary;
use crate::measure::reading::Cost;
use crate::peers::cases::{self, Case, Length};
use crate::peers::field::{Field, Opponent};
use crate::peers::{measure, rig, write_page};
use crate::workspace::{Workspace, root};

mod list;
mod million;
mod verdict;

/// More than for a look, and all of it still takes some twelve minutes.
const PAIRS: usize = 5;

/// What was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// A budget that is missed is a failure.
    pub(crate) strict: bool,
    pub(crate) builds: Builds,
    /// The docs' table is written.
    pub(crate) write: bool,
    /// Nothing here means every budget.
    pub(crate) only: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match flag_and_value(&argument) {
                ("--strict", None) => options.strict = true,
                ("--no-build", None) => options.builds = Builds::Earlier,
                ("--write", None) => options.write = true,
                ("--only", value) => {
                    let names = value.or_else(|| arguments.next());
                    let names = names.ok_or("`--only` wants the names of budgets")?;
                    options.only.extend(names.split(',').map(|name| name.trim().to_owned()));
                }
                _ => return Err(format!("`budgets` knows no `{argument}`")),
            }
        }
        Ok(options)
    }
}

/// Measures each, prints the table; whether all is as it was asked to be.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    let budgets = list::read(root())?;
    let known = |id: &String| budgets.iter().any(|budget| budget.id == *id);
    if let Some(unknown) = options.only.iter().find(|id| !known(id)) {
        let ids: Vec<&str> = budgets.iter().map(|budget| budget.id.as_str()).collect();
        anyhow::bail!("no budget `{unknown}`; there are {}", ids.join(", "));
    }
    let asked_for = |budget: &&Budget| options.only.is_empty() || options.only.contains(&budget.id);
    let budgets: Vec<&Budget> = budgets.iter().filter(asked_for).collect();
    let measurer = Measurer::new(workspace, options.builds, &budgets)?;
    let mut conditions = Conditions::here(&measurer.rig.tool.cores);
    let mut findings = Vec::new();
    for budget in budgets {
        let finding = Finding { budget, verdict: measurer.verdict(budget) };
        println!("{}", finding.line());
        findings.push(finding);
    }
    conditions.end();
    report(&measurer.field, &conditions, &findings, options)?;
    Ok(!options.strict || findings.iter().all(|finding| matches!(finding.verdict, Verdict::Met(_))))
}

fn report(
    field: &Field,
    conditions: &Conditions,
    findings: &[Finding<'_>],
    options: &Options,
) -> anyhow::Result<()> {
    let met = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Met(_))).count();
    let sum = format!("{met} of {} budgets are met", findings.len());
    let sentence = conditions.sentence(&format!("{PAIRS} pairs of runs in turn"));
    let rows = verdict::table(findings);
    println!("\n{}\n{sum}\n{sentence}", page::columns(&rows));
    if options.write {
        let peers: Vec<String> = field.opponents.iter().map(Opponent::named).collect();
        let text = format!(
            "{}\n{sum}.\n\n*Conditions:* {sentence}; {}.",
            page::table(&rows),
            peers.join(", ")
        );
        write_page("budgets", &text)?;
        let figures: Vec<Value> = findings.iter().map(Finding::json).collect();
        let json = json!({ "conditions": conditions.json(), "peers": peers, "budgets": figures });
        let folder = root().join("docs").join("benchmarks");
        std::fs::create_dir_all(&folder)?;
        let text = serde_json::to_string_pretty(&json)? + "\n";
        std::fs::write(folder.join("budgets.json"), text).context("write the figures")?;
        println!("written: docs/benchmarks.md, docs/benchmarks/budgets.json");
    }
    Ok(())
}

/// What measures budgets: everything built and installed.
struct Measurer {
    rig: Rig,
    field: Field,
    cases: Vec<Case>,
    million: Result<Value, String>,
}

impl Measurer {
    fn new(workspace: &Workspace, builds: Builds, budgets: &[&Budget]) -> anyhow::Result<Self> {
        let rig = rig(workspace, builds)?;
        let cases = cases::all(Length::Full);
        let mut programs: Vec<Program> = Vec::new();
        let mut peers = Vec::new();
        let mut wants_million = false;
        for budget in budgets {
            match &budget.versus {
                Versus::Peer(peer) => peers.push(peer.clone()),
                Versus::Ourselves => programs.extend([Program::Topic, Program::TopicCompressed]),
                Versus::Figure(_) => wants_million = true,
                Versus::Nobody => {}
            }
            let case = cases.iter().find(|case| case.id == budget.case);
            programs.extend(case.map(|case| case.program));
        }
        if peers.is_empty() {
            peers.push(NO_PEER.to_owned());
        }
        let field = Field::gather(workspace, builds, &peers, programs.into_iter())?;
        let million = match wants_million {
            false => Err("was not asked for".to_owned()),
            true => million::run(workspace, builds).map_err(|error| format!("{error:#}")),
        };
        Ok(Self { rig, field, cases, million })
    }

    fn verdict(&self, budget: &Budget) -> Verdict {
        match self.figure(budget) {
            Ok(figure) => Verdict::of(budget, figure),
            Err(error) => Verdict::NotMeasured(format!("{error:#}")),
        }
    }

    fn figure(&self, budget: &Budget) -> anyhow::Result<Summary> {
        match &budget.versus {
            Versus::Peer(peer) => {
                let opponent = self.field.opponents.iter().find(|known| known.id == *peer);
                let opponent = opponent.with_context(|| format!("no peer `{peer}`"))?;
                let row = measure(&self.rig, &self.field, self.case(budget)?, opponent, PAIRS);
                row.ratio().with_context(|| row.reason().unwrap_or_default())
            }
            Versus::Ourselves => self.beside_ourselves(),
            Versus::Nobody => {
                let case = self.case(budget)?;
                let built = self.ours(case.program)?;
                let start = |port| built.command(port);
                let side = Side { name: "ours", command: &start, workload: case.ours.clone() };
                let runs = self.rig.solo(&side, case.cost, 1)?;
                let figures: Vec<f64> =
                    runs.iter().map(|run| run.cost(case.cost)).collect::<Result<_, _>>()?;
                Summary::of(&figures).context("no figures")
            }
            Versus::Figure(pointer) => {
                let json = self.million.as_ref().map_err(|why| anyhow::anyhow!(why.clone()))?;
                let figure = json.pointer(pointer).and_then(Value::as_f64);
                let figure = figure.with_context(|| format!("`million` tells no {pointer}"))?;
                Summary::of(&[figure]).context("no figure")
            }
        }
    }

    /// Fan-out with compression ÷ fan-out without, both ours.
    fn beside_ourselves(&self) -> anyhow::Result<Summary> {
        let (plain, deflated) = (self.ours(Program::Topic)?, self.ours(Program::TopicCompressed)?);
        let start_plain = |port| plain.command(port);
        let start_deflated = |port| deflated.command(port);
        let side = |name, command, more| Side {
            name,
            command,
            workload: cases::publish_to_thousand(2_048, more),
        };
        let with = side("topic, compressed", &start_deflated, "--compress");
        let without = side("topic", &start_plain, "");
        let duel = self.rig.duel(&with, &without, Cost::Message, PAIRS)?;
        duel.cost.ratio().context("no figures")
    }

    fn case(&self, budget: &Budget) -> anyhow::Result<&Case> {
        let found = self.cases.iter().find(|case| case.id == budget.case);
        found.with_context(|| format!("no case `{}`", budget.case))
    }

    fn ours(&self, program: Program) -> anyhow::Result<&Built> {
        self.field.ours(program).map_err(|why| anyhow::anyhow!("missing: {why}"))
    }
}

/// A name that no peer has: a field without peers.
const NO_PEER: &str = "-";
