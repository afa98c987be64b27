//! A name says what the thing is.

use super::{Finding, House};

/// Names under which anything could be put, and soon is.
const EMPTY_NAMES: [&str; 9] =
    ["common", "helper", "helpers", "misc", "shared", "types", "util", "utilities", "utils"];

pub(super) fn files_are_named_for_what_they_hold(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, _) in house.tree.rust_files() {
        let mut folders: Vec<&str> = file.path.split('/').collect();
        let name = folders.pop().unwrap_or_default();
        if name == "mod.rs" {
            let folder = folders.last().copied().unwrap_or("module");
            let message = format!("is a `mod.rs`; name it `{folder}.rs` beside its folder");
            findings.push(Finding::new(&file.path, 1, message));
        }
        let empty = |part: &&str| EMPTY_NAMES.contains(part);
        if let Some(part) = folders.into_iter().chain([file.stem()]).find(empty) {
            let message = format!("`{part}` says nothing; name it for what it holds");
            findings.push(Finding::new(&file.path, 1, message));
        }
    }
    findings
}

pub(super) fn packages_are_named_after_their_folder(house: &House) -> Vec<Finding> {
    let crates = house.members.iter().filter(|member| member.is_crate());
    let misnamed = crates.filter_map(|member| {
        let folder = member.folder.trim_start_matches("crates/");
        let expected = format!("ws-{}", folder.trim_start_matches("ws-"));
        (member.name != expected).then(|| {
            let message = format!("package `{}`; by its folder it is `{expected}`", member.name);
            Finding::new(&member.manifest(), 2, message)
        })
    });
    misnamed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;
    use crate::workspace::Member;

    #[test]
    fn a_file_name_that_says_nothing_is_found() {
        for (path, found) in [
            ("crates/door/src/hinge.rs", 0),
            ("crates/door/src/hinge/mod.rs", 1),
            ("crates/door/src/utils.rs", 1),
            ("crates/door/tests/common/setup.rs", 1),
            ("crates/door/src/types/mod.rs", 2),
            ("crates/door/src/helpers.md", 0),
        ] {
            let tree = Tree::with(&[(path, "")]);
            let findings = files_are_named_for_what_they_hold(&House { tree, ..House::default() });
            assert_eq!(findings.len(), found, "{path}");
        }
    }

    #[test]
    fn a_package_that_is_not_named_after_its_folder_is_found() {
        for (name, folder, found) in [
            ("ws-door", "crates/door", 0),
            ("ws-gateway", "crates/ws-gateway", 0),
            ("door", "crates/door", 1),
            ("ws-gate", "crates/door", 1),
            ("xtask", "xtask", 0),
        ] {
            let member =
                Member { name: name.to_owned(), folder: folder.to_owned(), ..Member::default() };
            let house = House { members: vec![member], ..House::default() };
            assert_eq!(packages_are_named_after_their_folder(&house).len(), found, "{name}");
        }
    }
}
