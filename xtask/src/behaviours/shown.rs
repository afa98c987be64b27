//! The tests that there are, by the names under which the list looks for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::list::Behaviour;
use super::{JAVASCRIPT_FOLDERS, RUST_FOLDERS, Side};
use crate::workspace::root;

/// Files, by the name of the test; each file once.
type Tests = BTreeMap<String, Vec<String>>;

/// The tests of both clients.
#[derive(Debug, Default)]
pub(super) struct Shown {
    rust: Tests,
    javascript: Tests,
}

impl Shown {
    /// Those of the folders; a folder that is not there has none.
    pub(super) fn read() -> anyhow::Result<Self> {
        let mut shown = Self::default();
        for folder in RUST_FOLDERS {
            walk(folder, ".rs", &mut |path, text| shown.add_rust(path, text))?;
        }
        for folder in JAVASCRIPT_FOLDERS {
            walk(folder, ".mjs", &mut |path, text| shown.add_javascript(path, text))?;
        }
        Ok(shown)
    }

    /// The files with a test that shows it.
    pub(super) fn of(&self, side: Side, behaviour: &Behaviour) -> &[String] {
        let tests = match side {
            Side::Rust => &self.rust,
            Side::JavaScript => &self.javascript,
        };
        tests.get(&behaviour.name(side)).map_or(&[], Vec::as_slice)
    }

    /// Functions below an attribute that makes them tests.
    pub(super) fn add_rust(&mut self, path: &str, text: &str) {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(rest) =
                line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")
                && std::mem::take(&mut is_test)
            {
                let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                add(&mut self.rust, rest.chars().take_while(is_part).collect(), path);
            }
        }
    }

    /// `test("…"`, also where the name stands on the next line.
    pub(super) fn add_javascript(&mut self, path: &str, text: &str) {
        for (start, call) in text.match_indices("test(") {
            // Neither a longer name's end, nor in a comment.
            let line = text[..start].rsplit('\n').next().unwrap_or_default();
            if !line.trim().is_empty() && line.trim() != "await" {
                continue;
            }
            let argument = text[start + call.len()..].trim_start();
            let name = argument.strip_prefix('"').and_then(|rest| rest.split_once('"'));
            if let Some((name, _)) = name {
                add(&mut self.javascript, format!("\"{name}\""), path);
            }
        }
    }
}

fn add(tests: &mut Tests, name: String, path: &str) {
    let files = tests.entry(name).or_default();
    if files.last().is_none_or(|last| last != path) {
        files.push(path.to_owned());
    }
}

/// Every file below the folder with that ending, in the order of their names.
fn walk(folder: &str, ending: &str, take: &mut impl FnMut(&str, &str)) -> anyhow::Result<()> {
    if !root().join(folder).is_dir() {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(root().join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push((name, entry.file_type()?.is_dir()));
    }
    entries.sort_unstable();
    for (name, is_folder) in entries {
        let path = format!("{folder}/{name}");
        if is_folder && name != "node_modules" {
            walk(&path, ending, take)?;
        } else if name.ends_with(ending) {
            let text = fs::read_to_string(root().join(Path::new(&path)));
            take(&path, &text.with_context(|| format!("read {path}"))?);
        }
    }
    Ok(())
}
