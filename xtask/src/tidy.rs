//! The rules that no compiler knows, each a small function over the files of the tree.
//!
//! A finding is one line: where, what is wrong, what would be right. A rule reads what it is given
//! and nothing else, so that its test is a table of small trees, bad ones among them.

use std::fmt;

use self::figures::Figures;
use self::tree::Tree;
use crate::workspace::{Member, Workspace};

mod figures;
mod layers;
mod licences;
mod links;
mod lock;
mod manifests;
mod marks;
mod names;
mod panics;
mod readmes;
mod runtime;
mod settings;
mod shape;
mod source;
mod traces;
mod tree;

/// Something that is not as a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    file: String,
    line: usize,
    message: String,
}

/// What the rules look at.
#[derive(Debug, Default)]
struct House {
    tree: Tree,
    members: Vec<Member>,
    /// What each crate of the lower layers pulls in by default, as `cargo tree` prints it.
    dependency_trees: Vec<runtime::DependencyTree>,
    /// What is not ours.
    packages: Vec<licences::Package>,
}

type Rule = fn(&House) -> Vec<Finding>;

const RULES: [Rule; 17] = [
    figures::no_file_is_too_long,
    layers::dependencies_point_down,
    licences::licences_are_accepted,
    links::links_resolve,
    lock::lock_files_are_committed_and_name_no_host,
    manifests::manifests_inherit,
    marks::nothing_is_unfinished_or_silenced,
    names::files_are_named_for_what_they_hold,
    names::packages_are_named_after_their_folder,
    panics::panics_are_rare,
    readmes::each_crate_has_a_readme,
    readmes::the_readme_lists_each_crate,
    runtime::lower_layers_reach_no_runtime,
    settings::settings_are_documented,
    shape::each_module_opens_with_docs,
    shape::lib_rs_is_an_index,
    traces::no_path_of_a_machine,
];

/// Applies every rule and prints what it found; whether that was nothing.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<bool> {
    let house = House::of(workspace)?;
    let findings = findings(&house);
    for finding in &findings {
        println!("{finding}");
    }
    println!("{}", Figures::of(&house.tree));
    let count = match findings.len() {
        0 => "nothing".to_owned(),
        1 => "1 thing".to_owned(),
        many => format!("{many} things"),
    };
    println!("tidy: {} rules found {count} to mend", RULES.len());
    Ok(findings.is_empty())
}

fn findings(house: &House) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(house)).collect()
}

impl House {
    fn of(workspace: &Workspace) -> anyhow::Result<Self> {
        Ok(Self {
            tree: Tree::of_repository()?,
            members: workspace.members.clone(),
            dependency_trees: runtime::dependency_trees(&workspace.members)?,
            packages: licences::packages()?,
        })
    }
}

impl Finding {
    fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        let house = House::of(&Workspace::here().unwrap()).unwrap();
        let findings: Vec<String> = findings(&house).iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }

    #[test]
    fn a_finding_is_one_line_that_an_editor_can_jump_to() {
        let finding = Finding::new("docs/protocol.md", 7, "no such anchor");
        assert_eq!(finding.to_string(), "docs/protocol.md:7: no such anchor");
    }
}
