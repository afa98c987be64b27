//! Where a request carries its token.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL};

use crate::error::AuthError;

/// The subprotocol that the gateway speaks, and the only one that it echoes.
pub const SUBPROTOCOL: &str = "ws-gateway.v1";
/// What a subprotocol that carries a token starts with. Browsers cannot set headers on a WebSocket,
/// but they can offer subprotocols, and those do not end up in the logs of proxies as queries do.
pub const BEARER_SUBPROTOCOL: &str = "bearer.";
/// The name of the query parameter.
const QUERY_NAME: &str = "token";

/// The parts of a request that may carry a token, as text. A header that came several times has
/// several values.
#[derive(Clone, Default)]
pub struct CredentialSources<'a> {
    /// The values of `Authorization`.
    pub authorization: Vec<&'a str>,
    /// The values of `Sec-WebSocket-Protocol`.
    pub subprotocols: Vec<&'a str>,
    /// The query of the address, without `?`.
    pub query: Option<&'a str>,
    /// The values of `Cookie`.
    pub cookies: Vec<&'a str>,
    /// The name of the cookie that may carry a token; `None` looks at no cookie. A browser sends
    /// cookies for every page that asks, so an allowlist of [`Origins`](crate::Origins) must go
    /// with it.
    pub cookie_name: Option<&'a str>,
}

/// Where a token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// `Authorization: Bearer …`
    Header,
    /// `Sec-WebSocket-Protocol: ws-gateway.v1, bearer.…`
    Subprotocol,
    /// `?token=…`
    Query,
    /// The configured cookie.
    Cookie,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "the Authorization header",
            Self::Subprotocol => "the subprotocol",
            Self::Query => "the query",
            Self::Cookie => "the cookie",
        })
    }
}

/// A token as a request carried it, unverified. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential<'a> {
    source: CredentialSource,
    token: Cow<'a, str>,
}

impl Credential<'_> {
    /// Where it was found.
    #[must_use]
    pub fn source(&self) -> CredentialSource {
        self.source
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same, independent of the request.
    #[must_use]
    pub fn into_owned(self) -> Credential<'static> {
        Credential { source: self.source, token: Cow::Owned(self.token.into_owned()) }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("source", &self.source).finish_non_exhaustive()
    }
}

/// A token is there and is ill-formed: the request is to be refused, not to be taken for one
/// without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialError {
    /// Where it is.
    pub source: CredentialSource,
    /// What is wrong.
    pub fault: CredentialFault,
}

impl CredentialError {
    /// What the client may be told: `"Invalid token"`.
    #[must_use]
    pub const fn public_reason(&self) -> &'static str {
        AuthError::Malformed.public_reason()
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token in {} {}", self.source, self.fault)
    }
}

impl std::error::Error for CredentialError {}

impl From<CredentialError> for AuthError {
    fn from(_: CredentialError) -> Self {
        Self::Malformed
    }
}

/// What is wrong with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFault {
    /// The place for it is there, and is empty.
    Empty,
    /// It has characters that no token has.
    IllFormed,
    /// It is there more than once, and nothing says which one counts.
    Repeated,
    /// A `bearer.` subprotocol without `ws-gateway.v1` beside it: we could echo neither, and the
    /// browser would drop the connection without a reason.
    NoSubprotocol,
}

impl fmt::Display for CredentialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::IllFormed => "has characters that no token has",
            Self::Repeated => "is there more than once",
            Self::NoSubprotocol => "is not offered beside ws-gateway.v1",
        })
    }
}

/// The token of a request: from the `Authorization` header, else the subprotocol, else the query,
/// else the cookie. `None` when there is none; another scheme than `Bearer` counts as none.
///
/// # Errors
///
/// When the first place that has a token has an ill-formed one.
pub fn find_credential<'a>(
    sources: &CredentialSources<'a>,
) -> Result<Option<Credential<'a>>, CredentialError> {
    type Find = for<'a> fn(&CredentialSources<'a>) -> Result<Option<Cow<'a, str>>, CredentialFault>;
    let order: [(CredentialSource, Find); 4] = [
        (CredentialSource::Header, in_authorization),
        (CredentialSource::Subprotocol, in_subprotocols),
        (CredentialSource::Query, in_query),
        (CredentialSource::Cookie, in_cookies),
    ];
    for (source, find) in order {
        let found = find(sources).and_then(|token| token.map(well_formed).transpose());
        if let Some(token) = found.map_err(|fault| CredentialError { source, fault })? {
            return Ok(Some(Credential { source, token }));
        }
    }
    Ok(None)
}

/// [`find_credential`] in the headers of a request and the query of its address.
///
/// # Errors
///
/// As [`find_credential`]; a header that is not text counts as ill-formed.
pub fn find_credential_in<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    cookie_name: Option<&'a str>,
) -> Result<Option<Credential<'a>>, CredentialError> {
    // What is not ASCII text becomes a text that no token is in, so that it is refused and not
    // overlooked.
    let text = |name| -> Vec<&'a str> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("Bearer ?")).collect()
    };
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    find_credential(&CredentialSources {
        authorization: text(AUTHORIZATION),
        subprotocols: text(SEC_WEBSOCKET_PROTOCOL),
        query,
        cookies: cookies.collect(),
        cookie_name,
    })
}

/// The subprotocol to answer with, given the values of `Sec-WebSocket-Protocol`: ours if it is
/// offered, and never the one with the token.
#[must_use]
pub fn select_subprotocol<'a>(offers: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    offers.into_iter().flat_map(elements).any(|offer| offer == SUBPROTOCOL).then_some(SUBPROTOCOL)
}

fn in_authorization<'a>(
    sources: &CredentialSources<'a>,
) -> Result<Option<Cow<'a, str>>, CredentialFault> {
    let bearers = sources.authorization.iter().filter_map(|value| {
        let value = value.trim();
        let (scheme, token) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    only(bearers)
}

fn in_subprotocols<'a>(
    sources: &CredentialSources<'a>,
) -> Result<Option<Cow<'a, str>>, CredentialFault> {
    let offers = || sources.subprotocols.iter().copied().flat_map(elements);
    let token = only(offers().filter_map(|offer| offer.strip_prefix(BEARER_SUBPROTOCOL)))?;
    if token.is_some() && !offers().any(|offer| offer == SUBPROTOCOL) {
        return Err(CredentialFault::NoSubprotocol);
    }
    Ok(token)
}

fn in_query<'a>(sources: &CredentialSources<'a>) -> Result<Option<Cow<'a, str>>, CredentialFault> {
    let pairs = sources.query.unwrap_or_default().split('&');
    let values = pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == QUERY_NAME).then_some(value)
    });
    match only(values)? {
        Some(value) if value.contains('%') => {
            percent_decode(&value).map(|value| Some(value.into())).ok_or(CredentialFault::IllFormed)
        }
        value => Ok(value),
    }
}

fn in_cookies<'a>(
    sources: &CredentialSources<'a>,
) -> Result<Option<Cow<'a, str>>, CredentialFault> {
    let Some(wanted) = sources.cookie_name else { return Ok(None) };
    let pairs = sources.cookies.iter().flat_map(|value| value.split(';'));
    let values = pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (name.trim() == wanted).then_some(bare.unwrap_or(value))
    });
    only(values)
}

/// The elements of a header that is a list (RFC 9110 §5.6.1).
fn elements(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|element| !element.is_empty())
}

fn only<'a>(
    mut values: impl Iterator<Item = &'a str>,
) -> Result<Option<Cow<'a, str>>, CredentialFault> {
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(Cow::Borrowed(value))),
        (Some(_), Some(_)) => Err(CredentialFault::Repeated),
    }
}

/// The alphabet of RFC 7515's compact serialization. What is in the parts is not looked at here.
fn well_formed(token: Cow<'_, str>) -> Result<Cow<'_, str>, CredentialFault> {
    if token.is_empty() {
        return Err(CredentialFault::Empty);
    }
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if token.bytes().all(is_known) { Ok(token) } else { Err(CredentialFault::IllFormed) }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
            decoded.push(u8::try_from(value).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
