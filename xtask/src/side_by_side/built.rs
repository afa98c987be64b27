//! What cargo built, by its own list.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use super::program::Program;
use crate::invocation::Cargo;

/// Compiles every test and names the programs.
pub(super) fn built() -> anyhow::Result<Vec<Program>> {
    let build = Cargo::new("test --workspace --all-features --tests --no-run");
    println!("    {build}");
    let build = build.with("--message-format=json-render-diagnostics");
    let list = build.capture_output()?;
    Ok(list.lines().filter_map(|line| program(&serde_json::from_str(line).ok()?)).collect())
}

/// The program that a message of cargo's is about, if it is about one that tests.
fn program(message: &Value) -> Option<Program> {
    let path = message["executable"].as_str()?;
    if !message["profile"]["test"].as_bool()? {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let id = message["package_id"].as_str()?;
    Some(Program {
        package: package_name(id).context("a package has a name").ok()?.to_owned(),
        target: message["target"]["name"].as_str()?.to_owned(),
        path: path.into(),
        folder: manifest.parent()?.into(),
    })
}

/// `ws-client` of `path+file:///somewhere/crates/client#ws-client@0.1.0`, and `xtask` of `…/xtask#0.1.0`.
fn package_name(id: &str) -> Option<&str> {
    let (path, rest) = id.rsplit_once('#')?;
    match rest.split_once('@') {
        Some((name, _)) => Some(name),
        None => path.rsplit('/').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_by_its_package_and_its_target() {
        let message = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/crates/client#ws-client@0.1.0",
            "manifest_path":"/w/crates/client/Cargo.toml","target":{"kind":["test"],"name":"link"},
            "profile":{"test":true},"executable":"/w/target/debug/deps/link-1"}"#;
        let program = program(&serde_json::from_str(message).unwrap()).unwrap();
        assert_eq!(program.to_string(), "ws-client link");
        assert_eq!(program.folder, PathBuf::from("/w/crates/client"));
    }

    #[test]
    fn what_is_no_test_is_passed_over() {
        let message = r#"{"executable":"/w/target/debug/ws-gateway","profile":{"test":false},
            "package_id":"path+file:///w/xtask#0.1.0","manifest_path":"/w/xtask/Cargo.toml","target":{"name":"x"}}"#;
        assert!(program(&serde_json::from_str(message).unwrap()).is_none());
        assert!(program(&Value::Null).is_none());
    }

    #[test]
    fn a_package_that_is_called_like_its_folder_has_a_short_id() {
        assert_eq!(package_name("path+file:///w/xtask#0.1.0"), Some("xtask"));
        assert_eq!(package_name("path+file:///w/crates/client#ws-client@0.1.0"), Some("ws-client"));
    }
}
