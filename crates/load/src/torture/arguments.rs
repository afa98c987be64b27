//! The command line of `ws-torture`, as it was typed and as it is meant.

use std::{path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};

/// Longer than the longest pause, and than all that waits for an answer.
const STANDSTILL_MAX: Duration = Duration::from_secs(30);
const AFTERWARDS: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) engine: Engine,
    /// The server behind the gateways forgets what it knew when it is killed.
    pub(crate) is_volatile: bool,
    /// For how long something happens; without it, until all messages are accepted.
    pub(crate) duration: Option<Duration>,
    /// How many are published at most.
    pub(crate) messages: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) gateways: usize,
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) channels: usize,
    pub(crate) has_faults: bool,
    /// The gateway's binary.
    pub(crate) program: PathBuf,
    pub(crate) json: Option<PathBuf>,
    pub(crate) is_quiet: bool,
    /// Without any progress for so long after all was mended, it does not come to an end.
    pub(crate) standstill_max: Duration,
    /// What comes twice may come late: for so long it is listened to after everything was seen.
    pub(crate) afterwards: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    Disk,
    Redis,
    Nats,
}

impl Engine {
    const ALL: [Self; 4] = [Self::Memory, Self::Disk, Self::Redis, Self::Nats];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }

    /// Whether several gateways share it.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Redis | Self::Nats)
    }
}

impl Plan {
    /// Whether somebody may be told that what it missed is gone.
    pub(crate) fn allows_gaps(&self) -> bool {
        self.is_volatile
    }

    /// Whether all is there again after the gateway was killed.
    pub(crate) fn survives_a_gateway(&self) -> bool {
        self.engine != Engine::Memory || self.is_volatile
    }
}

pub(crate) fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .default_value(default)
            .value_parser(value_parser!(u64).range(1..=1_000))
            .help(help)
    };
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("ws-torture")
        .version(clap::crate_version!())
        .about("Publishes through gateways that are killed, paused and cut off, and checks that nothing is lost")
        .arg(
            Arg::new("engine")
                .long("engine")
                .required(true)
                .value_parser(PossibleValuesParser::new(Engine::ALL.map(Engine::name)))
                .help("What keeps the history, and is between the gateways"),
        )
        .arg(
            Arg::new("gateway")
                .long("gateway")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The gateway's binary"),
        )
        .arg(
            Arg::new("minutes")
                .long("minutes")
                .value_name("N")
                .value_parser(value_parser!(f64))
                .help("For how long things happen [default: 1, or until all messages are accepted]"),
        )
        .arg(
            Arg::new("messages")
                .long("messages")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("How many are published at most"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("What happens when; another one each time if it is not given"),
        )
        .arg(number("gateways", "2", "How many gateways; with memory and disk it is one"))
        .arg(number("publishers", "4", "How many publish"))
        .arg(number("subscribers", "4", "How many follow, each in all channels"))
        .arg(number("channels", "16", "In how many channels"))
        .arg(switch("calm", "Nothing is broken: to see the checker and the rate alone"))
        .arg(switch(
            "volatile",
            "The server forgets when it is killed; what was told to be missing may be missing",
        ))
        .arg(switch("quiet", "No word but the result"))
        .arg(
            Arg::new("json")
                .long("json")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The result as JSON, `-` for the standard output"),
        )
}

/// The error is a sentence.
pub(crate) fn plan(matches: &ArgMatches) -> Result<Plan, String> {
    let count = |name: &str| {
        let number = matches.get_one::<u64>(name).copied().unwrap_or(1);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let name = matches.get_one::<String>("engine").map(String::as_str).unwrap_or_default();
    let engine = Engine::ALL.into_iter().find(|it| it.name() == name).ok_or("no engine")?;
    let messages = matches.get_one::<u64>("messages").copied();
    let minutes = matches.get_one::<f64>("minutes").copied();
    let minutes = minutes.or_else(|| messages.is_none().then_some(1.0));
    let duration = minutes.map(|minutes| Duration::try_from_secs_f64(minutes * 60.0));
    // Gateways are started in folders of their own.
    let program = matches.get_one::<PathBuf>("gateway").cloned().unwrap_or_default();
    let program = std::path::absolute(program).map_err(|error| format!("--gateway: {error}"))?;
    Ok(Plan {
        engine,
        is_volatile: matches.get_flag("volatile"),
        duration: duration.transpose().map_err(|_| "--minutes wants a number above 0")?,
        messages,
        seed: matches.get_one::<u64>("seed").copied().unwrap_or_else(|| fastrand::u64(1..1 << 32)),
        gateways: if engine.is_shared() { count("gateways") } else { 1 },
        publishers: count("publishers"),
        subscribers: count("subscribers"),
        channels: count("channels"),
        has_faults: !matches.get_flag("calm"),
        program,
        json: matches.get_one::<PathBuf>("json").cloned(),
        is_quiet: matches.get_flag("quiet"),
        standstill_max: STANDSTILL_MAX,
        afterwards: AFTERWARDS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Plan, String> {
        let words = ["ws-torture", "--gateway", "g"].into_iter().chain(line.split_whitespace());
        let matches = command().try_get_matches_from(words).map_err(|error| error.to_string())?;
        plan(&matches)
    }

    #[test]
    fn a_run_ends_by_its_time_or_its_messages() {
        for (line, duration, messages) in [
            ("--engine redis", Some(60), None),
            ("--engine redis --minutes 0.5", Some(30), None),
            ("--engine redis --messages 1000000", None, Some(1_000_000)),
            ("--engine redis --messages 9 --minutes 2", Some(120), Some(9)),
        ] {
            let plan = parsed(line).unwrap();
            assert_eq!((plan.duration.map(|it| it.as_secs()), plan.messages), (duration, messages));
        }
    }

    #[test]
    fn only_what_is_shared_has_several_gateways() {
        for (line, gateways) in [
            ("--engine memory --gateways 3", 1),
            ("--engine disk --gateways 3", 1),
            ("--engine redis --gateways 3", 3),
            ("--engine nats", 2),
        ] {
            assert_eq!(parsed(line).unwrap().gateways, gateways);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in
            ["", "--engine paper", "--engine redis --minutes -1", "--engine redis --gateways 0"]
        {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
