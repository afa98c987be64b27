//! A browser for the pages that the README and the docs show.

use std::path::Path;

use super::Found;
use super::programs::Programs;

/// Makes sure of a Chromium and returns its program.
pub(super) fn provide(
    programs: &mut Programs,
    _source: &Path,
    _target: &Path,
) -> anyhow::Result<Found> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    Ok(vec![programs.find(&names, "chromium")?.into()])
}
