//! The configuration: what was written in flags, variables and the file, and what it means.
//!
//! [`load`] is pure: it is given the arguments, the environment and a way to read files, and returns
//! what is to be done or all that is wrong. One table, [`SETTINGS`], is the source of the flags, the
//! variables, the keys of the file, the output of `ws-gateway config` and the tables in
//! `docs/configuration.md`.
//!
//! A flag wins over a variable, a variable over the file, the file over the default. An empty
//! variable is one that is not set.
//!
//! ```
//! use ws_gateway::config::{Command, load};
//!
//! let arguments = ["ws-gateway", "--dev", "--websocket-port", "0"];
//! let environment = [("PING_INTERVAL".into(), "10s".into())];
//! let no_files = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
//!
//! let command = load(arguments.map(Into::into), environment, no_files)?;
//! let Command::Serve(loaded) = command else { panic!("no command means to serve") };
//! assert_eq!(loaded.config.heartbeat.ping_interval.as_secs(), 10);
//! assert_eq!(loaded.config.server.address.to_string(), "127.0.0.1:0");
//! # Ok::<(), ws_gateway::config::LoadError>(())
//! ```

mod consistency;
mod example;
mod fault;
mod form;
mod loaded;
mod origin;
mod quantity;
mod resolve;
mod resolved;
mod secret;
mod setting;
mod settings;
mod shown;
mod sources;
mod suggestion;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use self::sources::Raw;
use self::sources::command_line::{self, Asked};
use self::sources::{environment, file};

pub use self::example::example;
pub use self::fault::{EXIT_BAD_CONFIGURATION, Fault, Faults, LoadError};
pub(crate) use self::form::header_list;
pub use self::loaded::{Effective, Loaded};
pub use self::origin::Origin;
pub(crate) use self::quantity::{parse_duration, show_duration};
pub use self::resolved::{
    AdminSettings, ApiSettings, AuthMode, AuthSettings, BridgeSpec, BrokerSettings,
    ChannelSettings, ClientCertificates, CloseSettings, CompressionSettings, Config, Direction,
    DrainSettings, EngineKind, FrameSettings, HeartbeatSettings, HookFailure, HookSettings,
    InboxSettings, LimitSettings, LogFormat, LogLevel, LogSettings, NatsSettings, NatsStorage,
    OverloadSettings, RedisSettings, ServerAddress, ServerSettings, StartMode, Supabase, Tier,
    TlsSettings, TraceSettings, TunnelSettings, UpstreamSettings, UpstreamTarget,
};
pub use self::secret::Secret;
pub use self::setting::{Kind, Put, PutText, Reload, Section, Setting, Word};
pub use self::settings::SETTINGS;

pub use self::sources::command_line::{ConnectArgs, InspectArgs, Reach, Show, TokenArgs, command};

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Command {
    /// No command: serve.
    Serve(Loaded),
    /// `token`: print a token. The secret is there and fits its algorithm.
    Token(TokenArgs, Loaded),
    /// `check-config`: say that the configuration is good, and the warnings. A bad one is an error.
    CheckConfig(Loaded),
    /// `config`: print each effective value and where it came from.
    ShowConfig(Loaded),
    /// `config --example`: print a file with every setting in it.
    ShowExample,
    /// `health`: ask the gateway that runs here how it is.
    Health {
        /// Whether it wants connections is asked, instead of whether it answers.
        is_ready_asked: bool,
        /// Where it listens is in there.
        loaded: Loaded,
    },
    /// `connect`: be the client's end of a tunnel. Nothing of a configuration is needed for that.
    Connect(ConnectArgs),
    /// `top`, `trace`: look at a gateway that runs.
    Inspect(InspectArgs, Reach),
}

/// Reads the arguments (the program's own name first), the environment and the file that one of
/// them names.
///
/// # Errors
///
/// When the command line is no command line, or anything is wrong with any setting: all of it is
/// told at once.
pub fn load(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<Command, LoadError> {
    let command_line =
        command_line::read(arguments).map_err(|error| LoadError::Usage(Box::new(error)))?;
    if let Asked::Connect(arguments) = command_line.asked {
        return Ok(Command::Connect(arguments));
    }
    if command_line.asked == Asked::ShowExample {
        return Ok(Command::ShowExample);
    }
    let (environment, file_of_environment) = environment::read(variables);

    let by_flag = |path| (path, Origin::Flag("--config".to_owned()));
    let by_variable = |path| (path, Origin::Variable(environment::CONFIG_FILE.to_owned()));
    let named =
        command_line.config_file.map(by_flag).or_else(|| file_of_environment.map(by_variable));
    let mut raw = named.map(|(path, origin)| open(&path, origin, &read_file)).unwrap_or_default();
    raw.overlay(environment);
    raw.overlay(command_line.raw);

    if let Some(arguments) = command_line.inspect {
        return Ok(Command::Inspect(arguments, Reach::of(&raw)));
    }
    let loaded = resolve::resolve(raw, &command_line.asked, command_line.dev, read_file)?;
    Ok(match command_line.asked {
        Asked::Serve => Command::Serve(loaded),
        Asked::Token(arguments) => Command::Token(arguments, loaded),
        Asked::CheckConfig => Command::CheckConfig(loaded),
        Asked::ShowConfig => Command::ShowConfig(loaded),
        Asked::ShowExample => Command::ShowExample,
        Asked::Connect(arguments) => Command::Connect(arguments),
        Asked::Health { is_ready_asked } => Command::Health { is_ready_asked, loaded },
    })
}

fn open(path: &Path, source: Origin, read_file: impl Fn(&Path) -> io::Result<String>) -> Raw {
    read_file(path).map(|text| file::read(path, &text)).unwrap_or_else(|error| {
        let fault = Fault {
            name: environment::CONFIG_FILE.to_owned(),
            value: Some(path.display().to_string()),
            source,
            accepted: format!("a file that can be read ({error})"),
        };
        Raw { faults: vec![fault], is_incomplete: true, ..Raw::default() }
    })
}
