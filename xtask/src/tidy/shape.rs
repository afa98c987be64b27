//! Every file opens by saying what it is for, and a crate's `lib.rs` is its index.

use super::{Finding, House};

/// How a file's docs start: in it, or for a crate in the README that is its docs.
const DOCS: [&str; 2] = ["//!", "#![doc = include_str!(\"../README.md\")]"];

/// With these a definition starts; `rustfmt` puts those of a module at the start of a line.
const DEFINITIONS: [&str; 9] =
    ["fn ", "async fn ", "const fn ", "struct ", "enum ", "union ", "trait ", "impl ", "impl<"];

pub(super) fn each_module_opens_with_docs(house: &House) -> Vec<Finding> {
    // The unit tests of a module in a file of their own need no introduction.
    let speaks_for_itself = |path: &str| path.contains("/src/") && path.ends_with("/tests.rs");
    let bare = house.tree.rust_files().filter(|(file, _)| {
        !DOCS.iter().any(|docs| file.text.starts_with(docs)) && !speaks_for_itself(&file.path)
    });
    let message = "does not open with `//!`; its first line says what the file is for";
    bare.map(|(file, _)| Finding::new(&file.path, 1, message)).collect()
}

pub(super) fn lib_rs_is_an_index(house: &House) -> Vec<Finding> {
    let indexes = house
        .tree
        .rust_files()
        .filter(|(file, _)| file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs"));
    let mut findings = Vec::new();
    for (file, source) in indexes {
        let (code, _) = source.without_tests();
        for (index, line) in code.lines().enumerate().filter(|(_, line)| defines(line)) {
            let message = format!(
                "`{}` is defined here; lib.rs holds docs, `mod`s and one `pub use`",
                line.trim_end_matches('{').trim()
            );
            findings.push(Finding::new(&file.path, index + 1, message));
        }
    }
    findings
}

fn defines(line: &str) -> bool {
    let item = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or("", |(_, item)| item),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    DEFINITIONS.iter().any(|start| item.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    #[test]
    fn a_module_without_docs_on_its_first_line_is_found() {
        for (path, text, found) in [
            ("a.rs", "//! What a is.\nfn a() {}", 0),
            ("a.rs", "#![doc = include_str!(\"../README.md\")]\nmod a;", 0),
            ("a.rs", "fn a() {}", 1),
            ("a.rs", "\n//! What a is.", 1),
            ("a.rs", "// What a is.", 1),
            ("a.rs", "", 1),
            ("crates/door/src/hinge/tests.rs", "use super::*;", 0),
            ("crates/door/tests/tests.rs", "use ws_door::*;", 1),
            ("a.md", "# a", 0),
        ] {
            let house = House { tree: Tree::with(&[(path, text)]), ..House::default() };
            assert_eq!(each_module_opens_with_docs(&house).len(), found, "{path}: {text}");
        }
    }

    #[test]
    fn a_definition_in_lib_rs_is_found() {
        let lib = "crates/door/src/lib.rs";
        for (path, text, found) in [
            (lib, "mod hinge;\npub use hinge::Hinge;\n", 0),
            (lib, "//! ```\n//! fn main() {}\n//! ```\nmod hinge;\n", 0),
            (lib, "pub fn open() {}\n", 1),
            (lib, "pub(crate) struct Door {\n    open: bool,\n}\n", 1),
            (lib, "impl<T> Door<T> {\n    fn open() {}\n}\n", 1),
            (lib, "enum Door {\n}\n", 1),
            (lib, "#[cfg(test)]\nmod tests {\nfn a() {}\n}\n", 0),
            (lib, "pub use hinge::{\n    Hinge,\n};\nimplicit!();\n", 0),
            ("crates/door/src/hinge.rs", "pub fn open() {}\n", 0),
            ("benches/lib.rs", "pub fn open() {}\n", 0),
        ] {
            let house = House { tree: Tree::with(&[(path, text)]), ..House::default() };
            assert_eq!(lib_rs_is_an_index(&house).len(), found, "{path}: {text}");
        }
    }
}
