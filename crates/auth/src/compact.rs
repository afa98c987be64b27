//! A token taken apart: RFC 7515 compact serialization and its header, nothing believed yet.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::algorithm::Algorithm;
use crate::error::AuthError;

/// Key ids longer than this are no ids.
const KEY_ID_BYTES_MAX: usize = 512;

/// The parts of a token.
pub(crate) struct Compact<'a> {
    /// What the signature is over: the first two segments and the dot, as they were sent.
    pub(crate) signed: &'a [u8],
    pub(crate) header: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Splits and decodes. The decoder refuses padding and stray trailing bits, so that one token
    /// has one spelling.
    pub(crate) fn parse(token: &'a str) -> Result<Self, AuthError> {
        let mut segments = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(AuthError::Malformed);
        };
        let decode =
            |segment: &str| URL_SAFE_NO_PAD.decode(segment).map_err(|_| AuthError::Malformed);
        Ok(Self {
            signed: &token.as_bytes()[..header.len() + 1 + payload.len()],
            header: decode(header)?.into(),
            payload: decode(payload)?.into(),
            signature: decode(signature)?,
        })
    }
}

/// What we take from a token's header.
///
/// Keys and references to keys (`jwk`, `jku`, `x5u`, `x5c`) are not even read: a token has no say in
/// what it is verified with, beyond choosing among the keys that are configured.
#[derive(Deserialize)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default)]
    kid: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    typ: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// Any value counts as presence, `null` too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Header<'a> {
    /// Reads the header and refuses what no configuration could allow.
    pub(crate) fn parse(json: &'a [u8]) -> Result<(Self, Algorithm), AuthError> {
        // A derived struct would also be read from an array, `["HS256"]`.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(AuthError::Malformed);
        }
        let header: Self = serde_json::from_slice(json).map_err(|_| AuthError::Malformed)?;
        if header.crit {
            return Err(AuthError::CriticalHeader);
        }
        if header.kid.as_ref().is_some_and(|id| id.len() > KEY_ID_BYTES_MAX) {
            return Err(AuthError::Malformed);
        }
        let algorithm = header.alg.parse().map_err(|_| AuthError::AlgorithmNotAllowed)?;
        Ok((header, algorithm))
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The media type in `typ`, lower-cased and without its optional `application/` (RFC 7515
    /// §4.1.9).
    pub(crate) fn token_type(&self) -> Option<String> {
        let lower = self.typ.as_deref()?.to_ascii_lowercase();
        Some(lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::needless_pass_by_value, reason = "the tables read better without &")]
    fn check(json: &str, expect: Result<Algorithm, AuthError>) {
        let outcome = Header::parse(json.as_bytes()).map(|(_, algorithm)| algorithm);
        assert_eq!(outcome, expect, "{json}");
    }

    #[test]
    fn headers_are_read_strictly() {
        check(r#"{"alg":"HS256"}"#, Ok(Algorithm::Hs256));
        check(
            r#"{"alg":"ES256","jwk":{"kty":"oct"},"jku":7,"x5u":[],"x5c":"x"}"#,
            Ok(Algorithm::Es256),
        );
        check(r#"{"alg":"\u0048S256"}"#, Ok(Algorithm::Hs256));
        check(r#"{"alg":"HS256","alg":"none"}"#, Err(AuthError::Malformed));
        check(r#"{"alg":["HS256"]}"#, Err(AuthError::Malformed));
        check(r#"{"alg":null}"#, Err(AuthError::Malformed));
        check(r#"{"typ":"JWT"}"#, Err(AuthError::Malformed));
        check(r#"{"alg":"HS256","kid":5}"#, Err(AuthError::Malformed));
        check(r#"{"alg":"HS256","crit":["exp"]}"#, Err(AuthError::CriticalHeader));
        check(r#"{"alg":"HS256","crit":[]}"#, Err(AuthError::CriticalHeader));
        check(r#"{"alg":"HS256","crit":null}"#, Err(AuthError::CriticalHeader));
        check(r#"["HS256"]"#, Err(AuthError::Malformed));
        check("", Err(AuthError::Malformed));
        for none in ["none", "None", "NONE", "nONE", "", " ", "hs256", "HS256\u{0}"] {
            let json = serde_json::json!({ "alg": none }).to_string();
            check(&json, Err(AuthError::AlgorithmNotAllowed));
        }
    }

    #[test]
    fn a_key_id_of_absurd_length_is_refused() {
        let json = serde_json::json!({ "alg": "HS256", "kid": "k".repeat(513) }).to_string();
        check(&json, Err(AuthError::Malformed));
    }

    proptest! {
        #[test]
        fn no_string_panics(token in ".{0,200}") {
            if let Ok(compact) = Compact::parse(&token) {
                let _ = Header::parse(&compact.header);
            }
        }

        #[test]
        fn parts_come_out_as_they_went_in(header: Vec<u8>, payload: Vec<u8>, signature: Vec<u8>) {
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(&payload));
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
            let compact = Compact::parse(&token).expect("well-formed");
            prop_assert_eq!(compact.signed, signed.as_bytes());
            prop_assert_eq!(&*compact.header, &header[..]);
            prop_assert_eq!(&*compact.payload, &payload[..]);
            prop_assert_eq!(compact.signature, signature);
        }
    }
}
