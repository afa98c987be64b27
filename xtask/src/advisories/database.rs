//! The `RustSec` database: a file for each fault, in folders by package.

use std::path::Path;

use anyhow::Context;
use semver::{Version, VersionReq};
use toml::{Table, Value};

use super::Package;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advisory {
    id: String,
    package: String,
    title: String,
    /// Versions in which it is mended.
    patched: Vec<VersionReq>,
    /// Versions that never had it.
    unaffected: Vec<VersionReq>,
    /// No fault, but something to know: that nobody keeps the package any more, for example.
    pub(super) is_notice: bool,
}

impl Advisory {
    fn affects(&self, package: &Package) -> bool {
        let is_in = |ranges: &[VersionReq]| ranges.iter().any(|it| it.matches(&package.version));
        self.package == package.name && !is_in(&self.patched) && !is_in(&self.unaffected)
    }

    pub(super) fn sentence(&self, name: &str, version: &Version) -> String {
        let Self { id, title, patched, .. } = self;
        let patched: Vec<String> = patched.iter().map(ToString::to_string).collect();
        let cure = match patched.is_empty() {
            true => "no version is mended".to_owned(),
            false => format!("mended in {}", patched.join(" or ")),
        };
        let kind = if self.is_notice { "to be known" } else { "a known fault" };
        format!("{name} {version}: {kind}, {id}: {title}; {cure}")
    }
}

/// All that stand in a clone of it, or in its folder of crates.
pub(super) fn read(folder: &Path) -> anyhow::Result<Vec<Advisory>> {
    let crates = folder.join("crates");
    let crates = if crates.is_dir() { crates } else { folder.to_owned() };
    let name = || format!("{} is no RustSec database", crates.display());
    let mut advisories = Vec::new();
    for entry in std::fs::read_dir(&crates).with_context(name)? {
        let package = entry?.path();
        for file in std::fs::read_dir(&package).into_iter().flatten() {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&path);
                let advisory = text.map_err(Into::into).and_then(|text| parse(&text));
                let advisory = advisory.with_context(|| path.display().to_string())?;
                advisories.extend(advisory);
            }
        }
    }
    // Nothing found because nothing was looked at must not look like nothing to be found.
    anyhow::ensure!(!advisories.is_empty(), "{}: it holds no advisory", name());
    Ok(advisories)
}

/// What applies to what, in the order of the packages.
pub(super) fn matching<'a>(
    advisories: &'a [Advisory],
    packages: &'a [Package],
) -> Vec<(&'a Package, &'a Advisory)> {
    let affecting = |package: &'a Package| {
        let affecting = advisories.iter().filter(move |advisory| advisory.affects(package));
        affecting.map(move |advisory| (package, advisory))
    };
    packages.iter().flat_map(affecting).collect()
}

/// A page whose head is TOML between fences; nothing if it was withdrawn.
fn parse(page: &str) -> anyhow::Result<Option<Advisory>> {
    let (_, rest) = page.split_once("```toml").context("it has no head of TOML")?;
    let (head, rest) = rest.split_once("```").context("its head has no end")?;
    let head: Table = head.parse().context("its head")?;
    let text = |table: &Value, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let advisory = head.get("advisory").context("it has no `advisory`")?;
    if advisory.get("withdrawn").is_some() {
        return Ok(None);
    }
    let ranges = |key: &str| -> anyhow::Result<Vec<VersionReq>> {
        let ranges = head.get("versions").and_then(|versions| versions.get(key));
        let ranges = ranges.and_then(Value::as_array).into_iter().flatten();
        let range = |it: &Value| Ok(it.as_str().context("a range of versions")?.parse()?);
        ranges.map(range).collect()
    };
    let title = rest.lines().find_map(|line| line.strip_prefix("# "));
    Ok(Some(Advisory {
        id: text(advisory, "id").context("it has no `id`")?,
        package: text(advisory, "package").context("it has no `package`")?,
        title: title.unwrap_or("without a title").trim().to_owned(),
        patched: ranges("patched")?,
        unaffected: ranges("unaffected")?,
        is_notice: advisory
            .get("informational")
            .is_some_and(|kind| kind.as_str() != Some("unsound")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(more: &str) -> String {
        format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2030-0001\"\npackage = \"door\"\n{more}\n[versions]\n\
             patched = [\">= 1.2.4\", \">= 1.1.9, < 1.2.0\"]\nunaffected = [\"< 1.0.0\"]\n```\n\n\
             # It opens by itself\n\nWhen it is windy.\n"
        )
    }

    fn found(page: &str, version: &str) -> Vec<(String, bool)> {
        let advisories: Vec<Advisory> = parse(page).unwrap().into_iter().collect();
        let package =
            |name: &str| Package { name: name.to_owned(), version: version.parse().unwrap() };
        let packages = [package("door"), package("window")];
        let found = matching(&advisories, &packages).into_iter();
        found.map(|(it, fault)| (fault.sentence(&it.name, &it.version), fault.is_notice)).collect()
    }

    #[test]
    fn a_fault_is_found_in_the_versions_that_have_it_and_told_with_its_cure() {
        let text = "door 1.2.3: a known fault, RUSTSEC-2030-0001: It opens by itself; mended in \
                    >=1.2.4 or >=1.1.9, <1.2.0";
        assert_eq!(found(&page(""), "1.2.3"), [(text.to_owned(), false)]);
        assert_eq!(found(&page(""), "1.1.8").len(), 1);
        for good in ["1.2.4", "2.0.0", "1.1.9", "0.9.0"] {
            assert_eq!(found(&page(""), good), [], "{good}");
        }
    }

    #[test]
    fn what_was_withdrawn_is_none_and_a_notice_is_no_fault() {
        assert_eq!(found(&page("withdrawn = \"2030-02-03\""), "1.2.3"), []);
        let (text, is_notice) = found(&page("informational = \"unmaintained\""), "1.2.3").remove(0);
        assert!(is_notice && text.contains("to be known"), "{text}");
        assert!(!found(&page("informational = \"unsound\""), "1.2.3")[0].1);
    }

    #[test]
    fn a_folder_that_is_no_database_is_not_taken_for_an_empty_one() {
        let folder = std::env::temp_dir().join(format!("ws-advisories-{}", std::process::id()));
        let package = folder.join("crates").join("door");
        std::fs::create_dir_all(&package).unwrap();
        assert!(read(&folder).unwrap_err().to_string().contains("holds no advisory"));
        std::fs::write(package.join("RUSTSEC-2030-0001.md"), page("")).unwrap();
        assert_eq!(read(&folder).unwrap().len(), 1);
        std::fs::write(package.join("RUSTSEC-2030-0002.md"), "# no head").unwrap();
        let error = format!("{:#}", read(&folder).unwrap_err());
        assert!(error.contains("0002.md") && error.contains("no head of TOML"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(read(&folder).is_err());
    }
}
