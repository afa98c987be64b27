//! The body of a request: one JSON object, of which fields are read by their names.

use std::fmt;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, header},
};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::Fault;

/// What the bodies of the API may say; whatever else they say is ignored, as in messages of clients.
const NAMES: [&str; 10] = [
    "channel",
    "event",
    "data",
    "eventId",
    "code",
    "reason",
    "jti",
    "sub",
    "issuedBefore",
    "expiresAt",
];

/// The fields of a body, as their texts.
#[derive(Debug)]
pub(super) struct Fields<'a>([Option<&'a RawValue>; NAMES.len()]);

/// Reads a body, as large as it may be. One that need not be there may be empty and of no type.
pub(super) async fn read(request: Request, is_optional: bool) -> Result<Bytes, Fault> {
    let is_json = is_json(request.headers());
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(
            axum::extract::rejection::FailedToBufferBody::LengthLimitError(_),
        ) => Fault::TOO_LARGE,
        _ => Fault::bad_json("The body ended early"),
    })?;
    match is_json || (is_optional && body.is_empty()) {
        true => Ok(body),
        false => Err(Fault::MEDIA_TYPE),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = named.and_then(|named| named.split(';').next());
    media_type.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"))
}

impl<'a> Fields<'a> {
    pub(super) fn of(body: &'a [u8]) -> Result<Self, Fault> {
        let text = str::from_utf8(body).map_err(|_| Fault::bad_json("The body is not UTF-8"))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let mut collector = Collector { fields: [None; NAMES.len()], repeated: None };
        let read = deserializer.deserialize_map(&mut collector).and_then(|()| deserializer.end());
        read.map_err(|error| Fault::bad_json(format!("The body is not one JSON object: {error}")))?;
        if ws_protocol::is_too_deep(text) {
            let max = ws_protocol::NESTING_MAX;
            return Err(Fault::bad_json(format!("The body is nested deeper than {max} levels")));
        }
        match collector.repeated {
            Some(name) => Err(Fault::invalid(name, "given twice")),
            None => Ok(Self(collector.fields)),
        }
    }

    /// A text that must be there.
    pub(super) fn string(&self, name: &str) -> Result<String, Fault> {
        let text = self.optional_string(name)?;
        text.ok_or_else(|| Fault::missing(name, "a string"))
    }

    pub(super) fn optional_string(&self, name: &str) -> Result<Option<String>, Fault> {
        self.optional(name, "a string is expected")
    }

    pub(super) fn optional_code(&self, name: &str) -> Result<Option<u16>, Fault> {
        self.optional(name, "a close code is expected, such as 1008")
    }

    pub(super) fn optional_time(&self, name: &str) -> Result<Option<u64>, Fault> {
        self.optional(name, "a time is expected, in milliseconds since 1970")
    }

    /// JSON of any kind, `null` as well, that must be there.
    pub(super) fn anything(&self, name: &str) -> Result<&'a RawValue, Fault> {
        self.raw(name).ok_or_else(|| Fault::missing(name, "any JSON"))
    }

    /// What is there and not `null`.
    fn optional<T: Deserialize<'a>>(
        &self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Fault> {
        let present = self.raw(name).filter(|raw| raw.get() != "null");
        let read = present.map(|raw| serde_json::from_str(raw.get()));
        read.transpose().map_err(|_| Fault::invalid(name, expected))
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let place = NAMES.iter().position(|known| *known == name)?;
        self.0[place]
    }
}

struct Collector<'a> {
    fields: [Option<&'a RawValue>; NAMES.len()],
    repeated: Option<&'static str>,
}

impl<'a> Visitor<'a> for &mut Collector<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Name(place)) = map.next_key()? {
            let Some(place) = place else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if self.fields[place].replace(map.next_value()?).is_some() {
                self.repeated.get_or_insert(NAMES[place]);
            }
        }
        Ok(())
    }
}

/// A key, as its place among those that are known.
struct Name(Option<usize>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Name, E> {
                Ok(Name(NAMES.iter().position(|known| *known == key)))
            }
        }

        deserializer.deserialize_identifier(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_wherever_they_stand_and_whatever_else_there_is() {
        let body = br#" { "more":{"data":1}, "data" : [1.50, "\u00fc"],"ch\u0061nnel":"a\nb",
            "event":null, "code":1008 } "#;
        let fields = Fields::of(body).unwrap();
        assert_eq!(fields.anything("data").unwrap().get(), r#"[1.50, "\u00fc"]"#);
        assert_eq!(fields.string("channel").unwrap(), "a\nb");
        assert_eq!(fields.optional_string("event").unwrap(), None);
        assert_eq!(fields.optional_string("eventId").unwrap(), None);
        assert_eq!(fields.optional_code("code").unwrap(), Some(1008));
        let null = Fields::of(br#"{"data":null}"#).unwrap();
        assert_eq!(null.anything("data").unwrap().get(), "null");
    }

    #[test]
    fn what_is_no_object_is_told_with_its_place() {
        let nested = format!("{{\"data\":{}{}}}", "[".repeat(127), "]".repeat(127));
        let bodies: [(&[u8], &str); 9] = [
            (b"", "EOF"),
            (b"[]", "expected an object"),
            (b"{", "EOF"),
            (b"{\"data\":1}}", "trailing characters at line 1 column 11"),
            (b"{\"data\":01}", "line 1 column"),
            (b"{\"data\":nul}", "line 1 column"),
            (b"{\"data\":\"\xff\"}", "not UTF-8"),
            (b"{\"data\":1,\"data\":2}", "data: given twice"),
            (nested.as_bytes(), "nested deeper than 127 levels"),
        ];
        for (body, expect) in bodies {
            let fault = format!("{:?}", Fields::of(body).unwrap_err());
            assert!(fault.contains(expect), "{fault}");
        }
    }
}
