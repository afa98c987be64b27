//! A step that is over.

use std::time::SystemTime;

use crate::TraceContext;

/// A step of a trace, with when it began and ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Which trace, and which step of it.
    pub context: TraceContext,
    /// The step that led to it, and whether that was in another process.
    pub parent: Option<(u64, bool)>,
    /// What kind of thing was done: one of a few names, for whoever groups by it.
    pub name: &'static str,
    /// Towards whom.
    pub kind: Kind,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// What else is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did.
    pub failure: Option<&'static str>,
}

/// What a step is to those on both ends of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Within a process.
    Internal = 1,
    /// Somebody asked, and it was answered here.
    Server = 2,
    /// Somebody else was asked.
    Client = 3,
    /// Something was sent to whoever wants it.
    Producer = 4,
    /// Something came that somebody had sent.
    Consumer = 5,
}

/// As much of a text is kept. Names and paths may be whatever somebody outside has sent, and spans wait for their
/// collector: with 2,048 of them a MiB each would be two GiB.
const TEXT_BYTES_MAX: usize = 1024;

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text. One that was a `&str` or a `String` is cut at 1,024 bytes, between two characters.
    Text(Box<str>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(TEXT_BYTES_MAX)].into())
    }
}

impl From<String> for Value {
    fn from(mut text: String) -> Self {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        Self::Text(text.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_somebody_outside_is_kept_as_far_as_names_go() {
        let long = "ä".repeat(1 << 20);
        let cut = Value::Text("ä".repeat(512).into());
        assert_eq!(Value::from(&*long), cut);
        assert_eq!(Value::from(long), cut);
        assert_eq!(
            Value::from(format!("a{}", "ä".repeat(600))),
            Value::Text(format!("a{}", "ä".repeat(511)).into())
        );
        assert_eq!(Value::from("orders"), Value::Text("orders".into()));
    }
}
