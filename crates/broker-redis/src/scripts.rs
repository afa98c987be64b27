//! What must be done at once is a script.

use std::sync::LazyLock;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Append,
    Read,
    Remove,
    Put,
}

/// All, in the order of [`Script`].
pub(crate) const SOURCES: [&str; 4] = [
    concat!(include_str!("scripts/life.lua"), include_str!("scripts/append.lua")),
    concat!(include_str!("scripts/life.lua"), include_str!("scripts/read.lua")),
    include_str!("scripts/remove.lua"),
    include_str!("scripts/put.lua"),
];

/// By which the server knows them once they were loaded.
static HASHES: LazyLock<[String; 4]> =
    LazyLock::new(|| SOURCES.map(|source| redis::Script::new(source).get_hash().to_owned()));

impl Script {
    /// `EVALSHA` with so many keys.
    pub(crate) fn call(self, keys: usize) -> redis::Cmd {
        let mut command = redis::Cmd::new();
        command.arg("EVALSHA").arg(&HASHES[self as usize]).arg(keys);
        command
    }
}

/// Loads all of them.
pub(crate) fn load(pipeline: &mut redis::Pipeline) {
    for source in SOURCES {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(source);
    }
}
