//! One program of tests, and one run of it.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::tally::Tally;

/// A program that is not done by then never will be.
const RUN_MAX: Duration = Duration::from_secs(15 * 60);
/// How often we look whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// A program of tests that cargo built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) package: String,
    pub(super) target: String,
    pub(super) path: PathBuf,
    /// The package's folder, in which cargo would run it.
    pub(super) folder: PathBuf,
}

/// How one run went.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) program: Program,
    pub(super) succeeded: bool,
    /// What it wrote, on both of its streams.
    pub(super) output: String,
    pub(super) took: Duration,
}

impl Program {
    /// Runs it to its end. Its output goes into a file of `folder`: what a test has left behind may hold that
    /// open, and nobody waits for it.
    pub(super) fn run(
        &self,
        folder: &Path,
        environment: &[(&'static str, OsString)],
        arguments: &[&str],
    ) -> anyhow::Result<Finished> {
        let path = folder.join(format!("{}-{}.txt", self.package, self.target));
        let file = File::create(&path).with_context(|| format!("write {}", path.display()))?;
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file);
        let start = now();
        let child = command.spawn().with_context(|| format!("run {}", self.path.display()))?;
        let status = wait(child, start)?;
        let output = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        let output = match status {
            Some(status) if status.code().is_none() => {
                format!("{output}\nended by itself: {status}")
            }
            Some(_) => output,
            None => format!("{output}\nstopped: it was not done after {RUN_MAX:?}"),
        };
        let succeeded = status.is_some_and(|status| status.success());
        Ok(Finished { program: self.clone(), succeeded, output, took: now() - start })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.package, self.target)
    }
}

impl Finished {
    /// The tests that failed, by the list at the end; none if the program did not come to that, or if the list
    /// has not as many names as it says: what somebody wrote in between has cut it.
    pub(super) fn failed_tests(&self) -> Vec<&str> {
        let Some((_, list)) = self.output.rsplit_once("\nfailures:\n") else { return Vec::new() };
        let names: Vec<&str> = list.lines().map_while(|line| line.strip_prefix("    ")).collect();
        let mut said = Tally::default();
        said.read_all(list);
        if said.failed == names.len() as u64 { names } else { Vec::new() }
    }

    /// What it wrote, each line behind a bar: of tests that failed and may still pass by themselves, nobody who
    /// searches the log for failures shall read that they have.
    pub(super) fn quoted(&self) -> String {
        self.output.trim_matches('\n').lines().map(|line| format!("    | {line}\n")).collect()
    }

    /// Whether no test has the name that was asked for: that would prove nothing.
    pub(super) fn ran_nothing(&self) -> bool {
        self.output.contains("\nrunning 0 tests\n")
    }
}

/// Waits for the end; none where it had to be stopped.
#[expect(clippy::disallowed_methods, reason = "a thread of its own waits for each program")]
fn wait(mut child: Child, start: Instant) -> anyhow::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if now() - start > RUN_MAX {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

#[expect(clippy::disallowed_methods, reason = "this program times what it runs")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(output: &str) -> Finished {
        let program = Program {
            package: "ws-client".to_owned(),
            target: "link".to_owned(),
            path: "/bin/sh".into(),
            folder: "/".into(),
        };
        Finished { program, succeeded: false, output: output.to_owned(), took: Duration::ZERO }
    }

    #[test]
    fn the_list_at_the_end_names_what_failed() {
        let output = "running 2 tests\ntest a ... FAILED\n\nfailures:\n\n---- a stdout ----\nfailures:\n\n\n\
                      failures:\n    b::a\n    c\n\ntest result: FAILED. 0 passed; 2 failed; 0 ignored\n";
        assert_eq!(finished(output).failed_tests(), ["b::a", "c"]);
        assert!(finished("running 2 tests\n").failed_tests().is_empty());
    }

    #[test]
    fn a_list_that_was_cut_short_names_nobody() {
        let output = "\nfailures:\n    b::a\nlogged meanwhile\n    c\n\ntest result: FAILED. 0 passed; 2 failed; 0 ignored\n";
        assert!(finished(output).failed_tests().is_empty());
    }

    #[test]
    fn what_is_quoted_is_no_line_of_the_runner() {
        let quoted = finished("\nrunning 1 test\ntest a ... FAILED\n\n").quoted();
        assert_eq!(quoted, "    | running 1 test\n    | test a ... FAILED\n");
    }

    #[test]
    fn a_name_that_nobody_has_is_no_pass() {
        assert!(finished("\nrunning 0 tests\n\ntest result: ok. 0 passed").ran_nothing());
        assert!(!finished("\nrunning 1 test\n").ran_nothing());
    }

    #[test]
    fn both_streams_are_kept_and_the_end_is_known() {
        let folder = std::env::temp_dir().join(format!("xtask-program-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = finished("").program;
        let run = |script: &str| program.run(&folder, &[("NAME", "value".into())], &["-c", script]);
        let went = run("echo out $NAME; echo err >&2; exit 3").unwrap();
        assert_eq!((went.succeeded, &*went.output), (false, "out value\nerr\n"));
        assert!(run("true").unwrap().succeeded);
        let killed = run("kill -9 $$").unwrap();
        assert!(!killed.succeeded && killed.output.contains("ended by itself"), "{killed:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
