//! What `cargo xtask test` consists of, in the order in which it runs.
//!
//! All steps build with the same profile and, but for `features`, the same set of features, so that
//! each dependency is compiled once for checking and once for running, and never a third time.

use crate::arguments::Selection;
use crate::invocation::Cargo;
use crate::workspace::{Member, Workspace};

/// One line of the table at the end.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The steps that this one builds on: `--only` brings them along.
    after: &'static [&'static str],
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Runs all of these, also after one has failed.
    Cargo(fn(&Workspace) -> Vec<Cargo>),
    Tidy,
    Advisories,
    Provision,
    /// All programs of tests, side by side.
    Tests,
    Instructions,
    Torture,
}

impl Action {
    /// Whether it leaves the machine idle for most of its time: torture waits for what it broke, and one core
    /// counts instructions. What comes behind such steps is done meanwhile.
    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self, Self::Torture | Self::Instructions)
    }
}

/// The steps of `cargo xtask lint`.
pub(crate) const LINT: [&str; 3] = ["fmt", "clippy", "docs"];

const STEPS: [Step; 13] = [
    Step {
        name: "fmt",
        about: "the sources are formatted",
        after: &[],
        action: Action::Cargo(|_| vec![Cargo::new("fmt --all --check")]),
    },
    Step {
        name: "tidy",
        about: "layers, sizes, names, links and settings are as the rules say",
        after: &[],
        action: Action::Tidy,
    },
    Step {
        name: "advisories",
        about: "nothing that we build on is known to be faulty, as far as the data is at hand",
        after: &[],
        action: Action::Advisories,
    },
    Step {
        name: "clippy",
        about: "no lint fires anywhere, with all features",
        after: &[],
        action: Action::Cargo(|_| {
            vec![Cargo::new("clippy --workspace --all-targets --all-features -- -D warnings")]
        }),
    },
    Step {
        name: "docs",
        about: "the docs build and no link in them is broken",
        after: &[],
        action: Action::Cargo(|_| {
            let docs = Cargo::new("doc --workspace --no-deps --all-features");
            vec![docs.env("RUSTDOCFLAGS", "-D warnings")]
        }),
    },
    Step {
        name: "provision",
        about: "the peers that the tests talk to are installed",
        after: &[],
        action: Action::Provision,
    },
    Step {
        name: "examples",
        about: "every binary and example compiles; tests start some of them",
        after: &[],
        action: Action::Cargo(|_| {
            vec![Cargo::new("build --workspace --all-features --bins --examples")]
        }),
    },
    Step {
        name: "tests",
        about: "unit and integration tests, those with real peers among them",
        after: &["provision", "examples"],
        action: Action::Tests,
    },
    Step {
        name: "torture",
        about: "gateways and engines are killed, paused and cut off, and nothing is lost",
        after: &["provision", "examples"],
        action: Action::Torture,
    },
    Step {
        name: "instructions",
        about: "nothing takes more instructions than the committed table says",
        after: &["provision"],
        action: Action::Instructions,
    },
    Step {
        name: "doctests",
        about: "the examples in the docs run",
        after: &[],
        action: Action::Cargo(|_| {
            vec![Cargo::new("test --workspace --all-features --doc --no-fail-fast")]
        }),
    },
    Step {
        name: "benches",
        about: "every bench compiles and runs once, unmeasured",
        after: &[],
        // Criterion only measures when it is told `--bench`, which `cargo test` never says.
        action: Action::Cargo(|_| {
            vec![Cargo::new("test --workspace --all-features --no-fail-fast --bench").with("*")]
        }),
    },
    Step {
        name: "features",
        about: "each crate stands alone, with its defaults and with each feature by itself",
        after: &[],
        action: Action::Cargo(feature_combinations),
    },
];

/// The step of that name.
pub(crate) fn step(name: &str) -> Option<&'static Step> {
    STEPS.iter().find(|step| step.name == name)
}

/// All names, for a message.
pub(crate) fn names() -> String {
    STEPS.map(|step| step.name).join(", ")
}

/// The steps to run, each once, in their order.
pub(crate) fn select(selection: &Selection) -> Vec<&'static Step> {
    let asked = |step: &Step| selection.only.iter().any(|name| name == step.name);
    let wanted = |step: &Step| {
        selection.only.is_empty()
            || asked(step)
            || STEPS.iter().any(|other| asked(other) && other.after.contains(&step.name))
    };
    let skipped = |step: &Step| selection.skip.iter().any(|name| name == step.name);
    STEPS.iter().filter(|step| wanted(step) && !skipped(step)).collect()
}

/// `cargo xtask test --list`.
pub(crate) fn print_steps() {
    for Step { name, about, .. } in &STEPS {
        println!("{name:<12} {about}");
    }
}

/// The benches, measured.
pub(crate) fn bench(arguments: &[String]) -> Cargo {
    let bench = Cargo::new("bench --package ws-gateway-benches --all-features");
    arguments.iter().fold(bench, Cargo::with)
}

/// The ways in which somebody would pick one of the libraries, `--all-features` excepted: that is
/// what every other step does. One call each, because cargo unites the features of one call.
fn feature_combinations(workspace: &Workspace) -> Vec<Cargo> {
    let libraries = workspace.members.iter().filter(|member| member.is_crate());
    libraries.flat_map(combinations_of).collect()
}

fn combinations_of(member: &Member) -> Vec<Cargo> {
    let check = |flags: &str| {
        // Clippy, because it denies warnings in our crates without recompiling all others.
        Cargo::new(&format!("clippy --package {} --lib {flags} -- -D warnings", member.name))
    };
    let mut calls = vec![check("")];
    if member.has_default_features {
        calls.push(check("--no-default-features"));
    }
    // A single feature beside empty defaults is the same as all features.
    if member.features.len() > 1 {
        calls.extend(member.features.iter().map(|name| check(&format!("--features {name}"))));
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(only: &[&str], skip: &[&str]) -> Vec<&'static str> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let selection = Selection { only: owned(only), skip: owned(skip), fail_fast: false };
        select(&selection).iter().map(|step| step.name).collect()
    }

    #[test]
    fn nothing_selected_means_everything() {
        assert_eq!(selected(&[], &[]).join(", "), names());
    }

    #[test]
    fn a_step_brings_along_what_it_builds_on_in_order() {
        assert_eq!(selected(&["tests"], &[]), ["provision", "examples", "tests"]);
        assert_eq!(selected(&["tests", "fmt"], &["provision"]), ["fmt", "examples", "tests"]);
        assert_eq!(selected(&["docs"], &[]), ["docs"]);
    }

    #[test]
    fn every_prerequisite_is_a_step_and_comes_first() {
        let position = |name: &str| STEPS.iter().position(|step| step.name == name);
        for step in &STEPS {
            for before in step.after {
                assert!(position(before) < position(step.name), "{before} before {}", step.name);
                assert!(position(before).is_some(), "{before} is no step");
            }
        }
        assert!(LINT.iter().all(|name| step(name).is_some()));
    }

    #[test]
    fn each_feature_is_checked_alone_unless_that_is_all_of_them() {
        let library = |features: &[&str], has_default_features| Member {
            name: "ws-door".to_owned(),
            features: features.iter().map(ToString::to_string).collect(),
            has_default_features,
            ..Member::default()
        };
        for (member, flags) in [
            (library(&[], false), vec![""]),
            (library(&["bell"], false), vec![""]),
            (library(&["bell"], true), vec!["", " --no-default-features"]),
            (library(&["bell", "lock"], false), vec!["", " --features bell", " --features lock"]),
        ] {
            let expected: Vec<Cargo> = flags
                .into_iter()
                .map(|flags| {
                    Cargo::new(&format!("clippy --package ws-door --lib{flags} -- -D warnings"))
                })
                .collect();
            assert_eq!(combinations_of(&member), expected);
        }
    }
}
