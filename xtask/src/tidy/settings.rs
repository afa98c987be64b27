//! Every setting is documented, and every documented setting exists.
//!
//! The gateway keeps its settings in a table of Rust, `const SETTINGS: &[Setting]`, whose rows say
//! `env: "NAME"`; the docs have a table whose rows start with `` | `NAME` ``.

use super::{Finding, House};

const CONFIG: [&str; 2] = ["crates/ws-gateway/src/config.rs", "crates/ws-gateway/src/config/"];
const DOCS: &str = "docs/configuration.md";

pub(super) fn settings_are_documented(house: &House) -> Vec<Finding> {
    let is_config = |path: &str| path == CONFIG[0] || path.starts_with(CONFIG[1]);
    if !house.tree.files.iter().any(|file| is_config(&file.path)) {
        return Vec::new();
    }
    let settings = settings(house, is_config);
    if settings.is_empty() {
        let message = "no settings found here; a row of the table says `env: \"NAME\"`";
        return vec![Finding::new(CONFIG[0], 1, message)];
    }
    let Some(docs) = house.tree.file(DOCS) else {
        return vec![Finding::new(DOCS, 1, "not there; it documents every setting")];
    };
    let undocumented =
        settings.iter().filter(|(name, ..)| !docs.text.contains(&format!("`{name}`")));
    let undocumented = undocumented.map(|(name, file, line)| {
        Finding::new(file, *line, format!("`{name}` is not documented; give it a row in {DOCS}"))
    });
    let unknown = docs.text.lines().enumerate().filter_map(|(index, line)| {
        let name = documented_setting(line)?;
        let known = settings.iter().any(|(setting, ..)| *setting == name);
        let message = format!("`{name}` is no setting of the gateway; correct or remove the row");
        (!known).then(|| Finding::new(DOCS, index + 1, message))
    });
    undocumented.chain(unknown).collect()
}

/// Name, file and line of each row of the table.
fn settings(house: &House, is_config: impl Fn(&str) -> bool) -> Vec<(String, &str, usize)> {
    let mut settings = Vec::new();
    for (file, source) in house.tree.rust_files().filter(|(file, _)| is_config(&file.path)) {
        for (index, (line, code)) in file.text.lines().zip(source.code.lines()).enumerate() {
            // The name itself is blank in the code, but where it starts is not.
            let starts = code.match_indices("env: \"").map(|(start, key)| start + key.len());
            settings.extend(starts.filter_map(|start| {
                let name = line.get(start..)?.split('"').next()?;
                Some((name.to_owned(), file.path.as_str(), index + 1))
            }));
        }
    }
    settings
}

/// The name in the first cell of a table's row, if it looks like one of a variable.
fn documented_setting(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('|')?.trim_start().strip_prefix('`')?.split_once('`')?;
    let of_variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (!name.is_empty() && name.chars().all(of_variable)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    #[test]
    fn the_table_and_the_docs_must_agree() {
        let row = "Setting { env: \"PING_INTERVAL\", default: \"30000\" },\n// env: \"OLD\"\n";
        let documented = "| `PING_INTERVAL` | 30000 |\n";
        let config = "crates/ws-gateway/src/config/settings.rs";
        for (files, complaint) in [
            (vec![(config, row), (DOCS, documented)], None),
            (vec![("crates/ws-gateway/src/lib.rs", row)], None),
            (vec![(config, row)], Some("not there")),
            (vec![(config, "struct Config;"), (DOCS, documented)], Some("no settings found")),
            (
                vec![(config, row), (DOCS, "PING_INTERVAL")],
                Some("`PING_INTERVAL` is not documented"),
            ),
            (
                vec![(config, row), (DOCS, "| `PING_INTERVAL` |\n| `PING_EVERY` |\n| `--dev` |")],
                Some("`PING_EVERY` is no setting"),
            ),
        ] {
            let tree = Tree::with(&files);
            let findings = settings_are_documented(&House { tree, ..House::default() });
            let messages: Vec<&str> = findings.iter().map(|found| found.message.as_str()).collect();
            assert_eq!(messages.len(), usize::from(complaint.is_some()), "{messages:?}");
            if let Some(start) = complaint {
                assert!(messages[0].starts_with(start), "{messages:?}");
            }
        }
    }
}
