//! `unwrap` and `expect` are rare outside tests. Clippy sees that each has its reason; this counts.

use super::tree::Tree;
use super::{Finding, House};

/// So many for each thousand lines, rounded up for a crate that has fewer.
const PER_THOUSAND_LINES: usize = 2;

pub(super) fn panics_are_rare(house: &House) -> Vec<Finding> {
    let found = house.members.iter().filter_map(|member| {
        let count = Count::of(&house.tree, &member.folder);
        let allowed = (count.lines * PER_THOUSAND_LINES).div_ceil(1000);
        (count.panics > allowed).then(|| {
            let message = format!(
                "{} `unwrap` and `expect` in {} lines that are no tests; at most {allowed}: return \
                 an error, or let a type rule the case out",
                count.panics, count.lines
            );
            Finding::new(&count.last_panic.0, count.last_panic.1, message)
        })
    });
    found.collect()
}

#[derive(Debug, Default)]
struct Count {
    lines: usize,
    panics: usize,
    last_panic: (String, usize),
}

impl Count {
    /// Over the sources of one member, without what is compiled for tests, benches and examples.
    fn of(tree: &Tree, folder: &str) -> Self {
        let sources = format!("{folder}/src/");
        let in_sources = || tree.rust_files().filter(|(file, _)| file.path.starts_with(&sources));
        let mut test_modules = Vec::new();
        let mut kept = Vec::new();
        for (file, source) in in_sources() {
            let (code, modules) = source.without_tests();
            test_modules.extend(modules.iter().map(|name| module_path(&file.path, name)));
            kept.push((file, code));
        }
        let is_test = |path: &str| {
            test_modules.iter().any(|module| {
                path.strip_prefix(module.as_str())
                    .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            })
        };
        let mut count = Self::default();
        for (file, code) in kept.iter().filter(|(file, _)| !is_test(&file.path)) {
            count.lines += code.lines().filter(|line| !line.trim().is_empty()).count();
            for (index, line) in code.lines().enumerate() {
                let panics = line.matches(".unwrap()").count() + line.matches(".expect(").count();
                if panics > 0 {
                    count.panics += panics;
                    count.last_panic = (file.path.clone(), index + 1);
                }
            }
        }
        count
    }
}

/// Where `mod name;` in the file at `path` is found, without the extension.
fn module_path(path: &str, name: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "lib.rs" | "main.rs" => format!("{folder}/{name}"),
        _ => format!("{folder}/{}/{name}", file.trim_end_matches(".rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Member;

    fn findings(files: &[(&str, &str)]) -> Vec<Finding> {
        let member = Member { folder: "crates/door".to_owned(), ..Member::default() };
        let tree = Tree::with(files);
        panics_are_rare(&House { tree, members: vec![member], ..House::default() })
    }

    #[test]
    fn panics_are_counted_against_the_lines_that_are_no_tests() {
        let (lib, door) = ("crates/door/src/lib.rs", "crates/door/src/door.rs");
        let call = "fn f() { x.unwrap(); }\n";
        let thousand = "fn g() {}\n".repeat(997);
        for (files, found) in [
            (vec![(door, call.to_owned())], 0),
            (vec![(door, call.repeat(2))], 1),
            (vec![(door, call.replace("unwrap()", "expect(\"it\")").repeat(2))], 1),
            (vec![(door, format!("{}{thousand}", call.repeat(2)))], 0),
            (vec![(door, format!("{}{thousand}", call.repeat(3)))], 1),
            (vec![(door, format!("#[cfg(test)]\nmod tests {{\n{}}}\n", call.repeat(9)))], 0),
            (
                vec![
                    (door, "#[cfg(test)]\nmod tests;\n".to_owned()),
                    ("crates/door/src/door/tests.rs", call.repeat(9)),
                ],
                0,
            ),
            (
                vec![
                    (lib, "#[cfg(test)]\nmod model;\n".to_owned()),
                    ("crates/door/src/model.rs", call.repeat(9)),
                    ("crates/door/src/model/parts.rs", call.repeat(9)),
                ],
                0,
            ),
            (vec![(door, "// x.unwrap()\n".repeat(9))], 0),
            (vec![("crates/door/tests/opens.rs", call.repeat(9))], 0),
        ] {
            let files: Vec<(&str, &str)> =
                files.iter().map(|(path, text)| (*path, text.as_str())).collect();
            assert_eq!(findings(&files).len(), found, "{files:.100?}");
        }
    }
}
