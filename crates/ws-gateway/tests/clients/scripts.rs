//! Scripts for Node: the JavaScript client at work.

use std::{ffi::OsString, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::trust;

const PATIENCE: Duration = Duration::from_secs(120);

/// A script that runs, and ends with the test.
pub(crate) struct Script {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// One of `node/`, with a plan that it parses.
    pub(crate) fn start(name: &str, plan: &Value) -> Self {
        let mut command = node(name);
        let mut child =
            command.arg(plan.to_string()).stdin(Stdio::piped()).spawn().expect("node starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// The next line that it prints; none at its end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("the script says something").expect("readable")
    }

    /// Tells it a line, for which it waits.
    pub(crate) async fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().expect("piped");
        input.write_all(b"\n").await.expect("it reads");
    }

    /// Waits until it has ended well.
    pub(crate) async fn ended(mut self) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends in time");
        assert!(status.as_ref().expect("waited for").success(), "{status:?}");
    }
}

/// Runs a script that has tests of its own, and shows what it says if one fails.
pub(crate) async fn run_tests(name: &str, variables: &[(&str, &str)]) {
    let mut command = node(name);
    command.envs(variables.iter().copied()).stderr(Stdio::piped());
    let output = timeout(2 * PATIENCE, command.output()).await.expect("it ends in time");
    let output = output.expect("node starts");
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    println!("{}", said[0]);
}

fn node(name: &str) -> Command {
    let mut command = Command::new(provisioned("WS_TEST_NODE"));
    command
        .env("WS_TEST_NODE_MODULES", provisioned("WS_TEST_NODE_MODULES"))
        .env("WS_TEST_CHROMIUM", provisioned("WS_TEST_CHROMIUM"))
        .envs(trust::of_scripts())
        .arg(format!("{}/tests/clients/node/{name}", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first"
        )
    })
}
