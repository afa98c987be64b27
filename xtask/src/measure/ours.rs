//! Our own programs: built for release, and how they are started to be measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use toml::{Table, Value};

use crate::invocation::Cargo;
use crate::workspace::{Workspace, root};

/// What signs the tokens of a measurement; no gateway that anybody uses knows it.
pub(crate) const SECRET: &str = "known-to-measurements-only-0123456789abcdef";

/// Limits are on, and so high that none is met.
const GATEWAY: [(&str, &str); 10] = [
    ("WEBSOCKET_HOST", "127.0.0.1"),
    ("WORKER_THREADS", "1"),
    ("AUTH_MODE", "upgrade"),
    ("JWT_SECRET_KEY", SECRET),
    ("UPSTREAM", "echo"),
    ("MAX_CONNECTIONS", "0"),
    ("MAX_CONNECTIONS_PER_USER", "1000000"),
    ("MESSAGE_RATE_LIMIT", "4294967295"),
    ("CONNECTION_RATE_LIMIT", "4294967295"),
    // `info`, the default, is two lines for each connection; who has thousands a second says `warn`.
    ("LOG_LEVEL", "warn"),
];

/// One of our programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Load,
    /// The whole gateway: tokens verified, limits, rules of channels, heartbeat and metrics on, requests
    /// echoed.
    Gateway,
    /// Our transport with an echo on it, and nothing else.
    TransportEcho,
    /// Our transport with one topic on it: what is published is delivered to each receiver.
    Topic,
    /// The same, accepting compression.
    TopicCompressed,
    /// A million connections in one process, without sockets.
    Million,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "ws-load",
            Self::Gateway => "ws-gateway",
            Self::TransportEcho => "transport_echo",
            Self::Topic | Self::TopicCompressed => "topic",
            Self::Million => "million",
        }
    }

    /// The folder of its package.
    fn folder(self) -> &'static str {
        match self {
            Self::Load => "crates/load",
            Self::Gateway => "crates/ws-gateway",
            Self::TransportEcho | Self::Topic | Self::TopicCompressed | Self::Million => "benches",
        }
    }
}

/// How cargo builds a program, and where it then lies.
#[derive(Debug, PartialEq, Eq)]
struct Recipe {
    build: Cargo,
    /// Below the folder in which cargo builds.
    path: PathBuf,
}

impl Recipe {
    /// Found in the manifest of its package: as a binary or an example, with the features it asks for.
    fn new(name: &str, manifest: &str) -> anyhow::Result<Self> {
        let manifest: Table = manifest.parse()?;
        let package = manifest.get("package").and_then(|package| package.get("name"));
        let package = package.and_then(Value::as_str).context("a manifest names its package")?;
        let targets =
            |kind: &str| manifest.get(kind).and_then(Value::as_array).into_iter().flatten();
        let of_that_name =
            |target: &&Value| target.get("name").and_then(Value::as_str) == Some(name);
        let (kind, folder, target) = if let Some(bin) = targets("bin").find(of_that_name) {
            ("bin", "release", Some(bin))
        } else if let Some(example) = targets("example").find(of_that_name) {
            ("example", "release/examples", Some(example))
        } else {
            // A binary of the package's name is found by cargo without being declared.
            anyhow::ensure!(package == name, "{package} has no `{name}`");
            ("bin", "release", None)
        };
        let mut build = Cargo::new("build --release --package").with(package);
        build = build.with(format!("--{kind}")).with(name);
        let features = target.and_then(|target| target.get("required-features"));
        for feature in features.and_then(Value::as_array).into_iter().flatten() {
            build = build.with("--features").with(feature.as_str().unwrap_or_default());
        }
        Ok(Self { build, path: Path::new(folder).join(name) })
    }
}

/// Whether our programs are built anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Builds {
    #[default]
    Now,
    /// `--no-build`: as they lie there, while the tree is being worked on.
    Earlier,
}

/// One of our programs, built.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) program: Program,
    pub(crate) path: PathBuf,
}

impl Built {
    /// Builds it; the error is a sentence for the table that it is missing from.
    pub(crate) fn new(
        program: Program,
        workspace: &Workspace,
        builds: Builds,
    ) -> anyhow::Result<Self> {
        let manifest = root().join(program.folder()).join("Cargo.toml");
        let manifest = std::fs::read_to_string(&manifest)
            .with_context(|| format!("there is no `{}`", program.name()))?;
        let recipe = Recipe::new(program.name(), &manifest)?;
        let path = workspace.target.join(recipe.path);
        match builds {
            Builds::Now => anyhow::ensure!(recipe.build.run(&[])?, "`{}` failed", recipe.build),
            Builds::Earlier => anyhow::ensure!(path.is_file(), "{} is not built", program.name()),
        }
        Ok(Self { program, path })
    }

    /// How it is started as a server on that port.
    pub(crate) fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.path);
        let number = port.to_string();
        match self.program {
            Program::Gateway => {
                command.arg("--config").arg(root().join("benches/servers/gateway.toml"));
                command.envs(GATEWAY).env("WEBSOCKET_PORT", number);
            }
            Program::TransportEcho => {
                command.args(["--mode", "echo", "--port", &number]);
            }
            Program::Topic => {
                command.args(["--mode", "topic", "--port", &number]);
            }
            Program::TopicCompressed => {
                command.args(["--mode", "topic", "--port", &number, "--compress"]);
            }
            Program::Load | Program::Million => {}
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_built_as_its_manifest_declares_it() {
        let manifest = "[package]\nname = \"ws-door\"\n\
            [[example]]\nname = \"bell\"\nrequired-features = [\"ring\"]\n\
            [[bin]]\nname = \"knock\"\n";
        for (name, line, path) in [
            ("ws-door", "--bin ws-door", "release/ws-door"),
            ("knock", "--bin knock", "release/knock"),
            ("bell", "--example bell --features ring", "release/examples/bell"),
        ] {
            let recipe = Recipe::new(name, manifest).unwrap();
            let expected = format!("cargo build --release --package ws-door {line}");
            assert_eq!((recipe.build.to_string(), recipe.path), (expected, PathBuf::from(path)));
        }
        let error = Recipe::new("window", manifest).unwrap_err().to_string();
        assert_eq!(error, "ws-door has no `window`");
    }

    #[test]
    fn a_server_is_started_on_the_port_that_it_is_given() {
        let built = |program: Program| Built { program, path: program.name().into() };
        let gateway = built(Program::Gateway).command(20_001);
        assert_eq!(gateway.get_program(), "ws-gateway");
        let port = gateway.get_envs().find(|(name, _)| *name == "WEBSOCKET_PORT");
        assert_eq!(port.and_then(|(_, value)| value), Some("20001".as_ref()));
        let topic = built(Program::TopicCompressed).command(20_002);
        let arguments: Vec<_> = topic.get_args().collect();
        assert_eq!(arguments, ["--mode", "topic", "--port", "20002", "--compress"]);
    }
}
