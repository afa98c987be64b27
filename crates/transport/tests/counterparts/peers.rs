//! Starting programs that are not ours: found through their variables, ended with the test.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

/// Long enough for a busy machine; no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// The peers, by their names and the endings of their scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Websockets,
    Ws,
}

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first"
        )
    })
}

impl Peer {
    /// The script of that name, with these arguments.
    fn script(self, name: &str, arguments: &[&str]) -> Command {
        let (program, ending) = match self {
            Self::Websockets => (provisioned("WS_TEST_PYTHON"), "py"),
            Self::Ws => (provisioned("WS_TEST_NODE"), "mjs"),
        };
        if self == Self::Ws {
            // Looked up by the script; missed here, where the message is better.
            provisioned("WS_TEST_NODE_MODULES");
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts");
        let mut command = Command::new(program);
        command.arg(folder.join(name).with_extension(ending)).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs its client to the end; all that it says is shown if it fails.
    pub(crate) async fn run_client(self, address: &str, limit: usize, more: &[&str]) {
        let limit = limit.to_string();
        let arguments = [&[address, &limit], more].concat();
        let mut command = self.script("client", &arguments);
        let run = command.stderr(Stdio::piped()).output();
        let output =
            tokio::time::timeout(PATIENCE, run).await.expect("in time").expect("it starts");
        assert!(
            output.status.success(),
            "{self:?}: {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let sets = String::from_utf8_lossy(&output.stdout).matches("ok: ").count();
        assert_eq!(sets, 17, "sets of parameters");
    }

    /// Starts its server with these parameters, in JSON; it ends when the child is dropped.
    pub(crate) async fn serve(self, arguments: &[&str]) -> Server {
        let mut child = self.script("server", arguments).spawn().expect("it starts");
        let mut lines = lines(&mut child);
        let port: u16 = next_line(&mut lines).await.parse().expect("a port");
        Server { child, lines, address: format!("ws://127.0.0.1:{port}/") }
    }
}

/// A server of theirs; it ends when this is dropped.
pub(crate) struct Server {
    #[expect(dead_code, reason = "held for its drop")]
    child: Child,
    /// What it prints after its port.
    pub(crate) lines: Lines,
    pub(crate) address: String,
}

type Lines = tokio::io::Lines<BufReader<ChildStdout>>;

fn lines(child: &mut Child) -> Lines {
    BufReader::new(child.stdout.take().expect("piped")).lines()
}

pub(crate) async fn next_line(lines: &mut Lines) -> String {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time");
    line.expect("text").expect("a line")
}

/// The first line that a child prints; more would have nowhere to go.
pub(crate) async fn first_line(child: &mut Child) -> String {
    next_line(&mut lines(child)).await
}

/// An example of the workspace, built beforehand.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("this test is a file");
    let profile = test.ancestors().nth(2).expect("in target/<profile>/deps");
    let path: PathBuf = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not there: run `cargo xtask test`, or `cargo build --examples` first",
        path.display()
    );
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}
