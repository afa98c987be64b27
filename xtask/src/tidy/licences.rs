//! What we build on may be used by whoever may use us.

use anyhow::Context;
use serde_json::Value;

use super::{Finding, House};
use crate::invocation::Cargo;

/// Licences that ask for nothing but to be named, and two that ask for less.
const ACCEPTED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
];
const ACCEPTED_TOO: [&str; 2] = ["Unlicense", "Zlib"];

/// A package that is not ours, as cargo knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    name: String,
    licence: Option<String>,
}

/// All that is built for the platform on which we are tested.
pub(super) fn packages() -> anyhow::Result<Vec<Package>> {
    let command = "metadata --format-version=1 --filter-platform=x86_64-unknown-linux-gnu";
    let metadata: Value = serde_json::from_str(&Cargo::new(command).capture()?)?;
    let all = metadata["packages"].as_array().context("cargo knows packages")?;
    let others = all.iter().filter(|package| !package["source"].is_null());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = |it: &Value| Package {
        name: text(&it["name"]).unwrap_or_default(),
        licence: text(&it["license"]),
    };
    Ok(others.map(package).collect())
}

pub(super) fn licences_are_accepted(house: &House) -> Vec<Finding> {
    let bad = house.packages.iter().filter_map(|package| {
        let message = match &package.licence {
            None => format!("`{}` names no licence; find out, or do without it", package.name),
            Some(licence) if is_accepted(licence) => return None,
            Some(licence) => {
                let name = &package.name;
                format!("`{name}` is under `{licence}`; only {} are accepted", ACCEPTED.join(", "))
            }
        };
        Some(Finding::new("Cargo.lock", 1, message))
    });
    bad.collect()
}

/// Whether an expression of SPDX can be met by accepted licences alone: one side of each `OR`, both of each `AND`.
fn is_accepted(expression: &str) -> bool {
    let expression = expression.trim();
    let (ors, ands) = (split(expression, &[" OR ", "/"]), split(expression, &[" AND "]));
    if ors.len() > 1 {
        return ors.into_iter().any(is_accepted);
    }
    if ands.len() > 1 {
        return ands.into_iter().all(is_accepted);
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_accepted(inner),
        None => ACCEPTED.contains(&expression) || ACCEPTED_TOO.contains(&expression),
    }
}

/// The parts between the words, which do not count within parentheses.
fn split<'a>(expression: &'a str, words: &[&str]) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in expression.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 || at < start => {}
            _ => {
                if let Some(word) = words.iter().find(|word| expression[at..].starts_with(**word)) {
                    parts.push(&expression[start..at]);
                    start = at + word.len();
                }
            }
        }
    }
    parts.push(&expression[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_of_an_or_suffices_and_both_of_an_and_are_needed() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
            ("ISC AND (Apache-2.0 OR ISC) AND OpenSSL", false),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("GPL-2.0-only", false),
            ("", false),
        ] {
            assert_eq!(is_accepted(expression), expected, "{expression}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_found() {
        let package = |name: &str, licence: Option<&str>| Package {
            name: name.to_owned(),
            licence: licence.map(str::to_owned),
        };
        let packages = vec![
            package("good", Some("MIT")),
            package("bad", None),
            package("worse", Some("SSPL-1.0")),
        ];
        let house = House { packages, ..House::default() };
        let found = licences_are_accepted(&house);
        assert_eq!(found.len(), 2);
        assert!(found[0].message.contains("`bad`") && found[1].message.contains("SSPL-1.0"));
    }
}
