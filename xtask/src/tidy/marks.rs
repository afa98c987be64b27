//! Nothing is left unfinished, switched off or silenced.

use super::{Finding, House};

/// What may not stand in code, and what to do instead.
const IN_CODE: [(&str, &str); 6] = [
    ("#[allow(", "an exception is `#[expect(…, reason = \"…\")]`, so that a stale one shows"),
    ("#![allow(", "an exception is `#![expect(…, reason = \"…\")]`, so that a stale one shows"),
    ("#[ignore", "a test runs or is deleted; what it needs is provisioned"),
    ("todo!(", "finish it, or leave it out"),
    ("unimplemented!(", "finish it, or leave it out"),
    ("dbg!(", "log it through `tracing`, or leave it out"),
];

/// What may not stand in a comment.
const IN_COMMENTS: [&str; 3] = ["TODO", "FIXME", "XXX"];

pub(super) fn nothing_is_unfinished_or_silenced(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in house.tree.rust_files() {
        for (index, line) in source.code.lines().enumerate() {
            let marks = IN_CODE.iter().filter(|(mark, _)| line.contains(mark));
            findings.extend(marks.map(|(mark, instead)| {
                Finding::new(&file.path, index + 1, format!("`{mark}`: {instead}"))
            }));
        }
        for (index, line) in source.comments.lines().enumerate() {
            let is_word_part = |c: char| !c.is_alphanumeric();
            let marks = line.split(is_word_part).filter(|word| IN_COMMENTS.contains(word));
            findings.extend(marks.map(|mark| {
                let message = format!("`{mark}`: do it now, or describe it in an issue");
                Finding::new(&file.path, index + 1, message)
            }));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    #[test]
    fn marks_are_found_where_they_mean_something() {
        for (text, line) in [
            ("fn a() {}\n#[allow(dead_code)]\nfn b() {}", Some(2)),
            ("#![allow(dead_code)]", Some(1)),
            ("#[test]\n#[ignore = \"slow\"]\nfn a() {}", Some(2)),
            ("fn a() { todo!() }", Some(1)),
            ("fn a() { unimplemented!(\"later\") }", Some(1)),
            ("fn a() {}\n\n// TODO: b", Some(3)),
            ("/// FIXME this", Some(1)),
            ("#[expect(dead_code, reason = \"shown in the docs\")]", None),
            ("fn a() { check(\"todo!() #[ignore]\") } // never todo!()", None),
            ("// the XXXL size", None),
        ] {
            let tree = Tree::with(&[("a.rs", text)]);
            let findings = nothing_is_unfinished_or_silenced(&House { tree, ..House::default() });
            let lines: Vec<usize> = findings.iter().map(|found| found.line).collect();
            assert_eq!(lines, line.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }
}
