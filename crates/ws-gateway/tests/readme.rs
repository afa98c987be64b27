//! The browser snippet of the README does what the README says, pasted into the console of a real
//! browser, against the binary with `--dev`.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

const README: &str = include_str!("../../../README.md");
const CONSOLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readme/console.mjs");

#[test]
fn the_browser_snippet_shows_what_the_readme_says() {
    let snippet = block_after(README, "```js\n");
    // Four messages, and the farewell and the close when the gateway is stopped.
    let shown = block_after(block_from(README, "The developer tools show"), "```text\n");
    let stopped = block_after(block_from(README, "with Ctrl-C"), "```text\n");
    assert_eq!((shown.lines().count(), stopped.lines().count()), (4, 2));

    let mut gateway = Running::start(
        Command::new(env!("CARGO_BIN_EXE_ws-gateway")).env("LOG_LEVEL", "warn").args([
            "--dev",
            "--websocket-port",
            "0",
        ]),
    );
    let address = gateway.line();
    let host = address.trim_start_matches("ws://").split('/').next().unwrap().to_owned();
    let page = format!("http://{host}/health");

    let mut browser = Running::start(
        Command::new(provisioned("WS_TEST_NODE"))
            .env("WS_TEST_NODE_MODULES", provisioned("WS_TEST_NODE_MODULES"))
            .env("WS_TEST_CHROMIUM", provisioned("WS_TEST_CHROMIUM"))
            .args([CONSOLE, &page, &address, "6"]),
    );
    browser.paste(snippet);
    for expected in shown.lines() {
        assert_alike(expected, &browser.line());
    }
    gateway.interrupt();
    for expected in stopped.lines() {
        assert_alike(expected, &browser.line());
    }
    assert!(browser.child.wait().unwrap().success());
    assert!(gateway.child.wait().unwrap().success());
}

/// The page from a sentence on.
fn block_from<'p>(page: &'p str, sentence: &str) -> &'p str {
    &page[page.find(sentence).unwrap_or_else(|| panic!("the README says no {sentence:?}"))..]
}

/// What stands in the next fenced block of a language.
fn block_after<'p>(page: &'p str, fence: &str) -> &'p str {
    let (_, block) = page.split_once(fence).unwrap();
    block.split_once("```").unwrap().0
}

/// Compares a line where each `…` stands for anything.
#[track_caller]
fn assert_alike(expected: &str, line: &str) {
    let mut rest = line;
    for (index, piece) in expected.split('…').enumerate() {
        let at = rest.find(piece).filter(|at| index > 0 || *at == 0);
        let at = at.unwrap_or_else(|| panic!("expected {expected}, and it was {line}"));
        rest = &rest[at + piece.len()..];
    }
    assert!(rest.is_empty(), "expected {expected}, and it was {line}");
}

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first"
        )
    })
}

/// A program that ends with the test.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        self.lines.next().expect("it says something more").unwrap()
    }

    /// Writes to it, and ends its input.
    fn paste(&mut self, text: &str) {
        self.child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// What Ctrl-C does.
    fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Mostly it has ended by itself; a test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
