//! `ws-scale`: what it costs to have two gateways instead of one, how much later messages come, how many channels
//! there may be, and what it takes to give a million messages again. `cargo xtask scale` makes tables of it.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgAction, Command, value_parser};
use serde_json::{Value, json};

use self::setup::{SETUPS, Setup};
use crate::torture::arguments::Engine;

mod channels;
mod delivery;
mod fan_out;
mod latency;
mod replay;
mod setup;
mod usage;

const FAILED: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;

/// One case with one setup: names and figures.
type Figures = Result<Value, String>;

/// Does what the arguments say, prints the figures as JSON, and answers the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help is no error, and what cannot be printed is no other one.
            let _ = error.print();
            return if error.use_stderr() { BAD_ARGUMENTS } else { 0 };
        }
    };
    // Gateways are started in folders of their own; a path that is none cannot be started.
    let program = matches.get_one::<PathBuf>("gateway").cloned().unwrap_or_default();
    let plan = Plan {
        program: std::path::absolute(&program).unwrap_or(program),
        rounds: matches.get_one::<u64>("rounds").copied().unwrap_or(1),
        is_brief: matches.get_flag("brief"),
        only: matches.get_many::<String>("only").into_iter().flatten().cloned().collect(),
    };
    let figures = plan.measure();
    print(&format!("{:#}\n", Value::Array(figures.clone())));
    let failed = figures.iter().filter(|figure| figure["error"].is_string()).count();
    if failed > 0 { FAILED } else { 0 }
}

/// What is to be measured.
struct Plan {
    program: PathBuf,
    rounds: u64,
    /// A hundredth of everything, to see that it works.
    is_brief: bool,
    only: Vec<String>,
}

impl Plan {
    /// In turn, round by round, so that what else the machine does meets all of them.
    fn measure(&self) -> Vec<Value> {
        let mut figures = Vec::new();
        for round in 1..=self.rounds {
            for setup in SETUPS {
                for has_history in [false, true] {
                    self.case(&mut figures, round, "fan-out", setup, has_history, |it| {
                        fan_out::measure(it, self.count(20_000))
                    });
                    self.case(&mut figures, round, "latency", setup, has_history, |it| {
                        latency::measure(it, self.count(2_000))
                    });
                    for channels in [10, 10_000] {
                        let name = format!("channels {channels}");
                        self.case(&mut figures, round, &name, setup, has_history, |it| {
                            channels::measure(it, channels, self.count(30_000))
                        });
                    }
                }
            }
        }
        for engine in [Engine::Memory, Engine::Disk, Engine::Redis, Engine::Nats] {
            let setup = Setup { engine, gateways: 1 };
            self.case(&mut figures, 1, "replay", setup, true, |it| {
                replay::measure(it, self.count(1_000_000))
            });
        }
        figures
    }

    fn count(&self, count: u64) -> u64 {
        if self.is_brief { count / 100 } else { count }
    }

    fn case(
        &self,
        figures: &mut Vec<Value>,
        round: u64,
        name: &str,
        setup: Setup,
        has_history: bool,
        measure: impl FnOnce(&mut setup::Site) -> Figures,
    ) {
        if !self.only.is_empty() && !self.only.iter().any(|it| name.starts_with(it.as_str())) {
            return;
        }
        complain(&format!("round {round}: {name}, {setup}, history: {has_history}"));
        let started = setup::Site::start(&self.program, setup, has_history);
        let measured = started
            .map_err(|error| error.to_string())
            .and_then(|mut site| measure(&mut site).inspect_err(|_| complain(&site.logs())));
        let outcome = match measured {
            Ok(figures) => json!({ "figures": figures }),
            Err(error) => {
                complain(&error);
                json!({ "error": error })
            }
        };
        let mut figure = json!({
            "case": name, "engine": setup.engine.name(), "gateways": setup.gateways,
            "history": has_history, "round": round,
        });
        if let (Value::Object(figure), Value::Object(outcome)) = (&mut figure, outcome) {
            figure.extend(outcome);
        }
        figures.push(figure);
    }
}

fn command() -> Command {
    Command::new("ws-scale")
        .version(clap::crate_version!())
        .about("Measures gateways on one engine beside a gateway alone")
        .arg(
            Arg::new("gateway")
                .long("gateway")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The gateway's binary"),
        )
        .arg(
            Arg::new("rounds")
                .long("rounds")
                .value_name("N")
                .default_value("3")
                .value_parser(value_parser!(u64).range(1..=100))
                .help("How often each case is measured, in turn"),
        )
        .arg(
            Arg::new("only")
                .long("only")
                .value_name("CASE")
                .action(ArgAction::Append)
                .help("fan-out, latency, channels or replay; may be repeated"),
        )
        .arg(
            Arg::new("brief")
                .long("brief")
                .action(ArgAction::SetTrue)
                .help("A hundredth of everything, to see that it works"),
        )
}

#[expect(clippy::print_stderr, reason = "a command talks to its terminal")]
fn complain(text: &str) {
    eprintln!("ws-scale: {text}");
}

#[expect(clippy::print_stdout, reason = "a command talks to its terminal")]
fn print(text: &str) {
    print!("{text}");
}
