//! Strings that must not reach a log, a metric or an error text.

use std::fmt;

/// A token or a key that is shown to nobody by accident: `Debug` and `Display` print a placeholder.
///
/// Whoever needs the content says so with [`Secret::expose`], which is easy to search for.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a string.
    pub fn new(content: impl Into<Box<str>>) -> Self {
        Self(content.into())
    }

    /// The content itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(content: String) -> Self {
        Self(content.into_boxed_str())
    }
}

impl From<&str> for Secret {
    fn from(content: &str) -> Self {
        Self(content.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_a_placeholder_however_it_is_printed() {
        let secret = Secret::from("hunter2-hunter2");
        for printed in [format!("{secret}"), format!("{secret:?}"), format!("{secret:#?}")] {
            assert!(!printed.contains("hunter2"), "{printed}");
        }
        assert_eq!(secret.expose(), "hunter2-hunter2");
    }
}
