//! A program that counts the instructions of others.

use std::path::Path;

use super::Found;
use super::programs::Programs;

/// Makes sure of Valgrind and returns its program.
pub(super) fn provide(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    Ok(vec![programs.find(&["valgrind"], "valgrind")?.into()])
}
