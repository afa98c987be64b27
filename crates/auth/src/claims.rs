//! The claims of a token: read strictly, looked up by path, turned into times and names.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::AuthError;
use crate::identity::Names;

/// The last second of the year 9999. Times beyond it mean "never" and are cut to it, so that no
/// arithmetic on them overflows.
const SECONDS_MAX: u64 = 253_402_300_799;
/// Names from a claim; a token that grants more should name a pattern.
const NAMES_MAX: usize = 256;
/// The longest user, session, tier or token id that is taken over, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// The payload of a token as a JSON object in which no name is said twice.
#[derive(Debug)]
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, AuthError> {
        serde_json::from_slice(json).map_err(|_| AuthError::Malformed)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A registered claim that must be a string if it is there at all.
    pub(crate) fn string(&self, name: &str) -> Result<Option<&str>, AuthError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name)),
        }
    }

    /// Whether `aud`, a string or a list of strings (RFC 7519 §4.1.3), names one of `wanted`.
    /// `None` when there is no `aud`.
    pub(crate) fn audience_is_one_of(
        &self,
        wanted: &[Box<str>],
    ) -> Result<Option<bool>, AuthError> {
        let is_wanted = |name: &str| wanted.iter().any(|audience| **audience == *name);
        match self.get("aud") {
            None => Ok(None),
            Some(Value::String(name)) => Ok(Some(is_wanted(name))),
            Some(Value::Array(names)) => {
                let mut found = false;
                for name in names {
                    found |= is_wanted(name.as_str().ok_or_else(|| invalid("aud"))?);
                }
                Ok(Some(found))
            }
            Some(_) => Err(invalid("aud")),
        }
    }

    /// A NumericDate (RFC 7519 §2): a JSON number, nothing that merely looks like one.
    pub(crate) fn time(&self, name: &str) -> Result<Option<SystemTime>, AuthError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(seconds)) => Ok(Some(numeric_date(seconds))),
            Some(_) => Err(invalid(name)),
        }
    }

    /// Whether the claim is there and is not null.
    pub(crate) fn has(&self, path: &ClaimPath) -> bool {
        path.find(self).is_some()
    }

    /// The first of `paths` that is there, as the name of a user: a string, or (except for `sub`,
    /// which RFC 7519 §4.1.2 makes a string) a whole number, as many databases have them.
    pub(crate) fn user(&self, paths: &[ClaimPath]) -> Result<Option<Box<str>>, AuthError> {
        let Some((path, value)) = first(self, paths) else { return Ok(None) };
        match value {
            Value::Number(id) if path.name() != "sub" && !id.is_f64() => {
                Ok(Some(id.to_string().into()))
            }
            _ => text(path, value).map(Some),
        }
    }

    /// The first of `paths` that is there, as a short text.
    pub(crate) fn text(&self, paths: &[ClaimPath]) -> Result<Option<Box<str>>, AuthError> {
        first(self, paths).map(|(path, value)| text(path, value)).transpose()
    }

    /// The first of `paths` that is there, as a list of names: an array of strings, or one string
    /// with spaces between the names, as OAuth's `scope` has it (RFC 8693 §4.2).
    pub(crate) fn names(&self, paths: &[ClaimPath]) -> Result<Option<Names>, AuthError> {
        let Some((path, value)) = first(self, paths) else { return Ok(None) };
        let fault = || invalid(path.name());
        let names: Vec<&str> = match value {
            Value::String(names) => names.split_ascii_whitespace().collect(),
            Value::Array(names) => names
                .iter()
                .map(|name| name.as_str().ok_or_else(fault))
                .collect::<Result<_, _>>()?,
            _ => return Err(fault()),
        };
        if names.len() > NAMES_MAX {
            return Err(fault());
        }
        Names::new(names).ok_or_else(fault).map(Some)
    }
}

fn first<'a>(claims: &'a Claims, paths: &'a [ClaimPath]) -> Option<(&'a ClaimPath, &'a Value)> {
    paths.iter().find_map(|path| Some((path, path.find(claims)?)))
}

fn text(path: &ClaimPath, value: &Value) -> Result<Box<str>, AuthError> {
    match value {
        Value::String(text)
            if !text.is_empty()
                && text.len() <= TEXT_BYTES_MAX
                && !text.contains(char::is_control) =>
        {
            Ok(text.as_str().into())
        }
        _ => Err(invalid(path.name())),
    }
}

fn invalid(name: &str) -> AuthError {
    AuthError::InvalidClaim(name.into())
}

fn numeric_date(seconds: &Number) -> SystemTime {
    let since_epoch = if let Some(whole) = seconds.as_u64() {
        Duration::from_secs(whole.min(SECONDS_MAX))
    } else {
        // Before 1970, with a fraction, or beyond 64 bits. `clamp` keeps no NaN here because JSON
        // has none.
        let seconds = seconds.as_f64().unwrap_or(0.0).clamp(0.0, SECONDS_MAX as f64);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    };
    UNIX_EPOCH + since_epoch
}

/// Where to find a claim: the name of a top-level claim (which may contain dots, as in
/// `https://example.com/tier`), or a path into objects with dots between the names
/// (`app_metadata.tier`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimPath(Box<str>);

impl ClaimPath {
    pub(crate) fn new(path: &str) -> Self {
        Self(path.into())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// A null counts as absent here: issuers write it for "this user has none".
    fn find<'a>(&self, claims: &'a Claims) -> Option<&'a Value> {
        let direct = claims.get(&self.0);
        let found = direct.or_else(|| {
            let mut names = self.0.split('.');
            let outermost = claims.get(names.next()?)?;
            names.try_fold(outermost, |value, name| value.as_object()?.get(name))
        });
        found.filter(|value| !value.is_null())
    }
}

// Two `exp` in one object mean two different things to two parsers. Whoever signs such a thing is
// broken or is being used; RFC 7519 §4 lets us refuse it.
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without repeated names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Claims, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name is repeated"));
                    }
                }
                Ok(Claims(map))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).expect("test claims are an object")
    }

    fn paths(names: &[&str]) -> Vec<ClaimPath> {
        names.iter().map(|name| ClaimPath::new(name)).collect()
    }

    #[test]
    fn payloads_that_are_not_one_plain_object_are_malformed() {
        for json in
            ["", "null", "[]", "\"x\"", "{", "{}{}", r#"{"exp":1,"exp":2}"#, "{\"a\":1e999}"]
        {
            assert_eq!(Claims::parse(json.as_bytes()).err(), Some(AuthError::Malformed), "{json}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
        assert_eq!(Claims::parse(deep.as_bytes()).err(), Some(AuthError::Malformed));
    }

    #[test]
    fn times_are_numbers_and_absurd_ones_are_cut() {
        let check = |json: &str, expect: Result<Option<u64>, AuthError>| {
            let seconds = claims(json).time("exp").map(|time| {
                time.map(|time| time.duration_since(UNIX_EPOCH).expect("cut at 1970").as_secs())
            });
            assert_eq!(seconds, expect, "{json}");
        };
        check("{}", Ok(None));
        check(r#"{"exp":1700000000}"#, Ok(Some(1_700_000_000)));
        check(r#"{"exp":1700000000.9}"#, Ok(Some(1_700_000_000)));
        check(r#"{"exp":-1}"#, Ok(Some(0)));
        check(r#"{"exp":-1e300}"#, Ok(Some(0)));
        check(r#"{"exp":18446744073709551615}"#, Ok(Some(SECONDS_MAX)));
        check(r#"{"exp":18446744073709551616}"#, Ok(Some(SECONDS_MAX)));
        check(r#"{"exp":1e308}"#, Ok(Some(SECONDS_MAX)));
        for json in [
            r#"{"exp":"1700000000"}"#,
            r#"{"exp":null}"#,
            r#"{"exp":true}"#,
            r#"{"exp":[1700000000]}"#,
            r#"{"exp":{"$numberLong":"1"}}"#,
        ] {
            check(json, Err(invalid("exp")));
        }
    }

    #[test]
    fn the_user_is_the_first_claim_that_is_there() {
        let check = |json: &str, expect: Result<Option<&str>, AuthError>| {
            let user = claims(json).user(&paths(&["sub", "user_id"]));
            assert_eq!(user, expect.map(|user| user.map(Into::into)), "{json}");
        };
        check("{}", Ok(None));
        check(r#"{"sub":"a","user_id":"b"}"#, Ok(Some("a")));
        check(r#"{"user_id":"user-123"}"#, Ok(Some("user-123")));
        check(r#"{"sub":null,"user_id":"b"}"#, Ok(Some("b")));
        check(r#"{"user_id":42}"#, Ok(Some("42")));
        check(r#"{"sub":42}"#, Err(invalid("sub")));
        check(r#"{"sub":"","user_id":"b"}"#, Err(invalid("sub")));
        check(r#"{"sub":"a\nb"}"#, Err(invalid("sub")));
        check(r#"{"user_id":4.5}"#, Err(invalid("user_id")));
        check(r#"{"user_id":["b"]}"#, Err(invalid("user_id")));
        check(&format!(r#"{{"sub":"{}"}}"#, "u".repeat(257)), Err(invalid("sub")));
    }

    #[test]
    fn paths_reach_into_objects_and_dotted_names_are_found_whole() {
        let claims =
            claims(r#"{"app_metadata":{"tier":"pro","x":{"y":"z"}},"https://a.b/tier":"free"}"#);
        let check = |path: &str, expect: Option<&str>| {
            let found = claims.text(&paths(&[path])).expect("texts");
            assert_eq!(found.as_deref(), expect, "{path}");
        };
        check("app_metadata.tier", Some("pro"));
        check("app_metadata.x.y", Some("z"));
        check("https://a.b/tier", Some("free"));
        check("app_metadata.none", None);
        check("app_metadata.tier.deeper", None);
        check("tier", None);
    }

    #[test]
    fn names_come_as_a_list_or_as_a_string_with_spaces() {
        let check = |json: &str, expect: Result<Option<&[&str]>, AuthError>| {
            let names = claims(json).names(&paths(&["scope"]));
            let expect = expect.map(|names| {
                names.map(|names| Names::new(names.iter().copied()).expect("good names"))
            });
            assert_eq!(names, expect, "{json}");
        };
        check("{}", Ok(None));
        check(r#"{"scope":[]}"#, Ok(Some(&[])));
        check(r#"{"scope":["read","write"]}"#, Ok(Some(&["read", "write"])));
        check(r#"{"scope":"read  write"}"#, Ok(Some(&["read", "write"])));
        check(r#"{"scope":["read",1]}"#, Err(invalid("scope")));
        check(r#"{"scope":[""]}"#, Err(invalid("scope")));
        check(r#"{"scope":{"read":true}}"#, Err(invalid("scope")));
        let many = serde_json::json!({ "scope": vec!["x"; NAMES_MAX + 1] }).to_string();
        check(&many, Err(invalid("scope")));
    }

    #[test]
    fn audiences_are_a_string_or_a_list_of_strings() {
        let wanted: Vec<Box<str>> = vec!["gateway".into(), "api".into()];
        let check = |json: &str, expect: Result<Option<bool>, AuthError>| {
            assert_eq!(claims(json).audience_is_one_of(&wanted), expect, "{json}");
        };
        check("{}", Ok(None));
        check(r#"{"aud":"api"}"#, Ok(Some(true)));
        check(r#"{"aud":"API"}"#, Ok(Some(false)));
        check(r#"{"aud":["x","gateway"]}"#, Ok(Some(true)));
        check(r#"{"aud":[]}"#, Ok(Some(false)));
        check(r#"{"aud":["gateway",1]}"#, Err(invalid("aud")));
        check(r#"{"aud":{"gateway":1}}"#, Err(invalid("aud")));
        check(r#"{"aud":null}"#, Err(invalid("aud")));
    }

    proptest! {
        #[test]
        fn no_number_overflows_a_time(number in any::<f64>().prop_filter("JSON", |n| n.is_finite())) {
            let json = serde_json::json!({ "exp": number }).to_string();
            let time = claims(&json).time("exp").expect("a number").expect("is there");
            prop_assert!(time >= UNIX_EPOCH);
            prop_assert!(time.checked_add(Duration::from_secs(600)).is_some());
        }
    }
}
