//! Charts as SVG that reads well on a light page and on a dark one.

pub(crate) mod bars;
pub(crate) mod canvas;
pub(crate) mod lines;
