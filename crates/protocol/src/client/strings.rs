//! A list of names, no longer than is allowed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Auth;

/// The strings of an array; `None` if it is no array, holds anything else, or holds more than
/// [`Auth::CHANNELS_MAX`].
pub(super) fn decode(json: &str) -> Option<Vec<Cow<'_, str>>> {
    serde_json::Deserializer::from_str(json).deserialize_seq(Strings).ok()
}

/// Borrows unless an escape forces a copy. A lone surrogate is refused: it is no Unicode, and a name must
/// be the same text to everyone.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.bytes().any(|byte| byte == b'\\') {
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

struct Strings;

impl<'a> Visitor<'a> for Strings {
    type Value = Vec<Cow<'a, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut elements: S) -> Result<Self::Value, S::Error> {
        let mut strings = Vec::new();
        while let Some(raw) = elements.next_element::<&'a RawValue>()? {
            if strings.len() == Auth::CHANNELS_MAX {
                return Err(S::Error::custom("too many"));
            }
            strings.push(string(raw).ok_or_else(|| S::Error::custom("no string"))?);
        }
        Ok(strings)
    }
}
