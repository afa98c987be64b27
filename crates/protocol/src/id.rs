//! What ties an answer to its question.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A client's own name for a message: a JSON string or number that is given back as it was written.
///
/// It is never decoded: `7`, `7.0` and `"7"` are three ids, and so are `"a"` and `"\u0061"`. Two ids are
/// equal when their texts are.
#[derive(Clone, Copy)]
pub struct Id<'a>(&'a RawValue);

impl<'a> Id<'a> {
    /// The longest that is accepted, as written, with quotes. An id is kept while its answer is on the
    /// way, so it must not be a place to store things in our memory.
    pub const BYTES_MAX: usize = 256;

    /// Takes a JSON text for an id, if it is a string or a number of at most [`Id::BYTES_MAX`] bytes.
    pub fn new(raw: &'a RawValue) -> Option<Self> {
        let text = raw.get();
        let fits = text.len() <= Self::BYTES_MAX;
        (fits && text.starts_with(|c: char| matches!(c, '"' | '-' | '0'..='9')))
            .then_some(Self(raw))
    }

    /// The JSON text; `to_owned` on it gives a `Box<RawValue>` to keep, [`Id::new`] makes it an id again.
    pub fn raw(self) -> &'a RawValue {
        self.0
    }

    /// The JSON text as written, quotes included.
    pub fn as_str(self) -> &'a str {
        self.0.get()
    }
}

impl PartialEq for Id<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Id<'_> {}

impl fmt::Debug for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.as_str())
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Everything by which a client can tell which of its messages is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Correlation<'a> {
    /// The `id` that any message may carry.
    pub id: Option<Id<'a>>,
    /// The `requestId` of a `request`.
    pub request_id: Option<Id<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_id(json: &str) -> bool {
        Id::new(serde_json::from_str(json).unwrap()).is_some()
    }

    #[test]
    fn strings_and_numbers_are_ids_and_nothing_else_is() {
        for json in ["\"\"", "\"a\"", "\"\\u0061\"", "0", "-1", "7.0", "1e9"] {
            assert!(is_id(json), "{json}");
        }
        for json in ["true", "false", "null", "[]", "{}", "[1]"] {
            assert!(!is_id(json), "{json}");
        }
    }

    #[test]
    fn an_id_may_be_as_long_as_the_limit_and_no_longer() {
        let quotes = 2;
        let longest = format!("\"{}\"", "x".repeat(Id::BYTES_MAX - quotes));
        assert!(is_id(&longest));
        assert!(!is_id(&format!("\"x{}", &longest[1..])));
    }

    #[test]
    fn an_id_serializes_as_it_was_written() {
        let raw: &RawValue = serde_json::from_str(r#""\u0061""#).unwrap();
        let id = Id::new(raw).unwrap();
        assert_eq!(serde_json::to_string(&[id]).unwrap(), r#"["\u0061"]"#);
        assert_eq!(id, Id::new(&raw.to_owned()).unwrap());
    }
}
