//! Benches of the workspace: one file for each component, on the per-message path.
