//! The peers: who they are, and how they come below `target/peers`.
//!
//! Their small servers are in `benches/peers`, each with the versions that it was written for. Nothing is
//! fetched but by npm, cargo and apt, from the registries that these are configured for; npm runs no
//! package's scripts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::workspace::{Workspace, root};

mod debian;
mod npm;
mod registry;
#[cfg(test)]
mod tests;

/// Somebody to be measured beside.
#[derive(Debug)]
pub(crate) struct Peer {
    /// On the command line and in the rows: `bun`.
    pub(crate) id: &'static str,
    /// As its authors write it.
    pub(crate) name: &'static str,
    pub(crate) modes: &'static [Mode],
    /// How `ws-load` talks to it in [`Mode::Topic`], if it is a product with a vocabulary of its own.
    pub(crate) full_server: Option<FullServer>,
    /// What to append to the command where nothing but idle connections are measured: it spares memory
    /// that an echo would need.
    pub(crate) idle_arguments: &'static [&'static str],
    source: Source,
}

/// What a server is asked to do with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Each comes back.
    Echo,
    /// What comes in on `/pub` goes to all on `/sub`.
    Topic,
}

/// How to drive a product that is no small program of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FullServer {
    /// Where receivers connect.
    pub(crate) path: &'static str,
    /// For `ws-load fan-out`, without spaces inside of one option. `{server}` is `ws://127.0.0.1:PORT`,
    /// `{beside}` the same with the next port, on which a publisher of ours runs beside the product.
    pub(crate) options: &'static str,
}

/// Where a peer comes from.
#[derive(Debug)]
enum Source {
    /// `@oven/bun-…` of npm.
    Bun,
    /// A script for Node.js and the packages in its folder of `benches/peers`.
    Node { folder: &'static str, package: &'static str },
    /// A program of `benches/peers/rust`, named `peer-` and this.
    Rust { package: &'static str },
    /// `cargo install`.
    Sockudo,
    /// Debian's nginx and the module.
    Nchan,
    /// Nowhere that we install from; why.
    Nowhere { why: &'static str },
}

const BOTH: &[Mode] = &[Mode::Echo, Mode::Topic];
const ECHO: &[Mode] = &[Mode::Echo];
const TOPIC: &[Mode] = &[Mode::Topic];

/// What it reads at once, instead of the 128 KiB that tungstenite otherwise keeps for each connection.
const SMALL_READ_BUFFER: &[&str] = &["--read-buffer", "4096"];

/// A small program of ours on somebody's implementation.
const fn program(
    id: &'static str,
    name: &'static str,
    modes: &'static [Mode],
    source: Source,
) -> Peer {
    Peer { id, name, modes, full_server: None, idle_arguments: &[], source }
}

/// A product, which is measured in fan-out only.
const fn product(
    id: &'static str,
    name: &'static str,
    full_server: Option<FullServer>,
    source: Source,
) -> Peer {
    Peer { id, name, modes: TOPIC, full_server, idle_arguments: &[], source }
}

const PEERS: [Peer; 11] = [
    program("bun", "Bun", BOTH, Source::Bun),
    program("node-ws", "Node ws", BOTH, Source::Node { folder: "node", package: "ws" }),
    Peer {
        idle_arguments: SMALL_READ_BUFFER,
        ..program("tokio-tungstenite", "tokio-tungstenite", BOTH, rust("tokio-tungstenite"))
    },
    program("fastwebsockets", "fastwebsockets", ECHO, rust("fastwebsockets")),
    program("sockudo-ws", "sockudo-ws", ECHO, rust("sockudo-ws")),
    Peer { idle_arguments: SMALL_READ_BUFFER, ..program("axum", "axum ws", ECHO, rust("axum")) },
    product("sockudo", "sockudo", Some(SOCKUDO), Source::Sockudo),
    product("nchan", "nginx with nchan", Some(NCHAN), Source::Nchan),
    product(
        "socket.io",
        "Socket.IO",
        Some(SOCKET_IO),
        Source::Node { folder: "socket.io", package: "socket.io" },
    ),
    product("centrifugo", "Centrifugo", None, Source::Nowhere { why: CENTRIFUGO }),
    program("uwebsockets.js", "uWebSockets.js", BOTH, Source::Nowhere { why: UWEBSOCKETS }),
];

const fn rust(package: &'static str) -> Source {
    Source::Rust { package }
}

/// A public channel of the Pusher protocol. Its clients may not publish to such, so a publisher of ours
/// passes on to the product's HTTP API what it is sent.
const SOCKUDO: FullServer = FullServer {
    path: "/app/app-key?protocol=7&client=ws-load&version=1",
    options: r#"--on-open {"event":"pusher:subscribe","data":{"channel":"topic"}} --until-text subscription_succeeded --publisher-url {beside}/"#,
};

const NCHAN: FullServer = FullServer { path: "/sub", options: "--publisher-url {server}/pub" };

/// Engine.IO 4 by WebSocket from the start: `40` joins the namespace, `42` is an event, which goes to all
/// but the one that sent it.
const SOCKET_IO: FullServer = FullServer {
    path: "/socket.io/?EIO=4&transport=websocket",
    options: r#"--on-open 40 --publisher-on-open 40 --until-text 40{ --message 42["news","{payload}"]"#,
};

const CENTRIFUGO: &str = "its program is in none of npm, PyPI, crates.io and Debian";
const UWEBSOCKETS: &str = "its authors publish it on GitHub only; Bun has the same server";

/// All, in the order of the table.
pub(crate) fn all() -> &'static [Peer] {
    &PEERS
}

/// A peer that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    /// As it says itself, or as its lock file does.
    pub(crate) version: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Installed {
    fn new(version: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            version: version.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    fn with_argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    fn with_environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Starts it on that port of loopback. It is up to the caller to say on which core.
    pub(crate) fn command(&self, mode: Mode, port: u16) -> Command {
        let mode = match mode {
            Mode::Echo => "echo",
            Mode::Topic => "topic",
        };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(["--port", &port.to_string(), "--mode", mode]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Makes sure of it; fast when it is there. The error is a sentence for the table.
pub(crate) fn install(peer: &Peer, workspace: &Workspace) -> anyhow::Result<Installed> {
    let place = Place { source: folder(), target: workspace.target.join("peers") };
    match peer.source {
        Source::Bun => npm::bun(&place),
        Source::Node { folder, package } => npm::node(&place, folder, package),
        Source::Rust { package } => registry::program(&place, package),
        Source::Sockudo => registry::sockudo(&place),
        Source::Nchan => debian::nchan(&place),
        Source::Nowhere { why } => anyhow::bail!(why),
    }
}

/// `cargo xtask peers --list`: installs all and tells what is there; whether nothing failed that could
/// have been had.
pub(crate) fn list(workspace: &Workspace) -> bool {
    let mut complete = true;
    for peer in &PEERS {
        match install(peer, workspace) {
            Ok(installed) => println!("{:<18} {}", peer.name, installed.version),
            Err(error) => {
                println!("{:<18} missing: {error:#}", peer.name);
                complete &= matches!(peer.source, Source::Nowhere { .. });
            }
        }
    }
    complete
}

/// Where pins and programs are, and where all that is installed goes.
#[derive(Debug)]
struct Place {
    source: PathBuf,
    target: PathBuf,
}

fn folder() -> PathBuf {
    root().join("benches").join("peers")
}

/// The version of a package in a lock file of cargo.
fn locked(lock: &Path, package: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(lock).with_context(|| format!("read {}", lock.display()))?;
    let table: toml::Table = text.parse()?;
    let packages = table.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    packages
        .filter(|found| found.get("name").and_then(toml::Value::as_str) == Some(package))
        .filter_map(|found| found.get("version")?.as_str())
        .next_back()
        .map(str::to_owned)
        .with_context(|| format!("{} has no `{package}`", lock.display()))
}
