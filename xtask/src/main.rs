//! The workspace's own commands: `cargo xtask test`, `tidy`, `lint`, `provision`, `bench`,
//! `peers`, `budgets`, `curves`, `wave`, `scale`, `torture`, `siege`, `soak`, `fuzz`, `million`,
//! `instructions`, `behaviours`, `advisories`.
//!
//! Everything a contributor or the CI does is one of these, so that there is no second list of
//! commands to keep in step. `cargo xtask --help` names them.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its streams"
)]

use std::process::ExitCode;

use crate::arguments::{HELP, Task};
use crate::workspace::Workspace;

mod advisories;
mod arguments;
mod behaviours;
mod budgets;
mod chart;
mod curves;
mod fuzz;
mod handed_on;
mod instructions;
mod invocation;
mod measure;
mod million;
mod peers;
mod provision;
mod runner;
mod scale;
mod side_by_side;
mod siege;
mod soak;
mod suite;
mod tally;
mod tidy;
mod torture;
mod wave;
mod workspace;

fn main() -> ExitCode {
    let task = match Task::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::from(2);
        }
    };
    match perform(task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well; an error is something that kept the task from being done at all.
fn perform(task: Task) -> anyhow::Result<bool> {
    match task {
        Task::Help => print!("{HELP}"),
        Task::ListSteps => suite::print_steps(),
        Task::Run(selection) => {
            return runner::run(
                &Workspace::here()?,
                &suite::select(&selection),
                selection.fail_fast,
            );
        }
        Task::Tidy => return tidy::run(&Workspace::here()?),
        Task::Advisories(options) => return advisories::run(&options),
        Task::Behaviours(options) => return behaviours::run(options),
        Task::Provision => return provision::run(&Workspace::here()?),
        Task::Peers(options) => return peers::run(&Workspace::here()?, &options),
        Task::Budgets(options) => return budgets::run(&Workspace::here()?, &options),
        Task::Curves(options) => return curves::run(&Workspace::here()?, &options),
        Task::Torture(options) => return torture::run(&Workspace::here()?, &options),
        Task::Scale(options) => return scale::run(&Workspace::here()?, &options),
        Task::Siege(options) => return siege::run(&Workspace::here()?, &options),
        Task::Soak(options) => return soak::run(&Workspace::here()?, &options),
        Task::Fuzz(options) => return fuzz::run(&Workspace::here()?, &options),
        Task::Wave(options) => return wave::run(&Workspace::here()?, &options),
        Task::Bench(arguments) => return suite::bench(&arguments).run(&[]),
        Task::Instructions(options) => {
            return instructions::run(&Workspace::here()?, &[], options);
        }
        Task::Million(arguments) => return million::run(&arguments).run(&[]),
    }
    Ok(true)
}
