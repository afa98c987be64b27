//! What Debian has: nginx with nchan, unpacked below `target/peers` and never installed, so that no
//! service starts, nothing of the system changes, and it need not be root who asks.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::{Installed, Place};
use crate::provision::programs::{Programs, run, succeeds};

const PACKAGES: [&str; 2] = ["nginx", "libnginx-mod-nchan"];

pub(super) fn nchan(place: &Place) -> anyhow::Result<Installed> {
    let target = place.target.join("nchan");
    let program = target.join("usr/sbin/nginx");
    let version_file = target.join("version");
    if !version_file.is_file() {
        unpack(&target)?;
        anyhow::ensure!(
            succeeds(Command::new(&program).arg("-v")),
            "Debian's nginx does not run here: a library of its is missing"
        );
        std::fs::write(&version_file, versions(&target)?)?;
    }
    let version = std::fs::read_to_string(&version_file)?;
    let starter = place.source.join("nchan").join("start.sh");
    Ok(Installed::new(version, starter).with_environment("NGINX_ROOT", target))
}

fn unpack(target: &Path) -> anyhow::Result<()> {
    let mut programs = Programs::default();
    for program in ["apt-get", "dpkg-deb"] {
        programs.find(&[program], "dpkg").context("it is taken from Debian's packages")?;
    }
    // Old packages would be mistaken for new ones.
    if target.exists() {
        std::fs::remove_dir_all(target)?;
    }
    std::fs::create_dir_all(target)?;
    let download = || {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "download"]).args(PACKAGES).current_dir(target);
        command
    };
    // Lists that are missing or old are fetched by root; others have to do it themselves.
    if !succeeds(&mut download()) {
        run(Command::new("apt-get").args(["-qq", "update"]))
            .context("run `sudo apt-get update`: Debian's lists of packages are not there")?;
        run(&mut download())?;
    }
    for package in packages(target)? {
        run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(target))?;
    }
    Ok(())
}

/// `1.22.1-9 (nchan 1:1.3.6)`, as Debian numbers them.
fn versions(target: &Path) -> anyhow::Result<String> {
    let mut versions = Vec::new();
    for name in PACKAGES {
        let files = packages(target)?;
        let of_name = |file: &&std::path::PathBuf| {
            let file = file.file_name().unwrap_or_default().to_string_lossy();
            file.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'))
        };
        let file = files.iter().find(of_name).with_context(|| format!("`{name}` was not there"))?;
        let field = Command::new("dpkg-deb").arg("--field").arg(file).arg("Version").output()?;
        versions.push(String::from_utf8(field.stdout)?.trim().to_owned());
    }
    let [nginx, nchan] = versions.as_slice() else { anyhow::bail!("two packages are expected") };
    let nchan = nchan.split_once(':').map_or(nchan.as_str(), |(_, version)| version);
    Ok(format!("{nginx} with {nchan}"))
}

fn packages(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let files = std::fs::read_dir(folder)?;
    let paths = files.map(|file| Ok(file?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    let is_package = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "deb");
    Ok(paths.into_iter().filter(is_package).collect())
}
