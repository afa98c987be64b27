//! A value that is shown to nobody by accident.

use std::fmt;

/// What stands in the place of a secret wherever one would be printed.
pub(super) const HIDDEN: &str = "***";

/// A key or a password. `Debug` and `Display` print a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_a_placeholder_however_it_is_printed() {
        let secret = Secret::new("correct horse");
        for printed in [format!("{secret}"), format!("{secret:?}"), format!("{:#?}", Some(&secret))]
        {
            assert!(!printed.contains("horse"), "{printed}");
        }
        assert_eq!(secret.expose(), "correct horse");
    }
}
