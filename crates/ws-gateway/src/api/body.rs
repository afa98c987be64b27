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

/// What the bodies of the API may say; whatever else they say is ignored, as in messages of clients, but where that
/// would be dangerous.
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

/// As much of a name that is not known is told.
const NAME_TOLD: usize = 40;

/// The fields of a body, as their texts.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    known: [Option<&'a RawValue>; NAMES.len()],
    /// The first that is none of them.
    unknown: Option<String>,
}

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
        let mut collector =
            Collector { fields: [None; NAMES.len()], unknown: None, repeated: None };
        let read = deserializer.deserialize_map(&mut collector).and_then(|()| deserializer.end());
        read.map_err(|error| Fault::bad_json(format!("The body is not one JSON object: {error}")))?;
        if ws_protocol::is_too_deep(text) {
            let max = ws_protocol::NESTING_MAX;
            return Err(Fault::bad_json(format!("The body is nested deeper than {max} levels")));
        }
        match collector.repeated {
            Some(name) => Err(Fault::invalid(name, "given twice")),
            None => Ok(Self { known: collector.fields, unknown: collector.unknown }),
        }
    }

    /// Refuses every other field, whether or not another request may have it.
    pub(super) fn expect_only(&self, names: &[&str]) -> Result<(), Fault> {
        let given = NAMES.iter().zip(self.known).filter(|(_, raw)| raw.is_some());
        let mut others = given.map(|(name, _)| *name).filter(|name| !names.contains(name));
        match self.unknown.as_deref().or_else(|| others.next()) {
            None => Ok(()),
            Some(name) => {
                let expected = names.join(", ");
                Err(Fault::invalid(name, format_args!("not known here: it is one of {expected}")))
            }
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
        self.known[place]
    }
}

struct Collector<'a> {
    fields: [Option<&'a RawValue>; NAMES.len()],
    unknown: Option<String>,
    repeated: Option<&'static str>,
}

impl<'a> Visitor<'a> for &mut Collector<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key()? {
            let place = match name {
                Name::Known(place) => place,
                Name::Unknown(name) => {
                    map.next_value::<IgnoredAny>()?;
                    self.unknown.get_or_insert(name);
                    continue;
                }
            };
            if self.fields[place].replace(map.next_value()?).is_some() {
                self.repeated.get_or_insert(NAMES[place]);
            }
        }
        Ok(())
    }
}

/// A key, as its place among those that are known.
enum Name {
    Known(usize),
    Unknown(String),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Name, E> {
                let place = NAMES.iter().position(|known| *known == key);
                let told = || key.chars().take(NAME_TOLD).collect();
                Ok(place.map_or_else(|| Name::Unknown(told()), Name::Known))
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
    fn where_a_field_too_many_is_dangerous_it_is_refused_whoever_else_may_have_it() {
        let only = |body: &[u8]| Fields::of(body).unwrap().expect_only(&["jti", "sub"]);
        assert_eq!(only(br#"{"sub":"ada"}"#), Ok(()));
        for (body, name) in [(&br#"{"sub":"ada","user":1}"#[..], "user"), (b"{\"code\":1}", "code")]
        {
            let fault = format!("{:?}", only(body).unwrap_err());
            assert!(
                fault.contains(&format!("{name}: not known here: it is one of jti, sub")),
                "{fault}"
            );
        }
        let long = format!(r#"{{"{}":1}}"#, "x".repeat(5000));
        assert!(format!("{:?}", only(long.as_bytes()).unwrap_err()).len() < 300);
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
