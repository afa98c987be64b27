//! A virtual environment with the pinned packages of PyPI.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::Found;
use super::programs::{Programs, run, succeeds, version};
use super::stamp::Stamp;

/// Makes sure of the environment and returns its interpreter.
pub(super) fn provide(
    programs: &mut Programs,
    source: &Path,
    target: &Path,
) -> anyhow::Result<Found> {
    let python = programs.find(&["python3"], "python3")?;
    let is_new_enough = "import sys; sys.exit(sys.version_info < (3, 11))";
    anyhow::ensure!(
        succeeds(Command::new(&python).args(["-c", is_new_enough])),
        "`python3` is older than 3.11, which the peer `websockets` needs: put a newer one on the path"
    );
    let requirements = source.join("requirements.txt");
    let pins = std::fs::read_to_string(&requirements)
        .with_context(|| format!("read {}", requirements.display()))?;
    let environment = target.join("python");
    let interpreter = environment.join("bin").join("python");
    let stamp = Stamp::new(&environment, format!("{}\n{pins}", version(&python)?));
    if stamp.is_current() && interpreter.is_file() {
        return Ok(vec![interpreter.into()]);
    }
    // Debian takes these modules out of the interpreter's own package.
    if !succeeds(Command::new(&python).args(["-c", "import ensurepip, venv"])) {
        programs.install("Python's module `venv`", "python3-venv")?;
    }
    run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&environment))?;
    run(Command::new(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--require-hashes", "--requirement"])
        .arg(&requirements))?;
    stamp.write()?;
    Ok(vec![interpreter.into()])
}
