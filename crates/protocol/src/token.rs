//! A credential on its way to whoever checks it.

use std::borrow::Cow;
use std::fmt;

/// A credential as the client wrote it.
///
/// `Debug` does not show it and there is no `Display`, so that it cannot slip into a log or an error
/// text together with the message that carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token<'a>(Cow<'a, str>);

impl<'a> Token<'a> {
    pub(crate) fn new(token: Cow<'a, str>) -> Self {
        Self(token)
    }

    /// The credential in the clear: for the verifier alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
