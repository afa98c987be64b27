//! The command line: the commands, and a flag for each setting.

mod inspecting;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::Raw;
use super::environment::{CONFIG_FILE, read_text};
use crate::config::fault::Fault;
use crate::config::origin::{Origin, Written};
use crate::config::quantity::{DAY, SECOND, parse_duration};
use crate::config::setting::{Kind, Setting};
use crate::config::settings::SETTINGS;
use crate::config::shown::shown;

pub use inspecting::{InspectArgs, Reach, Show};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum Asked {
    Serve,
    Token(TokenArgs),
    CheckConfig,
    ShowConfig,
    ShowExample,
    Connect(ConnectArgs),
    Health { is_ready_asked: bool },
}

/// Where a tunnel begins, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectArgs {
    /// `ws://` or `wss://`.
    pub address: String,
    /// The file with the token; unless there is one, the variable `WS_GATEWAY_TOKEN` has it.
    pub token_file: Option<PathBuf>,
}

/// What is to be in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenArgs {
    /// The user. Never empty.
    pub user: String,
    /// How long the token is good for. Default 24 h; 1 s to 3650 d.
    pub ttl: Duration,
    /// The tier, if any.
    pub tier: Option<String>,
}

#[derive(Debug)]
pub(in crate::config) struct CommandLine {
    pub(in crate::config) asked: Asked,
    pub(in crate::config) dev: bool,
    pub(in crate::config) config_file: Option<PathBuf>,
    pub(in crate::config) raw: Raw,
    /// A gateway that runs elsewhere is to be looked at: its own configuration is not this one.
    pub(in crate::config) inspect: Option<InspectArgs>,
}

const DEV: &str = "dev";
const CONFIG: &str = "config";
const EXAMPLE: &str = "example";

/// Reads the arguments, the program's own name first.
pub(in crate::config) fn read(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<CommandLine, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    // Flags may stand before the command and after it; the innermost knows them all.
    let mut inspect = None;
    let (asked, matches) = match matches.subcommand() {
        Some(("token", matches)) => (Asked::Token(token_args(matches)), matches),
        Some(("check-config", matches)) => (Asked::CheckConfig, matches),
        Some(("config", matches)) if matches.get_flag(EXAMPLE) => (Asked::ShowExample, matches),
        Some(("config", matches)) => (Asked::ShowConfig, matches),
        Some(("connect", matches)) => (Asked::Connect(connect_args(matches)), matches),
        Some((name @ ("top" | "trace"), matches)) => {
            let args = if name == "top" { inspecting::top_args } else { inspecting::trace_args };
            inspect = Some(args(matches));
            (Asked::ShowConfig, matches)
        }
        Some(("health", matches)) => {
            (Asked::Health { is_ready_asked: matches.get_flag("ready") }, matches)
        }
        _ => (Asked::Serve, &matches),
    };
    let config_file =
        matches.get_one::<PathBuf>(CONFIG).filter(|path| !path.as_os_str().is_empty());
    Ok(CommandLine {
        asked,
        dev: matches.get_flag(DEV),
        config_file: config_file.cloned(),
        raw: settings(matches),
        inspect,
    })
}

fn settings(matches: &ArgMatches) -> Raw {
    let mut raw = Raw::default();
    for setting in SETTINGS {
        let Some(values) = matches.get_many::<OsString>(setting.env) else { continue };
        let source = Origin::Flag(format!("--{}", setting.flag()));
        let texts: Result<Vec<String>, String> = values.map(|value| read_text(value)).collect();
        match texts {
            Ok(texts) => {
                if setting.is_secret() {
                    raw.warnings.push(format!(
                        "{source} shows its secret to everybody on this machine; use {} instead",
                        Origin::Variable(setting.env.to_owned())
                    ));
                }
                raw.write(setting, Written { text: texts.join(","), origin: source });
            }
            Err(accepted) => {
                let value = Some(shown(setting, "\u{FFFD}"));
                raw.faults.push(Fault { name: setting.env.to_owned(), value, source, accepted });
            }
        }
    }
    raw
}

fn connect_args(matches: &ArgMatches) -> ConnectArgs {
    ConnectArgs {
        address: matches.get_one::<String>("address").cloned().unwrap_or_default(),
        token_file: matches.get_one::<PathBuf>("token-file").cloned(),
    }
}

fn token_args(matches: &ArgMatches) -> TokenArgs {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    TokenArgs {
        user: text("user").unwrap_or_default(),
        ttl: matches.get_one("ttl").copied().unwrap_or(Duration::from_millis(DAY)),
        tier: text("tier"),
    }
}

/// The whole command line, for help and for completion.
#[must_use]
pub fn command() -> clap::Command {
    let quiet = |name: &'static str, about: &'static str| clap::Command::new(name).about(about);
    clap::Command::new("ws-gateway")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A WebSocket gateway. Without a command it serves.")
        .after_help(
            "Every setting is a flag, a variable and a key of the file; the flag wins over the \
             variable, the variable over the file. `--help` lists them all.",
        )
        .subcommand_value_name("COMMAND")
        .subcommand(token_command())
        .subcommand(quiet("check-config", "Check the configuration, and say all that is wrong"))
        .subcommand(config_command())
        .subcommand(connect_command())
        .subcommand(inspecting::top_command())
        .subcommand(inspecting::trace_command())
        .subcommand(health_command())
        .arg(
            Arg::new(DEV)
                .long(DEV)
                .global(true)
                .action(ArgAction::SetTrue)
                .help("For a laptop: loopback only, an echo as upstream, a throw-away secret"),
        )
        .arg(
            Arg::new(CONFIG)
                .long(CONFIG)
                .global(true)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(format!("A configuration file in TOML [env: {CONFIG_FILE}]")),
        )
        .args(SETTINGS.iter().copied().map(flag))
}

fn config_command() -> clap::Command {
    let example = Arg::new(EXAMPLE).long(EXAMPLE).action(ArgAction::SetTrue);
    clap::Command::new("config")
        .about("Print each effective value and where it came from")
        .arg(example.help("Print a file with every setting in it instead, as a comment"))
}

fn token_command() -> clap::Command {
    let user = Arg::new("user").long("user").required(true).value_name("ID").help("The user");
    let ttl = Arg::new("ttl")
        .long("ttl")
        .value_name("TIME")
        .default_value("24h")
        .value_parser(parse_ttl)
        .help("How long the token is good for");
    let tier = Arg::new("tier").long("tier").value_name("NAME").help("The user's tier");
    clap::Command::new("token")
        .about("Print a token that is signed with JWT_SECRET_KEY")
        .arg(user.value_parser(clap::builder::NonEmptyStringValueParser::new()))
        .arg(ttl)
        .arg(tier.value_parser(clap::builder::NonEmptyStringValueParser::new()))
}

fn connect_command() -> clap::Command {
    let address = Arg::new("address").required(true).value_name("URL");
    let token_file = Arg::new("token-file").long("token-file").value_name("FILE");
    clap::Command::new("connect")
        .about("Bridge standard input and output to a tunnel, as a ProxyCommand of ssh")
        .arg(address.help("Where the tunnel begins: ws://… or wss://…"))
        .arg(
            token_file
                .value_parser(value_parser!(PathBuf))
                .help("A file with the token [else the variable WS_GATEWAY_TOKEN, else none]"),
        )
}

fn health_command() -> clap::Command {
    let ready = Arg::new("ready").long("ready").action(ArgAction::SetTrue);
    clap::Command::new("health")
        .about("Ask the gateway that runs here with these settings how it is; 0 is well")
        .arg(ready.help("Ask whether it wants connections, instead of whether it answers"))
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_millis(SECOND)..=Duration::from_millis(3650 * DAY);
    parse_duration(text)
        .filter(|ttl| bounds.contains(ttl))
        .ok_or_else(|| "1s to 3650d, as milliseconds or with a unit (\"90s\", \"24h\")".to_owned())
}

fn flag(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let arg = Arg::new(setting.env)
        .long(setting.flag())
        .global(true)
        .value_parser(value_parser!(OsString))
        .value_name(placeholder(&setting.kind))
        .help_heading(setting.section.title())
        .hide_short_help(true)
        .help(format!("{}{default} [env: {}]", setting.doc, setting.env));
    match setting.kind {
        Kind::Switch(_) => arg.num_args(0..=1).default_missing_value("true"),
        Kind::List(..) => arg.action(ArgAction::Append),
        _ => arg,
    }
}

fn placeholder(kind: &Kind) -> &'static str {
    match kind {
        Kind::Duration(..) => "TIME",
        Kind::Size(..) => "SIZE",
        Kind::Integer(..) => "NUMBER",
        Kind::Switch(_) => "on|off",
        Kind::Word(_) => "WORD",
        Kind::Secret(_) => "SECRET",
        Kind::Text(..) => "TEXT",
        Kind::List(..) => "LIST",
    }
}
