//! Reasons that fit into a close frame.

use std::ops::Deref;

use tungstenite::Utf8Bytes;

/// The most bytes that a reason may have: 125 of a control frame, less two for the code (RFC 6455
/// section 5.5).
pub const REASON_BYTES_MAX: usize = 123;

/// A reason that fits into a close frame. Longer texts are cut when it is made; clones are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseReason(Utf8Bytes);

impl CloseReason {
    /// The text, cut at [`REASON_BYTES_MAX`].
    #[must_use]
    pub fn new(text: impl Into<Utf8Bytes>) -> Self {
        let text = text.into();
        let fitting = truncate_reason(&text);
        if fitting.len() == text.len() { Self(text) } else { Self(fitting.into()) }
    }
}

impl Deref for CloseReason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CloseReason {
    fn from(text: &str) -> Self {
        Self(truncate_reason(text).into())
    }
}

impl From<String> for CloseReason {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Utf8Bytes> for CloseReason {
    fn from(text: Utf8Bytes) -> Self {
        Self::new(text)
    }
}

impl From<CloseReason> for Utf8Bytes {
    fn from(reason: CloseReason) -> Self {
        reason.0
    }
}

/// The part of a text that fits into a close frame: at most 123 bytes, cut on a character boundary.
#[must_use]
pub fn truncate_reason(text: &str) -> &str {
    &text[..text.floor_char_boundary(REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reasons_are_cut_at_123_bytes_on_a_character_boundary() {
        #[track_caller]
        fn check(text: &str, expect: usize) {
            assert_eq!(truncate_reason(text).len(), expect);
            assert_eq!(&*CloseReason::from(text), truncate_reason(text));
            assert_eq!(&*CloseReason::from(text.to_owned()), truncate_reason(text));
        }
        check("", 0);
        check("Server restart", 14);
        check(&"a".repeat(123), 123);
        check(&"a".repeat(124), 123);
        check(&"é".repeat(100), 122);
        check(&"€".repeat(100), 123);
        check(&"🦀".repeat(100), 120);
        check(&format!("{}🦀", "a".repeat(119)), 123);
        check(&format!("{}🦀", "a".repeat(120)), 120);
    }

    proptest! {
        #[test]
        fn any_text_keeps_the_longest_prefix_that_fits(text in ".{0,200}") {
            let cut = truncate_reason(&text);
            prop_assert!(text.starts_with(cut));
            let next = text[cut.len()..].chars().next().map_or(0, char::len_utf8);
            prop_assert!(cut.len() <= REASON_BYTES_MAX);
            prop_assert!(next == 0 || cut.len() + next > REASON_BYTES_MAX);
        }
    }
}
