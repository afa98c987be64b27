//! Nothing of layers 0 and 1 reaches tokio with its default features: who picks such a crate picks
//! no runtime with it.

use anyhow::Context;

use super::{Finding, House};
use crate::invocation::Cargo;
use crate::workspace::Member;

/// The highest layer that must do without a runtime.
const LAYER_MAX: u64 = 1;
const RUNTIME: &str = "tokio";

/// What `cargo tree` prints for one crate.
#[derive(Debug)]
pub(super) struct DependencyTree {
    manifest: String,
    /// A line for each package: its depth, its name, its version.
    listing: String,
}

/// Resolves each of the lower crates alone, with its default features. In one call, or in cargo's
/// metadata, the features that other members ask for would be mixed in.
pub(super) fn dependency_trees(members: &[Member]) -> anyhow::Result<Vec<DependencyTree>> {
    let lower =
        members.iter().filter(|member| member.layer.is_some_and(|layer| layer <= LAYER_MAX));
    let trees = lower.map(|member| {
        let tree = Cargo::new("tree --edges normal,build --target all --prefix depth --package");
        let listing = tree.with(&member.name).capture();
        let listing = listing.with_context(|| format!("resolve {} alone", member.name))?;
        Ok(DependencyTree { manifest: member.manifest(), listing })
    });
    trees.collect()
}

pub(super) fn lower_layers_reach_no_runtime(house: &House) -> Vec<Finding> {
    let found = house.dependency_trees.iter().filter_map(|tree| {
        let way = way_to(RUNTIME, &tree.listing)?;
        let message = format!(
            "reaches {RUNTIME} by default ({}); put what needs it behind a feature that is off",
            way.join(" -> ")
        );
        let line = house
            .tree
            .file(&tree.manifest)
            .map_or(1, |file| file.line_of(way.get(1).map_or(RUNTIME, String::as_str)));
        Some(Finding::new(&tree.manifest, line, message))
    });
    found.collect()
}

/// The packages from the root of the tree to the first one of that name.
fn way_to(package: &str, listing: &str) -> Option<Vec<String>> {
    let mut way: Vec<String> = Vec::new();
    for line in listing.lines() {
        let name_start = line.find(|c: char| !c.is_ascii_digit())?;
        let depth: usize = line[..name_start].parse().ok()?;
        let name = line[name_start..].split(' ').next()?;
        way.truncate(depth);
        way.push(name.to_owned());
        if name == package {
            return Some(way);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_runtime_is_told() {
        for (listing, way) in [
            ("0ws-auth v0.1.0\n1bytes v1.12.0\n", None),
            ("0ws-auth v0.1.0\n1tokio v1.54.0\n", Some("ws-auth -> tokio")),
            (
                "0ws-auth v0.1.0\n1http v1.5.0\n2bytes v1.12.0\n1hyper v1.12.0\n2h2 v0.4.0 (*)\n\
                 2tokio v1.54.0 (*)\n",
                Some("ws-auth -> hyper -> tokio"),
            ),
            ("0ws-auth v0.1.0\n1tokio-macros v2.6.0 (proc-macro)\n", None),
        ] {
            let found = way_to("tokio", listing).map(|way| way.join(" -> "));
            assert_eq!(found.as_deref(), way);
        }
    }

    #[test]
    fn a_crate_that_reaches_the_runtime_is_found() {
        let tree = DependencyTree {
            manifest: "crates/auth/Cargo.toml".to_owned(),
            listing: "0ws-auth v0.1.0\n1tokio v1.54.0".to_owned(),
        };
        let house = House { dependency_trees: vec![tree], ..House::default() };
        assert_eq!(lower_layers_reach_no_runtime(&house).len(), 1);
    }

    #[test]
    fn only_the_lower_layers_are_resolved() {
        let trees = dependency_trees(&[Member {
            name: "no-such-package".to_owned(),
            layer: Some(LAYER_MAX + 1),
            ..Member::default()
        }]);
        assert!(trees.unwrap().is_empty());
    }
}
