//! The workspace as cargo describes it: its members, their layers and what they depend on.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::Context;
use serde_json::Value;

use crate::invocation::Cargo;

/// The folder of the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    // Cargo tells whom it starts where the package is. What it told the compiler may be another
    // clone, when several share one target folder.
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let told = std::env::var_os("CARGO_MANIFEST_DIR");
        let mut own = told.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        own.pop();
        own
    });
    &ROOT
}

/// What `cargo metadata` says, as far as we ask.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    pub(crate) members: Vec<Member>,
}

/// One package of the workspace.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its folder, relative to the root: `crates/heartbeat`.
    pub(crate) folder: String,
    /// `[package.metadata.gateway] layer`; members on which nothing may depend have none.
    pub(crate) layer: Option<u64>,
    /// Those that `cargo build` would follow, optional ones included.
    pub(crate) dependencies: Vec<Dependency>,
    /// All but `default`.
    pub(crate) features: Vec<String>,
    pub(crate) has_default_features: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let text = Cargo::new("metadata --no-deps --format-version=1").capture()?;
        Self::from_metadata(&serde_json::from_str(&text)?).context("read `cargo metadata`")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let root = Path::new(metadata["workspace_root"].as_str()?);
        let packages = metadata["packages"].as_array()?;
        Some(Self {
            target: metadata["target_directory"].as_str()?.into(),
            members: packages.iter().map(|package| member(package, root)).collect::<Option<_>>()?,
        })
    }
}

impl Member {
    /// `Cargo.toml` of this member, relative to the root.
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// Whether it is one of the house's rooms, as opposed to `xtask`, `benches` and `examples`.
    pub(crate) fn is_crate(&self) -> bool {
        self.folder.starts_with("crates/")
    }
}

fn member(package: &Value, root: &Path) -> Option<Member> {
    let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
    let features = package["features"].as_object()?;
    Some(Member {
        name: package["name"].as_str()?.to_owned(),
        folder: folder.strip_prefix(root).ok()?.to_str()?.replace('\\', "/"),
        layer: package["metadata"]["gateway"]["layer"].as_u64(),
        dependencies: package["dependencies"]
            .as_array()?
            .iter()
            .map(dependency)
            .collect::<Option<_>>()?,
        features: features.keys().filter(|name| *name != "default").cloned().collect(),
        has_default_features: features
            .get("default")
            .and_then(Value::as_array)
            .is_some_and(|names| !names.is_empty()),
    })
}

fn dependency(declared: &Value) -> Option<Dependency> {
    let kind = match declared["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some(_) => Kind::Dev,
    };
    Some(Dependency { name: declared["name"].as_str()?.to_owned(), kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_becomes_members_with_layers_and_kinds() {
        let metadata = serde_json::json!({
            "workspace_root": "/house",
            "target_directory": "/elsewhere",
            "packages": [{
                "name": "ws-door",
                "manifest_path": "/house/crates/door/Cargo.toml",
                "metadata": { "gateway": { "layer": 2 } },
                "features": { "default": ["bell"], "bell": [] },
                "dependencies": [
                    { "name": "ws-hinge", "kind": null },
                    { "name": "cc", "kind": "build" },
                    { "name": "proptest", "kind": "dev" },
                ],
            }],
        });
        let workspace = Workspace::from_metadata(&metadata).unwrap();
        let dependency = |name: &str, kind: Kind| Dependency { name: name.to_owned(), kind };
        assert_eq!(workspace.target, Path::new("/elsewhere"));
        assert_eq!(
            workspace.members,
            [Member {
                name: "ws-door".to_owned(),
                folder: "crates/door".to_owned(),
                layer: Some(2),
                dependencies: vec![
                    dependency("ws-hinge", Kind::Normal),
                    dependency("cc", Kind::Build),
                    dependency("proptest", Kind::Dev),
                ],
                features: vec!["bell".to_owned()],
                has_default_features: true,
            }]
        );
    }

    #[test]
    fn this_workspace_is_found_and_xtask_is_in_it() {
        let workspace = Workspace::here().unwrap();
        assert!(workspace.members.iter().any(|member| member.folder == "xtask"));
    }
}
