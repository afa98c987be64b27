//! Runs steps one after the other, those that wait beside those that work, and tells how each of them went.

use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::suite::{Action, Step};
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{advisories, instructions, provision, side_by_side, tidy, torture};

/// How one step went.
#[derive(Debug)]
struct Outcome {
    step: &'static str,
    took: Duration,
    succeeded: bool,
}

/// What the steps share: what they act on, what an earlier one found, what all of them counted.
struct Run<'a> {
    workspace: &'a Workspace,
    environment: Vec<(&'static str, OsString)>,
    tests: Tally,
    /// Tests that failed beside others and passed by themselves.
    disturbed: Vec<String>,
}

/// Runs the steps in order and ends with a table; whether all of them succeeded.
pub(crate) fn run(
    workspace: &Workspace,
    steps: &[&'static Step],
    fail_fast: bool,
) -> anyhow::Result<bool> {
    anyhow::ensure!(!steps.is_empty(), "no step is left to run");
    let mut run =
        Run { workspace, environment: Vec::new(), tests: Tally::default(), disturbed: Vec::new() };
    let start = now();
    let first_idle = steps.iter().position(|step| step.action.is_idle());
    let outcomes = match first_idle {
        Some(place) if !fail_fast => run.beside_idle(steps, place),
        _ => run.in_turn(steps, fail_fast),
    };
    let took = now() - start;
    print!("{}", table(&outcomes, steps.len(), took));
    if !run.tests.is_empty() {
        println!("\n{}", run.tests);
    }
    if !run.disturbed.is_empty() {
        println!(
            "\nfailed while others were at work, and passed by themselves; each is a fault to be found:"
        );
        run.disturbed.iter().for_each(|name| println!("    {name}"));
    }
    Ok(outcomes.iter().all(|outcome| outcome.succeeded))
}

impl Run<'_> {
    /// One after the other.
    fn in_turn(&mut self, steps: &[&'static Step], fail_fast: bool) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for step in steps {
            println!("==> {}: {}", step.name, step.about);
            let start = now();
            let succeeded = self.perform(step);
            outcomes.push(Outcome::tell(step, now() - start, succeeded));
            if fail_fast && outcomes.iter().any(|outcome| !outcome.succeeded) {
                break;
            }
        }
        outcomes
    }

    /// What leaves the machine idle, one after the other, and meanwhile all that comes behind the first of it and
    /// does not. What the idle ones have to say comes behind all the rest.
    fn beside_idle(&mut self, steps: &[&'static Step], place: usize) -> Vec<Outcome> {
        let mut outcomes = self.in_turn(&steps[..place], false);
        let (idle, busy): (Vec<&'static Step>, Vec<&'static Step>) =
            steps[place..].iter().copied().partition(|step| step.action.is_idle());
        let names: Vec<&str> = idle.iter().map(|step| step.name).collect();
        println!("==> {}; meanwhile:", names.join(", "));
        let (workspace, environment) = (self.workspace, self.environment.clone());
        std::thread::scope(|scope| {
            let (steps, environment) = (&idle, &environment);
            let quietly = scope.spawn(move || {
                let perform = |step: &&'static Step| {
                    let start = now();
                    let done = perform_quietly(step, workspace, environment);
                    (done, now() - start)
                };
                steps.iter().map(perform).collect::<Vec<_>>()
            });
            let of_busy = self.in_turn(&busy, false);
            let done = quietly.join().unwrap_or_default();
            for (step, (done, took)) in idle.iter().zip(done) {
                println!("==> {}, which ran beside the steps above", step.name);
                outcomes.push(Outcome::tell(step, took, done.map(print_said)));
            }
            outcomes.extend(of_busy);
        });
        outcomes
    }

    fn perform(&mut self, step: &Step) -> anyhow::Result<bool> {
        match step.action {
            Action::Cargo(commands) => {
                let mut succeeded = true;
                for command in commands(self.workspace) {
                    println!("    {command}");
                    if !command.run_counting(&self.environment, &mut self.tests)? {
                        println!("failed: {command}");
                        succeeded = false;
                    }
                }
                Ok(succeeded)
            }
            Action::Tidy => tidy::run(self.workspace),
            Action::Advisories => advisories::run(&advisories::Options::default()),
            Action::Instructions => {
                let options = instructions::Options::default();
                instructions::run(self.workspace, &self.environment, options)
            }
            Action::Tests => {
                let (succeeded, second) =
                    side_by_side::run(self.workspace, &self.environment, &mut self.tests)?;
                self.disturbed = second.passed;
                Ok(succeeded)
            }
            Action::Torture => torture::briefly(self.workspace, &self.environment).map(print_said),
            Action::Provision => {
                let provisions = provision::provide(self.workspace);
                provisions.print_complaints();
                let complete = provisions.is_complete();
                self.environment = provisions.environment;
                Ok(complete)
            }
        }
    }
}

/// Whether all was well, and what was said.
type Said = (bool, String);

/// Without a word while others print.
fn perform_quietly(
    step: &Step,
    workspace: &Workspace,
    environment: &[(&'static str, OsString)],
) -> anyhow::Result<Said> {
    match step.action {
        Action::Torture => torture::briefly(workspace, environment),
        _ => {
            // By a process of its own, whose words can be kept. By the name that it was called by: what it was
            // started from is gone where a step has built it anew.
            let program = std::env::args_os().next().context("find this program")?;
            let mut command = Command::new(program);
            command.arg(step.name).envs(environment.iter().map(|(name, value)| (name, value)));
            let output = command.output().with_context(|| format!("run {}", step.name))?;
            let said = [output.stdout, output.stderr].concat();
            Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
        }
    }
}

fn print_said((is_good, said): Said) -> bool {
    print!("{said}");
    is_good
}

impl Outcome {
    /// Says how the step went. What kept it from running at all is no reason to know nothing of the others.
    fn tell(step: &Step, took: Duration, succeeded: anyhow::Result<bool>) -> Self {
        let succeeded = succeeded.unwrap_or_else(|error| {
            println!("error: {error:#}");
            false
        });
        let outcome = Self { step: step.name, took, succeeded };
        println!("<== {}: {}, {}\n", step.name, outcome.word(), seconds(took));
        outcome
    }

    fn word(&self) -> &'static str {
        if self.succeeded { "ok" } else { "FAILED" }
    }
}

/// The closing table: what ran, what did not, and how to repeat what failed.
fn table(outcomes: &[Outcome], planned: usize, took: Duration) -> String {
    let mut lines = String::new();
    for outcome in outcomes {
        let again = match outcome.succeeded {
            true => String::new(),
            false => format!("   again: cargo xtask test --only {}", outcome.step),
        };
        let (step, word) = (outcome.step, outcome.word());
        lines += &format!("{step:<12} {word:<6} {:>8}{again}\n", seconds(outcome.took));
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.succeeded).count();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    lines += &format!("{:<12} {word:<6} {:>8}\n", "all", seconds(took));
    if planned > outcomes.len() {
        lines += &format!("not run: {} more\n", planned - outcomes.len());
    }
    lines
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "this program times the commands that it runs")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_failed_and_how_to_repeat_it() {
        let outcome = |step, millis, succeeded| Outcome {
            step,
            took: Duration::from_millis(millis),
            succeeded,
        };
        let outcomes = [outcome("fmt", 840, true), outcome("clippy", 31_200, false)];
        let expected = "\
fmt          ok        0.8 s
clippy       FAILED   31.2 s   again: cargo xtask test --only clippy
all          FAILED   31.5 s
not run: 3 more
";
        assert_eq!(table(&outcomes, 5, Duration::from_millis(31_500)), expected);
    }

    #[test]
    fn all_is_ok_when_every_step_was() {
        let outcomes = [Outcome { step: "docs", took: Duration::ZERO, succeeded: true }];
        assert!(table(&outcomes, 1, Duration::ZERO).ends_with("all          ok        0.0 s\n"));
    }
}
