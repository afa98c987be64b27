//! `ws-siege`: does to a gateway what hostile peers do, one thing after the other, while a few honest clients ask
//! and measure how long they wait; and says what it cost, and whether everything came back afterwards.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};

use crate::{
    errand,
    torture::{
        arguments::Engine,
        pause,
        site::{Gateway, Recipe},
    },
};

mod attack;
mod attacks;
mod bystanders;
mod cores;
mod field;
mod report;
mod vitals;
mod wire;

use attack::{ATTACKS, Attack};
use bystanders::{Bystanders, Phase};
use field::Field;
use report::Row;
use vitals::Vitals;

/// How long honest clients have the gateway to themselves before.
const QUIET: Duration = Duration::from_secs(4);
/// How long an attack lasts at most that has not done yet what it is to do.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the gateway may take to be as it was: longer than any of its deadlines here, and than its allocator
/// keeps what was freed.
const RECOVERY_MAX: Duration = Duration::from_secs(25);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(250);

/// What is to be done.
#[derive(Clone, Debug)]
struct Plan {
    program: PathBuf,
    attacks: Vec<&'static Attack>,
    duration: Duration,
    json: Option<PathBuf>,
}

fn command() -> Command {
    let names: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
    let file = |name: &'static str, help: &'static str| {
        let parser = value_parser!(PathBuf);
        Arg::new(name).long(name).value_name("FILE").value_parser(parser).help(help)
    };
    Command::new("ws-siege")
        .version(clap::crate_version!())
        .about("Does to a gateway what hostile peers do, and says what it cost it and its other clients")
        .arg(file("gateway", "The gateway's binary").required(true))
        .arg(
            Arg::new("attack")
                .long("attack")
                .action(ArgAction::Append)
                .value_parser(PossibleValuesParser::new(names))
                .help("Only this one; may be repeated"),
        )
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_name("N")
                .default_value("10")
                .value_parser(value_parser!(u64).range(1..=600))
                .help("How long each of them lasts"),
        )
        .arg(file("json", "The figures as JSON go there"))
}

fn plan(matches: &ArgMatches) -> Result<Plan, String> {
    let asked: Vec<&String> = matches.get_many("attack").into_iter().flatten().collect();
    let is_asked = |attack: &&Attack| {
        asked.is_empty() || asked.iter().any(|name| name.as_str() == attack.name)
    };
    let program = matches.get_one::<PathBuf>("gateway").cloned().unwrap_or_default();
    Ok(Plan {
        // Gateways are started in folders of their own.
        program: std::path::absolute(program).map_err(|error| format!("--gateway: {error}"))?,
        attacks: ATTACKS.iter().filter(is_asked).collect(),
        duration: Duration::from_secs(matches.get_one("seconds").copied().unwrap_or(10)),
        json: matches.get_one("json").cloned(),
    })
}

/// Does what the arguments say and answers the exit code: 1 if the gateway did not survive, if others had to wait for
/// longer than is stated, if what it held did not come back, or if an attack was not what it is said to be.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    errand::exit_code(command(), arguments, complain, |matches| perform(&plan(matches)?))
}

/// Whether every siege was withstood.
fn perform(plan: &Plan) -> Result<bool, String> {
    let mut rows = Vec::new();
    for attack in &plan.attacks {
        complain(&format!("{}: {}", attack.name, attack.about));
        rows.push(besiege(plan, attack).map_err(|error| format!("{}: {error}", attack.name))?);
    }
    print(&report::table(&rows));
    if let Some(path) = &plan.json {
        let json = format!("{:#}\n", report::json(&rows, plan.duration));
        std::fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(rows.iter().all(Row::is_withstood))
}

/// One attack on a gateway of its own.
fn besiege(plan: &Plan, attack: &'static Attack) -> Result<Row, String> {
    let recipe = Recipe {
        program: &plan.program,
        engine: Engine::Memory,
        engine_port: None,
        rules: attack.rules,
        environment: &[field::ENVIRONMENT, attack.environment].concat(),
    };
    let Gateway { mut process, port } =
        cores::started_apart(|| recipe.start()).map_err(|error| error.to_string())?;
    let id = process.id().ok_or("the gateway has ended")?;
    let phase = Arc::new(AtomicUsize::new(Phase::Quiet as usize));
    let bystanders = Bystanders::start(port, &phase)?;
    pause(QUIET);
    let before = Vitals::of(id).ok_or("the gateway has ended")?;

    let field = Field::new(port);
    phase.store(Phase::Siege as usize, Ordering::Relaxed);
    let start = now();
    let mut peak = before;
    let attackers = field.let_loose(attack);
    let is_enough = || {
        let took = now() - start;
        took >= LONGEST.max(plan.duration)
            || took >= plan.duration
                && attack.least.is_none_or(|least| least.is_done(field.counts().done))
    };
    while !is_enough() {
        pause(LOOK);
        peak = Vitals::of(id).ok_or("the gateway did not survive")?.or_more(peak);
    }
    let end = Vitals::of(id).ok_or("the gateway did not survive")?;
    let took = now() - start;
    field.end();
    attackers.into_iter().for_each(|thread| drop(thread.join()));

    phase.store(Phase::After as usize, Ordering::Relaxed);
    let after = recovered(id, before)?;
    let waits = bystanders.end();
    if !process.is_running() {
        return Err(format!("the gateway did not survive:\n{}", process.log()));
    }
    let counts = field.counts();
    Ok(Row { attack, counts, took, before, peak, after, cpu: end.cpu_since(before), waits })
}

/// How the gateway is when nobody attacks any more: as it was before, or as it is when that took too long.
fn recovered(id: u32, before: Vitals) -> Result<Vitals, String> {
    let start = now();
    loop {
        let vitals = Vitals::of(id).ok_or("the gateway ended afterwards")?;
        if vitals.is_like(before) || now() - start > RECOVERY_MAX {
            return Ok(vitals);
        }
        pause(LOOK);
    }
}

#[expect(clippy::disallowed_methods, reason = "this program times what it does to others")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stderr, reason = "a command talks to its terminal")]
fn complain(text: &str) {
    eprintln!("ws-siege: {text}");
}

#[expect(clippy::print_stdout, reason = "a command talks to its terminal")]
fn print(text: &str) {
    print!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Plan, String> {
        let words = ["ws-siege", "--gateway", "g"].into_iter().chain(line.split_whitespace());
        let matches = command().try_get_matches_from(words).map_err(|error| error.to_string())?;
        plan(&matches)
    }

    #[test]
    fn all_attacks_are_meant_unless_some_are_named() {
        assert_eq!(parsed("").unwrap().attacks.len(), ATTACKS.len());
        let plan = parsed("--attack ping-flood --attack bad-tokens --seconds 3").unwrap();
        let mut names: Vec<&str> = plan.attacks.iter().map(|attack| attack.name).collect();
        names.sort_unstable();
        assert_eq!((names, plan.duration.as_secs()), (vec!["bad-tokens", "ping-flood"], 3));
        assert!(parsed("--attack kindness").is_err() && parsed("--seconds 0").is_err());
    }

    #[test]
    fn no_two_attacks_have_one_name() {
        let mut names: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ATTACKS.len());
    }
}
