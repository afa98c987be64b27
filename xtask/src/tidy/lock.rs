//! The versions that we test are the versions that we commit, and they say nothing about the
//! machine on which they were chosen.

use super::{Finding, House};

const LOCK_FILES: [&str; 2] = ["Cargo.lock", "xtask/provision/package-lock.json"];

pub(super) fn lock_files_are_committed_and_name_no_host(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in LOCK_FILES {
        if house.tree.file(path).is_none() {
            findings.push(Finding::new(
                path,
                1,
                "not there; commit it, tests rely on its versions",
            ));
        }
    }
    for file in &house.tree.files {
        if !file.path.ends_with("package-lock.json") {
            continue;
        }
        if let Some(index) = file.text.lines().position(|line| line.contains("\"resolved\":")) {
            let message = "names a registry's host; write it with \
                           `npm install --omit-lockfile-registry-resolved`";
            findings.push(Finding::new(&file.path, index + 1, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    #[test]
    fn a_missing_lock_and_a_host_in_one_are_found() {
        let npm = "xtask/provision/package-lock.json";
        for (files, expected) in [
            (vec![("Cargo.lock", ""), (npm, "{}")], vec![]),
            (vec![(npm, "{}")], vec![("Cargo.lock", 1)]),
            (
                vec![
                    ("Cargo.lock", ""),
                    (npm, "{\n\"resolved\": \"https://npm.example/a.tgz\"\n}"),
                ],
                vec![(npm, 2)],
            ),
        ] {
            let house = House { tree: Tree::with(&files), ..House::default() };
            let findings = lock_files_are_committed_and_name_no_host(&house);
            let found: Vec<(&str, usize)> =
                findings.iter().map(|found| (found.file.as_str(), found.line)).collect();
            assert_eq!(found, expected);
        }
    }
}
