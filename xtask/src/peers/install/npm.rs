//! What npm has: Bun's program, and packages for Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::{Installed, Place};
use crate::provision::programs::{Programs, run, version};
use crate::provision::stamp::Stamp;

/// Bun is a program; its package for this platform brings it along, and no script has to fetch it.
pub(super) fn bun(place: &Place) -> anyhow::Result<Installed> {
    anyhow::ensure!(has_avx2(), "Bun's package for x86-64 needs AVX2, which this processor lacks");
    let modules = packages(place, "bun", "")?;
    let program = modules.join("@oven").join(bun_package()).join("bin").join("bun");
    anyhow::ensure!(program.is_file(), "npm brought no `@oven/{}`", bun_package());
    let found = version(&program)?;
    Ok(Installed::new(found, program).with_argument(place.source.join("bun").join("server.js")))
}

/// `server.js` in that folder, with the packages that are pinned beside it.
pub(super) fn node(place: &Place, folder: &str, package: &str) -> anyhow::Result<Installed> {
    let program = Programs::default().find(&["node"], "nodejs")?;
    let found = version(&program)?;
    let modules = packages(place, folder, &found)?;
    let own = package_version(&modules, package)?;
    Ok(Installed::new(format!("{own} on Node.js {}", found.trim_start_matches('v')), program)
        .with_argument(place.source.join(folder).join("server.js"))
        .with_environment("NODE_PATH", modules)
        .with_environment("NODE_ENV", "production"))
}

/// Installs what the folder's lock file names and returns its `node_modules`.
fn packages(place: &Place, folder: &str, beside: &str) -> anyhow::Result<PathBuf> {
    let target = place.target.join(folder);
    let modules = target.join("node_modules");
    std::fs::create_dir_all(&target).with_context(|| format!("create {}", target.display()))?;
    let mut pins = beside.to_owned();
    for name in ["package.json", "package-lock.json"] {
        let source = place.source.join(folder).join(name);
        let text = std::fs::read_to_string(&source)
            .with_context(|| format!("read {}", source.display()))?;
        std::fs::write(target.join(name), &text)?;
        pins += &text;
    }
    let stamp = Stamp::new(&target, pins);
    if !(stamp.is_current() && modules.is_dir()) {
        let npm = Programs::default().find(&["npm"], "npm")?;
        run(Command::new(npm)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&target))?;
        stamp.write()?;
    }
    Ok(modules)
}

fn package_version(modules: &Path, package: &str) -> anyhow::Result<String> {
    let manifest = modules.join(package).join("package.json");
    let text = std::fs::read_to_string(&manifest)
        .with_context(|| format!("read {}", manifest.display()))?;
    let manifest: Value = serde_json::from_str(&text)?;
    Ok(manifest["version"].as_str().unwrap_or("of no version").to_owned())
}

fn bun_package() -> &'static str {
    if cfg!(target_arch = "aarch64") { "bun-linux-aarch64" } else { "bun-linux-x64" }
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    true
}
