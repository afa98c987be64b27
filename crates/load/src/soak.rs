//! `ws-soak`: clients come, subscribe, publish and go, the configuration is reloaded, the engine is killed and
//! restarted, for half an hour or as long as is asked for. Afterwards the gateway must hold what it held before:
//! memory, files, tasks.

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Arg, ArgMatches, Command, value_parser};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    errand,
    torture::{
        arguments::Engine,
        pause,
        site::{Gateway, Recipe, Server},
    },
};

mod crowd;
mod sample;
mod verdict;

use crowd::Crowd;
use sample::Sample;
use verdict::Verdict;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(5);
/// How often the configuration is read again.
const RELOAD: Duration = Duration::from_secs(20);
/// How often the engine goes away, and for how long.
const OUTAGE: Duration = Duration::from_secs(120);
const AWAY: Duration = Duration::from_secs(3);

/// Two states of one file, in turn: what a reload changes.
const FILES: [&str; 2] = [
    "[limits]\nmessage_rate_limit = 60000\n\n[[channels]]\npattern = \"*\"\nsubscribe = true\npublish = true\n\
     history = { size = 50, ttl = \"1m\" }\n",
    "[limits]\nmessage_rate_limit = 70000\n\n[[channels]]\npattern = \"*\"\nsubscribe = true\npublish = true\n\
     history = { size = 50, ttl = \"1m\" }\n\n[[channels]]\npattern = \"closed:*\"\nsubscribe = false\n",
];

/// Connects are not limited by address, and users may have as many connections as they like.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("AUTH_MODE", "upgrade"),
    ("UPSTREAM", "echo"),
    ("CONNECTION_RATE_LIMIT", "4294967295"),
    ("MAX_CONNECTIONS_PER_USER", "1000"),
    ("LOG_LEVEL", "error"),
];

/// What is to be done.
#[derive(Clone, Debug)]
struct Plan {
    program: PathBuf,
    duration: Duration,
    engine: Engine,
    /// How many clients there are at a time.
    clients: usize,
    json: Option<PathBuf>,
}

fn command() -> Command {
    let file = |name: &'static str, help: &'static str| {
        let parser = value_parser!(PathBuf);
        Arg::new(name).long(name).value_name("FILE").value_parser(parser).help(help)
    };
    Command::new("ws-soak")
        .version(clap::crate_version!())
        .about("Keeps a gateway busy for long, and says whether it still is as it was")
        .arg(file("gateway", "The gateway's binary").required(true))
        .arg(file("json", "The samples as JSON go there"))
        .arg(
            Arg::new("minutes")
                .long("minutes")
                .value_name("N")
                .default_value("30")
                .value_parser(value_parser!(f64))
                .help("For how long"),
        )
        .arg(
            Arg::new("engine")
                .long("engine")
                .default_value("redis")
                .value_parser(["memory", "redis", "nats"])
                .help("What is behind the gateway"),
        )
        .arg(
            Arg::new("clients")
                .long("clients")
                .value_name("N")
                .default_value("64")
                .value_parser(value_parser!(u64).range(1..=1_000))
                .help("How many there are at a time; each stays for a second or two"),
        )
}

fn plan(matches: &ArgMatches) -> Result<Plan, String> {
    let minutes = matches.get_one::<f64>("minutes").copied().unwrap_or(30.0);
    let duration = Duration::try_from_secs_f64(minutes * 60.0);
    let program = matches.get_one::<PathBuf>("gateway").cloned().unwrap_or_default();
    let clients = matches.get_one::<u64>("clients").copied().unwrap_or(64);
    Ok(Plan {
        program: std::path::absolute(program).map_err(|error| format!("--gateway: {error}"))?,
        duration: duration.map_err(|_| "--minutes wants a number above 0")?,
        engine: match matches.get_one::<String>("engine").map(String::as_str) {
            Some("memory") => Engine::Memory,
            Some("nats") => Engine::Nats,
            _ => Engine::Redis,
        },
        clients: usize::try_from(clients).unwrap_or(64),
        json: matches.get_one("json").cloned(),
    })
}

/// Does what the arguments say and answers the exit code: 1 if something has grown.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    errand::exit_code(command(), arguments, complain, |matches| perform(&plan(matches)?))
}

/// Whether nothing has grown.
fn perform(plan: &Plan) -> Result<bool, String> {
    let mut engine = Server::start(plan.engine, false).map_err(|error| error.to_string())?;
    let recipe = Recipe {
        program: &plan.program,
        engine: plan.engine,
        engine_port: engine.port(),
        rules: FILES[0],
        environment: ENVIRONMENT,
    };
    let Gateway { process, port } = recipe.start().map_err(|error| error.to_string())?;
    let id = process.id().ok_or("the gateway has ended")?;
    let file = process.folder().join("gateway.toml");
    let crowd = Crowd::gather(port, plan.clients)?;

    let start = now();
    let (mut samples, mut outages, mut reloads) = (Vec::new(), 0_u32, 0_u32);
    while now() - start < plan.duration {
        pause(LOOK);
        let at = now() - start;
        let told = || format!("the gateway is gone after {at:?}:\n{}", process.log());
        let sample = Sample::of(id, port, at, &crowd).ok_or_else(told)?;
        if samples.len() % 12 == 0 {
            complain(&sample.line());
        }
        samples.push(sample);
        if at >= RELOAD * (reloads + 1) {
            reloads += 1;
            reload(id, &file, FILES[reloads as usize % 2])?;
        }
        // The last one is over well before the end.
        if at >= OUTAGE * (outages + 1) && at + OUTAGE / 2 < plan.duration {
            outages += 1;
            engine.kill().map_err(|error| error.to_string())?;
            pause(AWAY);
            engine.restart().map_err(|error| error.to_string())?;
        }
    }
    crowd.end();
    let verdict = Verdict::of(&samples);
    if let Some(path) = &plan.json {
        let json = format!("{:#}\n", verdict.json(&samples, reloads, outages));
        fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    print(&verdict.table(&samples, reloads, outages));
    if !verdict.is_flat() {
        complain(&process.log());
    }
    Ok(verdict.is_flat())
}

/// Writes the file anew, and tells the gateway.
fn reload(id: u32, file: &std::path::Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or("no process")?;
    kill_process(pid, Signal::HUP).map_err(|error| format!("SIGHUP: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "this program times what it does")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stderr, reason = "a command talks to its terminal")]
fn complain(text: &str) {
    eprintln!("ws-soak: {text}");
}

#[expect(clippy::print_stdout, reason = "a command talks to its terminal")]
fn print(text: &str) {
    print!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_hour_is_meant_unless_something_else_is_said() {
        let parsed = |line: &str| {
            let words = ["ws-soak", "--gateway", "g"].into_iter().chain(line.split_whitespace());
            plan(&command().try_get_matches_from(words).map_err(|error| error.to_string())?)
        };
        assert_eq!(parsed("").unwrap().duration, Duration::from_secs(1800));
        let plan = parsed("--minutes 0.5 --engine nats --clients 3").unwrap();
        assert_eq!((plan.duration.as_secs(), plan.engine, plan.clients), (30, Engine::Nats, 3));
        assert!(parsed("--minutes -1").is_err() && parsed("--engine paper").is_err());
    }
}
