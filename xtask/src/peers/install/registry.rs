//! What crates.io has: libraries, below small programs of ours, and one product.

use std::path::Path;

use super::{Installed, Place, locked, npm};
use crate::invocation::Cargo;
use crate::provision::programs::Programs;
use crate::provision::stamp::Stamp;

/// The product, without what it would be slower with: telemetry, and the extensions of the protocol.
pub(super) const SOCKUDO: &str = "install sockudo --version =5.2.0 --locked --no-default-features \
                                  --features local";

/// A program of `benches/peers/rust`, built.
pub(super) fn program(place: &Place, package: &str) -> anyhow::Result<Installed> {
    let source = place.source.join("rust");
    let target = place.target.join("rust");
    let cargo = Cargo::new("build --release --locked --quiet --manifest-path")
        .with(text(&source.join("Cargo.toml")))
        .with("--target-dir")
        .with(text(&target))
        .with("--bin")
        .with(format!("peer-{package}"));
    anyhow::ensure!(cargo.run(&[])?, "`{cargo}` failed");
    let program = target.join("release").join(format!("peer-{package}"));
    Ok(Installed::new(locked(&source.join("Cargo.lock"), package)?, program))
}

/// The product, from its own lock file, and a publisher for it, which is of Node.js.
pub(super) fn sockudo(place: &Place) -> anyhow::Result<Installed> {
    let target = place.target.join("sockudo");
    let build = target.join("build");
    let program = target.join("bin").join("sockudo");
    std::fs::create_dir_all(&target)?;
    let stamp = Stamp::new(&target, SOCKUDO.to_owned());
    if !(stamp.is_current() && program.is_file()) {
        provide_protoc()?;
        let cargo = Cargo::new(SOCKUDO).with("--root").with(text(&target));
        // In a folder that outlives an interruption, for it takes minutes.
        let cargo = cargo.with("--target-dir").with(text(&build));
        anyhow::ensure!(cargo.run(&[])?, "`{cargo}` failed");
        stamp.write()?;
        std::fs::remove_dir_all(&build)?;
    }
    let publisher = npm::node(place, "node", "ws")?;
    let starter = place.source.join("sockudo").join("start.sh");
    let mut installed = Installed::new(sockudo_version(), starter)
        .with_environment("SOCKUDO", program)
        .with_environment("NODE", publisher.program);
    installed.environment.extend(publisher.environment);
    Ok(installed)
}

/// One of the product's dependencies translates an interface while it is built.
fn provide_protoc() -> anyhow::Result<()> {
    let mut programs = Programs::default();
    let protoc = programs.find(&["protoc"], "protobuf-compiler")?;
    // The compiler looks for what its language comes with beside itself: `bin` and `include`.
    let beside = protoc.ancestors().nth(2).unwrap_or(Path::new("/usr"));
    if !beside.join("include/google/protobuf/timestamp.proto").is_file() {
        programs.install("`google/protobuf/timestamp.proto`", "libprotobuf-dev")?;
    }
    Ok(())
}

/// The version that is pinned.
pub(super) fn sockudo_version() -> &'static str {
    let version = SOCKUDO.split_whitespace().find_map(|word| word.strip_prefix('='));
    version.unwrap_or_default()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
