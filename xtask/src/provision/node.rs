//! Node.js and the pinned packages of npm.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::Found;
use super::programs::{Programs, run, succeeds, version};
use super::stamp::Stamp;

/// Makes sure of the packages and returns the program and the `node_modules` folder.
pub(super) fn provide(
    programs: &mut Programs,
    source: &Path,
    target: &Path,
) -> anyhow::Result<Found> {
    let node = programs.find(&["node"], "nodejs")?;
    let is_new_enough = "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)";
    anyhow::ensure!(
        succeeds(Command::new(&node).args(["-e", is_new_enough])),
        "`node` is older than 20, which the tests need: put a newer one on the path"
    );
    let npm = programs.find(&["npm"], "npm")?;
    let folder = target.join("npm");
    let modules = folder.join("node_modules");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let mut pins = version(&node)?;
    for name in ["package.json", "package-lock.json"] {
        let text = std::fs::read_to_string(source.join(name))
            .with_context(|| format!("read xtask/provision/{name}"))?;
        std::fs::write(folder.join(name), &text)?;
        pins += &text;
    }
    let stamp = Stamp::new(&folder, pins);
    if !(stamp.is_current() && modules.is_dir()) {
        // Nothing that we use needs an install script, and nothing that we do not use gets one.
        run(Command::new(&npm)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder))?;
        stamp.write()?;
    }
    Ok(vec![node.into(), modules.into()])
}
