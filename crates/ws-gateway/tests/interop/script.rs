//! A script that runs beside a gateway, and what it prints.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A script of Node that ends with the test.
pub(crate) struct Script {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts a file of this folder.
    pub(crate) fn start(file: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(provisioned("WS_TEST_NODE"))
            // Node 20 has the browser's WebSocket behind this flag, later versions have it anyway.
            .args(["--experimental-websocket", "--no-warnings"])
            .arg(path(file))
            .args(arguments)
            .env("WS_TEST_NODE_MODULES", provisioned("WS_TEST_NODE_MODULES"))
            .env("NODE_EXTRA_CA_CERTS", ws_test_servers::tls::ca())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let stdin = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, stdin, lines }
    }

    /// The next lines are these, where each `…` stands for anything.
    #[track_caller]
    pub(crate) fn prints<'s>(
        &'s mut self,
        expected: &'s [&'s str],
    ) -> impl Future<Output = ()> + 's {
        let caller = std::panic::Location::caller();
        async move {
            for expected in expected {
                let line = self.line().await;
                let is_alike = line.as_deref().is_some_and(|line| is_alike(expected, line));
                assert!(is_alike, "{caller}: expected {expected}, and it was {line:?}");
            }
        }
    }

    /// The next line, `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time").expect("UTF-8")
    }

    /// Types a line into it.
    pub(crate) async fn types(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin.write_all(line.as_bytes()).await.expect("the script reads");
    }

    /// It has said all that it had to, and ends well.
    pub(crate) async fn ends(mut self) {
        assert_eq!(self.line().await, None);
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        assert!(status.expect("waited for").success());
    }
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(file)
}

/// What a script of Python prints.
pub(crate) async fn python(file: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(provisioned("WS_TEST_PYTHON"));
    let output = command.arg(path(file)).args(arguments).stderr(Stdio::inherit()).output().await;
    let output = output.expect("python starts");
    assert!(output.status.success(), "{file} failed");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

pub(crate) fn is_alike(expected: &str, line: &str) -> bool {
    let mut rest = line;
    for (index, piece) in expected.split('…').enumerate() {
        match rest.find(piece) {
            Some(at) if index > 0 || at == 0 => rest = &rest[at + piece.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || expected.ends_with('…')
}

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first"
        )
    })
}
