//! What went wrong, down to its cause.

use std::error::Error;

/// An error with what led to it, which is where a client of HTTP says what went wrong.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
