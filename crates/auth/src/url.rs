//! The address where an issuer publishes its keys. Whoever can answer for it decides who anybody is,
//! so it is https, or stays on this machine.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;

/// An address that keys may be fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyUrl(Arc<str>);

impl KeyUrl {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let host = uri.host().filter(|host| !host.is_empty())?;
        // A password in an address ends up in logs.
        if authority.as_str().contains('@') || text.contains('#') {
            return None;
        }
        match uri.scheme_str()? {
            "https" => {}
            "http" if is_loopback(host) => {}
            _ => return None,
        }
        Some(Self(text.into()))
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.0
    }
}

/// Whether the HTTP client read the same scheme and host from the same text. Two parsers that
/// disagree on where an address leads are a classic way around a check.
#[cfg(feature = "fetch")]
pub(crate) fn is_read_alike(text: &str, scheme: &str, host: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str().is_some_and(|ours| ours.eq_ignore_ascii_case(scheme))
            && uri.host().is_some_and(|ours| ours.eq_ignore_ascii_case(host))
    })
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, accepted: bool) {
        assert_eq!(KeyUrl::parse(text).is_some(), accepted, "{text}");
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        check("https://abc.supabase.co/auth/v1/.well-known/jwks.json", true);
        check("HTTPS://issuer.example:8443/keys?v=1", true);
        check("http://localhost:3000/jwks", true);
        check("http://127.0.0.1/jwks", true);
        check("http://127.8.8.8/jwks", true);
        check("http://[::1]:3000/jwks", true);
        check("http://issuer.example/jwks", false);
        check("http://localhost.evil.example/jwks", false);
        check("http://127.0.0.1.evil.example/jwks", false);
        check("http://10.0.0.1/jwks", false);
        check("http://[::2]/jwks", false);
        check("http://0.0.0.0/jwks", false);
        check("http://localhost@evil.example/jwks", false);
        check("https://user:password@issuer.example/jwks", false);
        check("https://issuer.example/jwks#keys", false);
        check("http://127.0.0.1\\@evil.example/jwks", false);
        check("ftp://issuer.example/jwks", false);
        check("file:///etc/jwks.json", false);
        check("https://", false);
        check("issuer.example/jwks", false);
        check("/jwks", false);
        check("", false);
    }
}
