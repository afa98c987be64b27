//! Files that a configuration is read from, more than once.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

/// Reads files, and knows which of them held something.
///
/// Whoever writes a file anew in its place empties it first, and whoever reads it just then would take nothing
/// for what is meant: an empty configuration is a good one, without a single rule.
#[derive(Debug, Default)]
pub struct Files {
    held_something: Mutex<BTreeSet<PathBuf>>,
}

impl Files {
    /// What the file holds now.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is empty and was not when it was read before.
    pub fn read(&self, path: &Path) -> io::Result<String> {
        let text = std::fs::read_to_string(path)?;
        let mut held_something = self.held_something.lock();
        if !text.trim().is_empty() {
            held_something.insert(path.to_owned());
        } else if held_something.contains(path) {
            let why =
                "it is empty, as while it is being written: write another and rename it to this";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_being_written_is_not_taken_for_an_empty_one() {
        let path = std::env::temp_dir().join(format!("ws-files-{}", std::process::id()));
        let files = Files::default();
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            files.read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(read(" \n"), Ok(" \n".to_owned()), "it was meant so from the start");
        assert_eq!(read("[log]\n"), Ok("[log]\n".to_owned()));
        assert!(read("").is_err_and(|why| why.contains("rename it")));
        assert_eq!(read("# nothing\n"), Ok("# nothing\n".to_owned()));
        std::fs::remove_file(&path).unwrap();
        assert!(files.read(&path).is_err());
    }
}
