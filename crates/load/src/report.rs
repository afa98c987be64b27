//! What a user sees: progress while it runs, a table, JSON, a page.

use crate::{clock::Nanos, engine::Control};

pub(crate) mod json;
pub(crate) mod table;

/// Somebody who is shown how far a run is.
pub(crate) trait Progress {
    /// Called about once a second.
    fn tick(&mut self, control: &Control, now: Nanos);

    /// Called at the end.
    fn done(&mut self) {}
}

/// Shows nothing.
pub(crate) struct Silent;

impl Progress for Silent {
    fn tick(&mut self, _control: &Control, _now: Nanos) {}
}
