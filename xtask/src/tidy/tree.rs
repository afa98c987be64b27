//! The text files of the repository: those that git tracks or would track.

use std::process::Command;

use anyhow::Context;

use super::source::Source;
use crate::workspace::root;

/// All text files, by path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// The paths of files that are no text, such as pictures: a link may lead to one.
    others: Vec<String>,
}

#[derive(Debug)]
pub(super) struct File {
    /// Relative to the root, with `/` between folders.
    pub(super) path: String,
    pub(super) text: String,
    /// Code apart from comments; only of Rust files.
    pub(super) rust: Option<Source>,
}

impl Tree {
    /// New files that nobody has added yet are read too: they are about to be committed.
    pub(super) fn of_repository() -> anyhow::Result<Self> {
        let listing = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output()
            .context("run git to list the files")?;
        anyhow::ensure!(listing.status.success(), "git could not list the files of the repository");
        let mut paths: Vec<&str> =
            std::str::from_utf8(&listing.stdout)?.split_terminator('\0').collect();
        paths.sort_unstable();
        paths.dedup();
        let mut tree = Self::default();
        for path in paths {
            // A file that is listed and not there was deleted and not committed yet.
            let Ok(bytes) = std::fs::read(root().join(path)) else { continue };
            match String::from_utf8(bytes) {
                Ok(text) => tree.files.push(File::new(path, text)),
                Err(_) => tree.others.push(path.to_owned()),
            }
        }
        Ok(tree)
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether the path is a file, or a folder with a file in it.
    pub(super) fn contains(&self, path: &str) -> bool {
        let texts = self.files.iter().map(|file| &file.path);
        texts.chain(&self.others).any(|known| {
            known
                .strip_prefix(path)
                .is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The Rust files with their code and comments apart.
    pub(super) fn rust_files(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.rust.as_ref()?)))
    }

    #[cfg(test)]
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File::new(path, (*text).to_owned());
        Self { files: files.iter().map(file).collect(), others: Vec::new() }
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let rust = path.ends_with(".rs").then(|| Source::new(&text));
        Self { path: path.to_owned(), text, rust }
    }

    /// The last part of the path without its extension.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The number of the first line that contains the text; 1 if none does.
    pub(super) fn line_of(&self, part: &str) -> usize {
        self.text.lines().position(|line| line.contains(part)).map_or(1, |index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_there_as_a_file_or_as_a_folder() {
        let tree = Tree::with(&[("docs/protocol.md", "")]);
        for (path, there) in [
            ("docs/protocol.md", true),
            ("docs", true),
            ("", true),
            ("doc", false),
            ("docs/protocol", false),
        ] {
            assert_eq!(tree.contains(path), there, "{path}");
        }
    }

    #[test]
    fn the_repository_lists_this_file_with_its_code() {
        let tree = Tree::of_repository().unwrap();
        let file = tree.file("xtask/src/tidy/tree.rs").unwrap();
        assert!(file.rust.is_some());
        assert_eq!(file.stem(), "tree");
        assert_eq!(file.line_of("use std::process"), 3);
        assert!(!tree.files.iter().any(|file| file.path.starts_with("target/")));
        // A picture may be linked to, and no rule reads it.
        assert!(tree.contains("docs/console/phone-dark.png"));
        assert!(tree.file("docs/console/phone-dark.png").is_none());
    }
}
