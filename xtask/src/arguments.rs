//! The command line, as it was typed and as it is meant.

use crate::{
    advisories, behaviours, budgets, curves, fuzz, handed_on, instructions, peers, suite, torture,
    wave,
};

/// What `cargo xtask --help` prints.
pub(crate) const HELP: &str = "\
The workspace's own commands.

Usage: cargo xtask COMMAND

  test         all that must hold: lints, docs, every test, example and bench
    --list             name the steps and what each does
    --only STEP        only this step and what it builds on; repeat or separate by commas
    --skip STEP        all but this step; repeat or separate by commas
    --fail-fast        stop at the first step that fails
  lint         the quick half of it: fmt, clippy, docs
  tidy         the rules that no compiler knows: layers, sizes, links, settings
  behaviours   what both clients promise, and the test that shows each promise for each
    --write            write the table to docs/clients.md
  advisories   versions that were taken back, and known faults where a RustSec database is at hand
    --database FOLDER  where that is; ADVISORY_DB says it too
  provision    install what the tests need from the system, print it as shell exports
  bench [..]   cargo bench, with what follows handed on: `bench --bench compression`
  instructions how many each thing takes, beside the committed table
    --update           write the table
  million [..] a million connections without sockets: their memory, heartbeats and end
  peers        what others cost beside us: each peer and ours in turn, as ratios
    --list             install the peers and name them with their versions, measure nothing
    --full             longer runs and more of them, written to docs/benchmarks.md
    --only PEER        only this peer; repeat or separate by commas
    --cases CASE       only this case; repeat or separate by commas
  budgets      what each thing may cost, and whether it is met
    --write            write the table to docs/benchmarks.md
    --only BUDGET      only this budget; repeat or separate by commas
    --strict           fail if one is missed
  curves       what a message costs as the work grows
    --write            write charts and tables to docs
    --only CHART       only this chart; repeat or separate by commas
  wave         ten thousand join one room: what its members are told of one another
    --write            write the table to docs/benchmarks.md
    --members N        other sizes, measured once; separate by commas
    --no-build         for any of the four: our programs as they were built last
  scale [..]   two gateways on one engine beside one alone, and a million messages given again
    --write            write the tables to docs/scaling.md
    --only CASE        only fan-out, latency, channels or replay; repeat
    --rounds N         how often each
    --no-build         our programs as they were built last
  siege [..]   what hostile peers do, one thing after the other, and what it costs
    --write            write the table to docs/security.md
    --attack NAME      only this one; repeat
    --seconds N        how long each of them lasts
    --no-build         our programs as they were built last
  soak [..]    half an hour of churn, reloads and outages: memory, files and tasks stay flat
    --write            write picture and table to docs/testing.md
    --minutes N        for how long
    --engine ENGINE    memory, redis or nats
    --no-build         our programs as they were built last
  fuzz         any bytes for whatever reads what a peer has written
    --runs N           how often each target is run; a million times unless it is said
    --only TARGET      only this one; repeat
    --keep             what was found is kept in xtask/fuzz/corpus
  torture [..] kills, pauses and cuts off gateways and engines: nothing may be lost, doubled or reordered
    --engine ENGINE    only memory, disk, redis or nats
    --minutes N        for how long
    --messages N       how many at most
    --seed S           what happens when; what failed is printed with its seed
    --no-build         our programs as they were built last

docs/testing.md and docs/benchmarks.md say more.
";

/// One of our commands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    ListSteps,
    Run(Selection),
    Tidy,
    Advisories(advisories::Options),
    Behaviours(behaviours::Options),
    Provision,
    Bench(Vec<String>),
    Million(Vec<String>),
    Instructions(instructions::Options),
    Peers(peers::Options),
    Budgets(budgets::Options),
    Curves(curves::Options),
    Wave(wave::Options),
    Torture(torture::Options),
    Scale(handed_on::Options),
    Siege(handed_on::Options),
    Fuzz(fuzz::Options),
    Soak(handed_on::Options),
}

/// Which steps to run, and whether a failure ends it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Nothing here means every step.
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
    pub(crate) fail_fast: bool,
}

impl Task {
    /// Reads the arguments after the program's name; the error is a sentence for the terminal.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let command = arguments.next();
        let rest: Vec<String> = arguments.collect();
        match command.as_deref() {
            Some("bench") => Ok(Self::Bench(rest)),
            Some("million") => Ok(Self::Million(rest)),
            Some("-h" | "--help" | "help") | None => Ok(Self::Help),
            _ if rest.iter().any(|argument| argument == "-h" || argument == "--help") => {
                Ok(Self::Help)
            }
            Some("test") => parse_test(rest),
            Some("lint") => parse_lint(&rest),
            Some("tidy") => nothing_after("tidy", &rest).map(|()| Self::Tidy),
            Some("advisories") => {
                advisories::Options::parse(rest).map(Self::Advisories).map_err(with_help)
            }
            Some("behaviours") => {
                behaviours::Options::parse(&rest).map(Self::Behaviours).map_err(with_help)
            }
            Some("provision") => nothing_after("provision", &rest).map(|()| Self::Provision),
            Some("instructions") => {
                instructions::Options::parse(&rest).map(Self::Instructions).map_err(with_help)
            }
            Some("peers") => peers::Options::parse(rest).map(Self::Peers).map_err(with_help),
            Some("budgets") => budgets::Options::parse(rest).map(Self::Budgets).map_err(with_help),
            Some("curves") => curves::Options::parse(rest).map(Self::Curves).map_err(with_help),
            Some("scale") => Ok(Self::Scale(handed_on::Options::parse(rest))),
            Some("fuzz") => fuzz::Options::parse(rest).map(Self::Fuzz),
            Some("soak") => Ok(Self::Soak(handed_on::Options::parse(rest))),
            Some("siege") => Ok(Self::Siege(handed_on::Options::parse(rest))),
            Some("torture") => torture::Options::parse(rest).map(Self::Torture).map_err(with_help),
            Some("wave") => wave::Options::parse(rest).map(Self::Wave).map_err(with_help),
            Some(other) => Err(format!("no command `{other}`\n\n{HELP}")),
        }
    }
}

/// `--flag=value` in its two parts; a value may also be the next argument.
pub(crate) fn flag_and_value(argument: &str) -> (&str, Option<String>) {
    argument
        .split_once('=')
        .map_or((argument, None), |(flag, value)| (flag, Some(value.to_owned())))
}

fn parse_test(arguments: Vec<String>) -> Result<Task, String> {
    let mut selection = Selection::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (flag, value) = flag_and_value(&argument);
        match (flag, &value) {
            ("--list", None) => return Ok(Task::ListSteps),
            ("--fail-fast", None) => selection.fail_fast = true,
            ("--only" | "--skip", _) => {
                let names = value
                    .or_else(|| arguments.next())
                    .ok_or_else(|| format!("`{flag}` wants a step: {}", suite::names()))?;
                let names = checked_steps(&names)?;
                if flag == "--only" { &mut selection.only } else { &mut selection.skip }
                    .extend(names);
            }
            _ => return Err(format!("`test` knows no `{argument}`\n\n{HELP}")),
        }
    }
    Ok(Task::Run(selection))
}

fn parse_lint(arguments: &[String]) -> Result<Task, String> {
    let fail_fast = arguments.iter().any(|argument| argument == "--fail-fast");
    if let Some(other) = arguments.iter().find(|argument| *argument != "--fail-fast") {
        return Err(format!("`lint` knows no `{other}`\n\n{HELP}"));
    }
    let only = suite::LINT.iter().map(ToString::to_string).collect();
    Ok(Task::Run(Selection { only, skip: Vec::new(), fail_fast }))
}

fn nothing_after(command: &str, rest: &[String]) -> Result<(), String> {
    match rest.first() {
        Some(extra) => Err(format!("`{command}` knows no `{extra}`\n\n{HELP}")),
        None => Ok(()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps an error")]
fn with_help(complaint: String) -> String {
    format!("{complaint}\n\n{HELP}")
}

fn checked_steps(names: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| suite::step(name).is_none()) {
        Some(unknown) => Err(format!("no step `{unknown}`; there are {}", suite::names())),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task, String> {
        Task::parse(line.split_whitespace().map(str::to_owned))
    }

    fn selection(only: &[&str], skip: &[&str], fail_fast: bool) -> Task {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Task::Run(Selection { only: owned(only), skip: owned(skip), fail_fast })
    }

    #[test]
    fn each_way_to_write_a_command_is_understood() {
        let bench =
            |arguments: &[&str]| Task::Bench(arguments.iter().map(ToString::to_string).collect());
        for (line, expected) in [
            ("", Task::Help),
            ("--help", Task::Help),
            ("test --help", Task::Help),
            ("test", selection(&[], &[], false)),
            ("test --list", Task::ListSteps),
            ("test --only clippy", selection(&["clippy"], &[], false)),
            ("test --only=fmt,docs --fail-fast", selection(&["fmt", "docs"], &[], true)),
            ("test --skip tests --skip benches", selection(&[], &["tests", "benches"], false)),
            ("lint", selection(&suite::LINT, &[], false)),
            ("lint --fail-fast", selection(&suite::LINT, &[], true)),
            ("tidy", Task::Tidy),
            ("provision", Task::Provision),
            ("instructions", Task::Instructions(instructions::Options { update: false })),
            ("bench --bench auth -- --help", bench(&["--bench", "auth", "--", "--help"])),
            ("million --json", Task::Million(vec!["--json".to_owned()])),
        ] {
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, complaint) in [
            ("tset", "no command `tset`"),
            ("test --only clipy", "no step `clipy`; there are "),
            ("test --only", "`--only` wants a step: "),
            ("test --quick", "`test` knows no `--quick`"),
            ("lint --only fmt", "`lint` knows no `--only`"),
            ("tidy now", "`tidy` knows no `now`"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.starts_with(complaint), "{line}: {error}");
        }
    }
}
