//! What cargo remembers of the registry: whether a version was taken back.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Package;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Good,
    TakenBack,
    /// Cargo has not asked for it, or remembers in a way that we cannot read.
    Unknown,
}

pub(super) fn state(home: &Path, package: &Package) -> State {
    let Ok(registries) = std::fs::read_dir(home.join("registry").join("index")) else {
        return State::Unknown;
    };
    let files = registries.flatten().map(|it| it.path().join(".cache").join(path(&package.name)));
    let states = files.filter_map(|file| std::fs::read(file).ok());
    let states = states.map(|bytes| in_cache(&bytes, &package.version.to_string()));
    states.filter(|state| *state != State::Unknown).last().unwrap_or(State::Unknown)
}

/// A file of the cache: after its head each version, and what is known of it as JSON, each ended by a zero.
fn in_cache(bytes: &[u8], version: &str) -> State {
    let mut parts = bytes.split(|byte| *byte == 0);
    while let Some(part) = parts.next() {
        if part != version.as_bytes() {
            continue;
        }
        let known = parts.next().and_then(|json| serde_json::from_slice::<Value>(json).ok());
        return match known.and_then(|known| known["yanked"].as_bool()) {
            Some(true) => State::TakenBack,
            Some(false) => State::Good,
            None => State::Unknown,
        };
    }
    State::Unknown
}

/// Where an index keeps a package: names of one, two, three, and of more letters.
fn path(name: &str) -> PathBuf {
    let name = name.to_lowercase();
    let folder = match (name.len(), name.get(..2), name.get(2..4)) {
        (1, ..) => "1".into(),
        (2, ..) => "2".into(),
        (3, ..) => Path::new("3").join(name.get(..1).unwrap_or_default()),
        (_, Some(first), Some(second)) => Path::new(first).join(second),
        _ => PathBuf::new(),
    };
    folder.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_was_taken_back_is_known_and_others_are_not_taken_for_it() {
        let cache = b"\x03\x02\0\0\0etag: x\x001.0.0\0{\"yanked\":true}\x001.0.1\0{\"yanked\":false}\x001.0.2\0{\0";
        let expected = [
            ("1.0.0", State::TakenBack),
            ("1.0.1", State::Good),
            ("1.0.2", State::Unknown),
            ("1.0", State::Unknown),
        ];
        for (version, state) in expected {
            assert_eq!(in_cache(cache, version), state, "{version}");
        }
    }

    #[test]
    fn packages_lie_where_the_index_has_them() {
        for (name, expected) in
            [("a", "1/a"), ("ab", "2/ab"), ("abc", "3/a/abc"), ("Tokio", "to/ki/tokio")]
        {
            assert_eq!(path(name), Path::new(expected));
        }
    }

    #[test]
    fn what_we_build_on_is_in_the_index_of_whoever_has_built_it() {
        let home = super::super::cargo_home().unwrap();
        let lock = std::fs::read_to_string(crate::workspace::root().join("Cargo.lock")).unwrap();
        // Whatever became of it: the file is there, and it is read as cargo has written it.
        let semver = |package: &Package| package.name == "semver";
        let package = super::super::packages(&lock).unwrap().into_iter().find(semver).unwrap();
        assert_ne!(state(&home, &package), State::Unknown);
    }
}
