//! A member's manifest inherits: lints, versions of packages, the fields of the workspace.

use toml::{Table, Value};

use super::tree::File;
use super::{Finding, House};

const DEPENDENCY_TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
const FIELDS: [&str; 5] = ["version", "edition", "rust-version", "license", "authors"];

pub(super) fn manifests_inherit(house: &House) -> Vec<Finding> {
    let manifests = house.members.iter().filter_map(|member| house.tree.file(&member.manifest()));
    manifests.flat_map(judge).collect()
}

fn judge(manifest: &File) -> Vec<Finding> {
    let finding =
        |part: &str, message: String| Finding::new(&manifest.path, manifest.line_of(part), message);
    let Ok(table) = manifest.text.parse::<Table>() else {
        return vec![finding("", "is no valid TOML".to_owned())];
    };
    let mut findings = Vec::new();
    if !table.get("lints").is_some_and(inherits) {
        let message = "own lints or none; say `[lints] workspace = true`";
        findings.push(finding("[lints", message.to_owned()));
    }
    let package = table.get("package").and_then(Value::as_table);
    for field in FIELDS {
        if !package.and_then(|package| package.get(field)).is_some_and(inherits) {
            let message = format!("its own `{field}` or none; say `{field}.workspace = true`");
            findings.push(finding(field, message));
        }
    }
    for (name, value) in dependencies(&table) {
        if !inherits(value) {
            let message = format!(
                "`{name}` has a version of its own; put it into the workspace's table and say \
                 `{name}.workspace = true`"
            );
            findings.push(finding(name, message));
        }
    }
    findings
}

/// Those of the manifest and those of its `[target]` tables.
fn dependencies(table: &Table) -> impl Iterator<Item = (&String, &Value)> {
    let targets = table.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = std::iter::once(table).chain(targets.filter_map(|(_, value)| value.as_table()));
    tables
        .flat_map(|table| DEPENDENCY_TABLES.iter().filter_map(|name| table.get(*name)?.as_table()))
        .flatten()
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    const PACKAGE: &str = "[package]\nversion.workspace = true\nedition.workspace = true\n\
                           rust-version.workspace = true\nlicense.workspace = true\n\
                           authors.workspace = true\n";

    #[test]
    fn what_a_manifest_says_by_itself_is_found() {
        let lints = "[lints]\nworkspace = true\n";
        let good = format!("{PACKAGE}{lints}[dependencies]\nbytes.workspace = true\n");
        for (text, complaints) in [
            (good.clone(), vec![]),
            (PACKAGE.to_owned(), vec!["own lints"]),
            (format!("{PACKAGE}[lints.rust]\nunsafe_code = \"warn\"\n"), vec!["own lints"]),
            (
                good.replace("license.workspace = true", "license = \"MIT\""),
                vec!["its own `license`"],
            ),
            (format!("{good}http = \"1\"\n"), vec!["`http` has a version"]),
            (
                format!("{good}[dev-dependencies]\nhttp = {{ version = \"1\" }}\n"),
                vec!["`http` has"],
            ),
            (format!("{good}[target.'cfg(unix)'.dependencies]\nnix = \"1\"\n"), vec!["`nix` has"]),
            (
                format!("{good}[dev-dependencies]\nhttp = {{ workspace = true, features = [] }}\n"),
                vec![],
            ),
            ("[package".to_owned(), vec!["is no valid TOML"]),
        ] {
            let tree = Tree::with(&[("crates/door/Cargo.toml", &text)]);
            let findings = judge(&tree.files[0]);
            assert_eq!(findings.len(), complaints.len(), "{text}\n{findings:?}");
            for (finding, start) in findings.iter().zip(complaints) {
                assert!(finding.message.starts_with(start), "{finding}");
            }
        }
    }
}
