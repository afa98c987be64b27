//! `cargo xtask advisories`: whether anything that we build on is known to be faulty.
//!
//! Two things are looked at, as far as they are at hand. Which versions their authors have taken back stands in
//! cargo's own copy of the registry's index. Which have a known fault stands in the `RustSec` database, which is a
//! repository of its own: it is read where somebody has cloned it, or where `cargo audit` has.

use std::path::{Path, PathBuf};

use anyhow::Context;
use semver::Version;
use toml::Table;

use crate::arguments::flag_and_value;
use crate::workspace::root;

mod database;
mod index;

/// Where the database is, if the command line does not say.
const DATABASE: &str = "ADVISORY_DB";

/// What was asked for on the command line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    database: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (flag, value) = flag_and_value(&argument);
            match (flag, value.or_else(|| arguments.next())) {
                ("--database", Some(folder)) => options.database = Some(folder.into()),
                ("--database", None) => return Err("`--database` wants a folder".to_owned()),
                _ => return Err(format!("`advisories` knows no `{argument}`")),
            }
        }
        Ok(options)
    }
}

/// A version of somebody else's that we build on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    version: Version,
}

/// Looks and tells; whether nothing was found.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let packages = packages(&lock)?;
    let home = cargo_home()?;
    let states = packages.iter().map(|package| (package, index::state(&home, package)));
    let states: Vec<(&Package, index::State)> = states.collect();
    let count = |wanted| states.iter().filter(|(_, state)| *state == wanted).count();
    for (Package { name, version }, _) in
        states.iter().filter(|(_, state)| *state == index::State::TakenBack)
    {
        println!("{name} {version} was taken back by its authors: cargo update --package {name}");
    }
    println!(
        "{} versions in Cargo.lock: {} were taken back, {} are not in cargo's copy of the index",
        packages.len(),
        count(index::State::TakenBack),
        count(index::State::Unknown)
    );
    // A version may be taken back at any hour and for any reason. That is told; a fault is what fails.
    let Some(folder) = database(options, &home) else {
        println!(
            "known faults were not looked for: there is no RustSec database here. Clone \
             https://github.com/RustSec/advisory-db to {}, or say where it is by --database or {DATABASE}",
            home.join("advisory-db").display()
        );
        return Ok(true);
    };
    let advisories = database::read(&folder)?;
    let faults = database::matching(&advisories, &packages);
    for (package, advisory) in &faults {
        println!("{}", advisory.sentence(&package.name, &package.version));
    }
    println!("{} advisories looked at in {}", advisories.len(), folder.display());
    Ok(faults.iter().all(|(_, advisory)| advisory.is_notice))
}

/// Those of a registry; our own have no source.
fn packages(lock: &str) -> anyhow::Result<Vec<Package>> {
    let lock: Table = lock.parse().context("Cargo.lock")?;
    let all = lock.get("package").and_then(|all| all.as_array()).context("Cargo.lock is empty")?;
    let others = all.iter().filter(|package| package.get("source").is_some());
    let package = |it: &toml::Value| {
        let text = |key| it.get(key).and_then(toml::Value::as_str).context("a name and a version");
        Ok(Package { name: text("name")?.to_owned(), version: text("version")?.parse()? })
    };
    others.map(package).collect()
}

fn cargo_home() -> anyhow::Result<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).context("no home of cargo")
}

/// The one that was named, or one of those that other tools keep.
fn database(options: &Options, home: &Path) -> Option<PathBuf> {
    let named = || std::env::var_os(DATABASE).map(PathBuf::from);
    let of_audit = || Some(home.join("advisory-db")).filter(|folder| folder.is_dir());
    let of_deny = || {
        let folders = std::fs::read_dir(home.join("advisory-dbs")).ok()?;
        folders.flatten().map(|entry| entry.path()).find(|path| path.is_dir())
    };
    options.database.clone().or_else(named).or_else(of_audit).or_else(of_deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_looked_at() {
        let lock = "[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"theirs\"\nversion = \"1.2.3\"\nsource = \"registry+x\"\n";
        let theirs = Package { name: "theirs".to_owned(), version: Version::new(1, 2, 3) };
        assert_eq!(packages(lock).unwrap(), [theirs]);
        assert!(packages("").is_err());
    }

    #[test]
    fn a_folder_can_be_named_and_nothing_else() {
        let parse = |line: &str| Options::parse(line.split(' ').map(str::to_owned).collect());
        let named = Options { database: Some("a".into()) };
        assert_eq!(parse("--database a"), Ok(named.clone()));
        assert_eq!(parse("--database=a"), Ok(named));
        assert!(parse("--database").unwrap_err().contains("wants a folder"));
        assert!(parse("--fix").unwrap_err().contains("knows no `--fix`"));
    }
}
