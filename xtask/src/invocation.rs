//! A command line that we run, and that a person can type again.

use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context;

use crate::tally::Tally;

/// After so long without a line we look whether there is anybody left to write one.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// A call of cargo. Its `Display` is what to type in a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cargo {
    environment: Vec<(&'static str, &'static str)>,
    arguments: Vec<String>,
}

impl Cargo {
    /// `cargo` with these arguments, separated by spaces.
    pub(crate) fn new(line: &str) -> Self {
        let arguments = line.split_whitespace().map(str::to_owned).collect();
        Self { environment: Vec::new(), arguments }
    }

    /// One more argument, whatever characters it holds.
    pub(crate) fn with(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Runs it on our own streams; whether it succeeded.
    pub(crate) fn run(&self, environment: &[(&'static str, OsString)]) -> anyhow::Result<bool> {
        let status = self.command(environment).status().with_context(|| format!("run {self}"))?;
        Ok(status.success())
    }

    /// Runs it in another folder than the workspace's; whether it succeeded.
    pub(crate) fn run_in(
        &self,
        folder: &Path,
        environment: &[(&'static str, OsString)],
    ) -> anyhow::Result<bool> {
        let status = self.command(environment).current_dir(folder).status();
        Ok(status.with_context(|| format!("run {self}"))?.success())
    }

    /// Runs it, passes its standard output on line by line and counts the tests that it reports.
    pub(crate) fn run_counting(
        &self,
        environment: &[(&'static str, OsString)],
        tally: &mut Tally,
    ) -> anyhow::Result<bool> {
        relay(self.command(environment), tally).with_context(|| format!("run {self}"))
    }

    /// Runs it silently and returns what it printed; its complaint is the error.
    pub(crate) fn capture(&self) -> anyhow::Result<String> {
        let output = self.command(&[]).output().with_context(|| format!("run {self}"))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{self}: {}", complaint.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs it with its complaints on our own error stream and returns what it printed.
    pub(crate) fn capture_output(&self) -> anyhow::Result<String> {
        let mut command = self.command(&[]);
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("run {self}"))?;
        anyhow::ensure!(output.status.success(), "`{self}` failed");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, environment: &[(&'static str, OsString)]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(&self.arguments).current_dir(crate::workspace::root());
        // `cargo run` describes *this* package to us. Build scripts that watch those variables
        // would run again for each change between our cargo and the one typed in a shell.
        for (name, _) in std::env::vars_os() {
            if describes_a_package(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.envs(self.environment.iter().copied());
        command
    }
}

/// Runs the command, with its lines printed and counted as they come; whether it succeeded.
fn relay(mut command: Command, tally: &mut Tally) -> anyhow::Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("a piped child has a standard output")?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output).split(b'\n');
        while lines.next().is_some_and(|line| sender.send(line).is_ok()) {}
    });
    loop {
        match lines.recv_timeout(SILENCE_MAX) {
            Ok(line) => {
                let line = line?;
                let mut out = std::io::stdout().lock();
                out.write_all(&line)?;
                out.write_all(b"\n")?;
                tally.read(&String::from_utf8_lossy(&line));
            }
            Err(RecvTimeoutError::Disconnected) => break,
            // What a test started and left behind holds our end of the pipe: do not wait for it.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    Ok(child.wait()?.success())
}

fn describes_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || variable.starts_with("CARGO_MANIFEST_")
        || matches!(variable, "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE")
}

impl fmt::Display for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", shell_quoted(value))?;
        }
        f.write_str("cargo")?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", shell_quoted(argument)))
    }
}

/// The text as one word of a POSIX shell.
pub(crate) fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_as_one_would_type_it() {
        let docs = Cargo::new("doc --no-deps").env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(docs.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        let benches = Cargo::new("test --bench").with("*");
        assert_eq!(benches.to_string(), "cargo test --bench '*'");
    }

    #[test]
    fn a_word_is_quoted_only_where_a_shell_needs_it() {
        for (text, word) in
            [("a/b-c.d", "a/b-c.d"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(shell_quoted(text), word);
        }
    }

    #[test]
    fn lines_are_counted_and_nobody_waits_for_what_was_left_behind() {
        let mut command = Command::new("sh");
        let left_behind = "(sleep 5; echo 'test result: ok. 40 passed; 0 failed') 2>/dev/null &";
        command.args(["-c", &format!("echo 'test result: ok. 2 passed; 0 failed'; {left_behind}")]);
        let mut tally = Tally::default();
        assert!(relay(command, &mut tally).unwrap());
        assert_eq!(tally, Tally { passed: 2, failed: 0 });
        assert!(!relay(Command::new("false"), &mut tally).unwrap());
    }

    #[test]
    fn a_failed_call_says_its_command_and_its_complaint() {
        let error = Cargo::new("no-such-command").capture().unwrap_err().to_string();
        assert!(error.starts_with("cargo no-such-command: error: "), "{error}");
    }
}
