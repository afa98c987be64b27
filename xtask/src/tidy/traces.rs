//! Nothing in the tree speaks of the machine on which it was written.

use super::{Finding, House};

/// Folders at the top of a file system that are one machine's own.
const FOLDERS: [&str; 5] = ["home", "root", "tmp", "work", "Users"];

pub(super) fn no_path_of_a_machine(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &house.tree.files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(path) = machine_path(line) {
                let message = format!(
                    "`{path}` is a path of one machine; make it relative to the repository"
                );
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// The start of the first absolute path into one of those folders.
fn machine_path(line: &str) -> Option<String> {
    line.match_indices('/').find_map(|(start, _)| {
        // After a letter it is the middle of a relative path or of an address.
        let before = line[..start].chars().next_back();
        let starts_path = before.is_none_or(|c| c.is_whitespace() || "\"'`(=:,;<>[{|".contains(c));
        let (folder, _) = line[start + 1..].split_once('/')?;
        (starts_path && FOLDERS.contains(&folder)).then(|| format!("/{folder}/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    #[test]
    fn a_path_of_a_machine_is_found() {
        let under = |folder: &str| format!("/{folder}/me");
        for (line, found) in [
            (format!("see {}", under("home")), true),
            (format!("let path = \"{}\";", under("root")), true),
            (format!("PATH={}:/usr/bin", under("work")), true),
            (format!("[it]({})", under("Users")), true),
            (format!("https://example.com{}", under("home")), false),
            (format!("docs{}", under("work")), false),
            (format!("GET ..{}", under("root")), false),
            ("/usr/bin/env bash".to_owned(), false),
            ("and/or work".to_owned(), false),
        ] {
            let tree = Tree::with(&[("docs/a.md", &line)]);
            let findings = no_path_of_a_machine(&House { tree, ..House::default() });
            assert_eq!(!findings.is_empty(), found, "{line}");
        }
    }
}
