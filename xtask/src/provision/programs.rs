//! Programs of the system: looked up on the path, installed where we may, asked for where not.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

/// The system's programs. Remembers that the package lists are fresh.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    lists_are_fresh: bool,
}

/// How a missing package can be had.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    Install,
    /// With the sentence to say.
    Ask(String),
}

impl Programs {
    /// The first of these programs on the path; without any, `package` is installed for it.
    pub(crate) fn find(&mut self, names: &[&str], package: &str) -> anyhow::Result<PathBuf> {
        if let Some(found) = names.iter().find_map(|name| on_path(name)) {
            return Ok(found);
        }
        let name = names.first().context("a program has a name")?;
        self.install(&format!("`{name}`"), package)?;
        let found = names.iter().find_map(|name| on_path(name));
        found.with_context(|| format!("Debian's package `{package}` brought no `{name}`"))
    }

    /// Installs the package because `what` is missing, or fails with the sentence that says how.
    pub(crate) fn install(&mut self, what: &str, package: &str) -> anyhow::Result<()> {
        let apt = on_path("apt-get");
        if let Remedy::Ask(sentence) = remedy(what, package, apt.is_some(), is_root()) {
            anyhow::bail!(sentence);
        }
        let apt = apt.context("there is an apt-get")?;
        if !self.lists_are_fresh {
            run(Command::new(&apt).args(["-qq", "update"]))?;
            self.lists_are_fresh = true;
        }
        run(Command::new(&apt)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Another installation may be under way.
            .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
            .args(["install", "--yes", "--no-install-recommends", package]))
    }
}

/// Runs it with its output on our standard error: standard output is for what a shell evaluates.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = command_line(command);
    eprintln!("    {line}");
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| line.clone())?;
    anyhow::ensure!(status.success(), "`{line}` failed");
    Ok(())
}

/// Whether the command succeeds; its output is of no interest.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// What the program calls its version, for a stamp.
pub(crate) fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("{} --version", program.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn remedy(what: &str, package: &str, has_apt: bool, is_root: bool) -> Remedy {
    match (has_apt, is_root) {
        (true, true) => Remedy::Install,
        (true, false) => {
            Remedy::Ask(format!("{what} is missing: run `sudo apt-get install {package}`"))
        }
        (false, _) => {
            Remedy::Ask(format!("{what} is missing: install what Debian packages as `{package}`"))
        }
    }
}

/// Debian puts servers into `/usr/sbin`, which is not on everybody's path.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    find_in(&path, program).or_else(|| find_in("/usr/sbin".as_ref(), program))
}

fn find_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_installs_and_everyone_else_is_told_what_to_type() {
        let ask = |sentence: &str| Remedy::Ask(sentence.to_owned());
        for (has_apt, is_root, expected) in [
            (true, true, Remedy::Install),
            (true, false, ask("`node` is missing: run `sudo apt-get install nodejs`")),
            (false, false, ask("`node` is missing: install what Debian packages as `nodejs`")),
            (false, true, ask("`node` is missing: install what Debian packages as `nodejs`")),
        ] {
            assert_eq!(remedy("`node`", "nodejs", has_apt, is_root), expected);
        }
    }

    #[test]
    fn a_program_is_found_in_the_first_folder_that_has_it() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = std::env::join_paths([here.join("nowhere"), here.to_owned()]).unwrap();
        assert_eq!(find_in(&path, "Cargo.toml"), Some(here.join("Cargo.toml")));
        assert_eq!(find_in(&path, "no-such-program"), None);
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run(Command::new("false").arg("alarm")).unwrap_err();
        assert_eq!(error.to_string(), "`false alarm` failed");
        assert!(!succeeds(&mut Command::new("false")));
        assert!(succeeds(&mut Command::new("true")));
    }
}
