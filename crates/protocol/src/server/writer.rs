//! Writes one JSON object, field by field, at the end of a buffer.

use serde::Serialize;

/// An object that is being written. Names are spelled in the source and need no escaping; values are
/// escaped by serde_json, which copies raw JSON as it is.
pub(super) struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> ObjectWriter<'o> {
    pub(super) fn start(type_name: &'static str, out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(type_name.as_bytes());
        out.push(b'"');
        Self { out }
    }

    pub(super) fn finish(self) {
        self.out.push(b'}');
    }

    pub(super) fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.name(name);
        #[expect(
            clippy::expect_used,
            reason = "a Vec takes all that is written, and our values (strings, numbers, raw JSON) always serialize"
        )]
        serde_json::to_writer(&mut *self.out, value).expect("writing to a Vec");
    }

    /// `None` leaves the field out.
    pub(super) fn optional<T: Serialize>(&mut self, name: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.field(name, &value);
        }
    }

    fn name(&mut self, name: &'static str) {
        debug_assert!(name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_'));
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}
