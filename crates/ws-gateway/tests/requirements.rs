//! `docs/requirements.md`, `docs/guarantees.md` and `docs/troubleshooting.md` name tests: each of them exists, and each test that names
//! a requirement or a section of the design is on the first of them.
#![expect(clippy::expect_used, reason = "helpers of tests fail by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const REQUIREMENTS: &str = include_str!("../../../docs/requirements.md");
const TROUBLESHOOTING: &str = include_str!("../../../docs/troubleshooting.md");
const GUARANTEES: &str = include_str!("../../../docs/guarantees.md");

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder that a name in a page's table of folders stands for.
fn folder(name: &str) -> PathBuf {
    let folder = match name {
        "handler" => "handler/tests/handler",
        "handler-channels" => "handler/tests/channels",
        "handler-history" => "handler/tests/history",
        "handler-cluster" => "handler/tests/cluster",
        "e2e" | "binary" | "hostile" | "servers" | "interop" | "clients" => {
            &format!("ws-gateway/tests/{name}")
        }
        of_a_crate => of_a_crate,
    };
    crates().join(folder)
}

/// Every `place/file.rs::test` of a page.
fn named(page: &'static str) -> BTreeSet<&'static str> {
    let quoted = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(|quoted| quoted.contains("::")).collect()
}

/// The names of the tests in a source: functions whose attributes say that they are.
fn tests_in(source: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")
            && std::mem::take(&mut is_test)
        {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            tests.insert(name);
        }
    }
    tests
}

#[test]
fn every_test_that_the_pages_name_exists() {
    let (required, promised) = (named(REQUIREMENTS), named(GUARANTEES));
    assert!(required.len() > 100 && promised.len() > 40, "{} {}", required.len(), promised.len());
    let cured = named(TROUBLESHOOTING);
    assert!(cured.len() > 50, "{}", cured.len());
    for reference in required.iter().chain(&promised).chain(&cured) {
        let (file, test) = reference.split_once("::").expect("a file and a test");
        let (place, file) = file.split_once('/').expect("a place and a file");
        let path = folder(place).join(file);
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(tests_in(&source).contains(test), "{reference} is no test");
    }
}

#[test]
fn every_test_that_names_a_requirement_is_on_the_page() {
    for place in ["handler", "e2e", "binary", "hostile", "servers"] {
        for path in sources(&folder(place)) {
            let file = path.strip_prefix(folder(place)).expect("below it").display();
            for test in tests_in(&fs::read_to_string(&path).expect("a source")) {
                let names_one = ["section_", "requirement_"].iter().any(|it| test.starts_with(it));
                let reference = format!("{place}/{file}::{test}");
                assert!(
                    !names_one || named(REQUIREMENTS).contains(&*reference),
                    "{reference} is missing"
                );
            }
        }
    }
}

/// The files of a folder and of those in it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of tests");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}
