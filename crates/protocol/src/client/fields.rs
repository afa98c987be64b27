//! One pass over an object: the texts of the fields that we know, wherever they stand.
//!
//! `type` need not come first, so nothing can be decoded on the way. Keeping the raw text of each field
//! costs no more than a derived struct does, and a field of the wrong kind does not end the pass: the
//! ids are known whatever else is wrong.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::vocabulary::Field;

/// The raw texts of the fields of one object.
pub(super) struct Fields<'a> {
    /// The field that the object stands in; a name is known only where it is read.
    within: Option<Field>,
    values: [Option<&'a RawValue>; Field::ALL.len()],
    repeated: Option<Field>,
}

impl<'a> Fields<'a> {
    pub(super) fn of_frame() -> Self {
        Self { within: None, values: [None; Field::ALL.len()], repeated: None }
    }

    pub(super) fn within(field: Field) -> Self {
        Self { within: Some(field), ..Self::of_frame() }
    }

    /// Collects from `text`, which must be one object and nothing else. What stands before an error is
    /// kept.
    pub(super) fn collect(&mut self, text: &'a str) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_map(Collector(self))?;
        deserializer.end()
    }

    /// The text of a field, `null` included.
    pub(super) fn raw(&self, field: Field) -> Option<&'a RawValue> {
        self.values[field as usize]
    }

    /// The text of a field that is there and not `null`.
    pub(super) fn present(&self, field: Field) -> Option<&'a RawValue> {
        self.raw(field).filter(|raw| raw.get() != "null")
    }

    /// The first field that was given a second time.
    pub(super) fn repeated(&self) -> Option<Field> {
        self.repeated
    }
}

struct Collector<'f, 'a>(&'f mut Fields<'a>);

impl<'a> Visitor<'a> for Collector<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Key(named)) = map.next_key()? {
            let Some(field) = named.filter(|field| field.parent() == self.0.within) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let slot = &mut self.0.values[field as usize];
            if slot.is_some() {
                self.0.repeated.get_or_insert(field);
                map.next_value::<IgnoredAny>()?;
            } else {
                *slot = Some(map.next_value()?);
            }
        }
        Ok(())
    }
}

/// A key, recognized while it still lies in the text. One with escapes is unescaped first, so there is no
/// second way to spell a field that a check would not see.
struct Key(Option<Field>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(Key(Field::from_name(key)))
            }
        }

        deserializer.deserialize_identifier(KeyVisitor)
    }
}
