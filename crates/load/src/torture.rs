//! `ws-torture`: several publish through gateways that are killed, paused and cut off, others follow, and in
//! the end each has seen exactly what was accepted, or it is said what not.

use std::{
    ffi::OsString,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use self::{
    arguments::Plan,
    course::Course,
    drive::drive,
    fault::{Possible, Timeline},
    house::{House, Stage},
    tally::Tally,
};

pub(crate) mod arguments;
pub(crate) mod client;
pub(crate) mod course;
mod drive;
mod fault;
mod house;
mod ledger;
mod proxy;
mod publisher;
mod report;
pub(crate) mod site;
mod subscriber;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
mod verdict;

const FAILED: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;
/// What stands for the standard output.
const STDOUT: &str = "-";
/// What the channels' names begin with; a number follows.
const CHANNELS: &str = "t:";

/// Does what the arguments say and answers the exit code: 1 if something was lost, doubled or out of order.
pub fn run(arguments: impl IntoIterator<Item = OsString>, interrupted: &Arc<AtomicBool>) -> u8 {
    let matches = match arguments::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help is no error, and what cannot be printed is no other one.
            let _ = error.print();
            return if error.use_stderr() { BAD_ARGUMENTS } else { 0 };
        }
    };
    let plan = match arguments::plan(&matches) {
        Ok(plan) => plan,
        Err(fault) => {
            complain(&fault);
            return BAD_ARGUMENTS;
        }
    };
    match perform(&plan, interrupted) {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(error) => {
            complain(&format!("seed {}: {error}", plan.seed));
            FAILED
        }
    }
}

/// Whether nothing was lost.
fn perform(plan: &Plan, interrupted: &AtomicBool) -> Result<bool, String> {
    let mut tell = |line: &str| {
        if !plan.is_quiet {
            complain(line);
        }
    };
    tell(&format!("engine {}, seed {}", plan.engine.name(), plan.seed));
    let mut house = House::start(plan).map_err(|error| error.to_string())?;
    let course = Course::new(plan.clone(), house.doors())?;
    let possible = Possible {
        gateways: plan.gateways,
        gateways_killed: plan.survives_a_gateway(),
        engine: plan.engine.is_shared(),
    };
    let mut faults = Timeline::new(plan.seed, possible);
    let outcome = drive(&course, &mut house, &mut faults, interrupted, &mut tell)
        .inspect_err(|_| complain(&house.logs()))?;
    let json = format!("{:#}\n", report::json(plan, &outcome));
    match plan.json.as_deref() {
        Some(path) if path == Path::new(STDOUT) => print(&json),
        Some(path) => {
            std::fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))?;
            print(&report::table(plan, &outcome));
        }
        None => print(&report::table(plan, &outcome)),
    }
    if !outcome.verdict.is_good() {
        complain(&house.logs());
    }
    Ok(outcome.verdict.is_good())
}

fn channel_name(index: usize) -> String {
    format!("{CHANNELS}{index}")
}

#[expect(clippy::disallowed_methods, reason = "threads that wait for the world outside")]
pub(crate) fn pause(duration: Duration) {
    if !duration.is_zero() {
        std::thread::sleep(duration);
    }
}

#[expect(clippy::print_stderr, reason = "a command talks to its terminal")]
fn complain(text: &str) {
    eprintln!("ws-torture: {text}");
}

#[expect(clippy::print_stdout, reason = "a command talks to its terminal")]
fn print(text: &str) {
    print!("{text}");
}
