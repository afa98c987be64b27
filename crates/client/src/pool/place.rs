//! Where a connection leads, and as whom.

use std::fmt;
use std::sync::Arc;

use http::Uri;

/// What two calls must have in common to share a connection.
#[derive(PartialEq, Eq)]
pub(super) struct Place {
    url: Box<str>,
    token: Box<str>,
    /// Host and port, which are bounded together.
    pub(super) host: Arc<str>,
}

impl Place {
    pub(super) fn new(url: &str, token: &str) -> Arc<Self> {
        Arc::new(Self { url: url.into(), token: token.into(), host: host_of(url) })
    }
}

/// Tokens reach no log.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("host", &self.host).finish_non_exhaustive()
    }
}

/// An address that is none is its own host; whoever opens it will say what is wrong with it.
fn host_of(url: &str) -> Arc<str> {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(|uri| {
        let port = uri.port_u16().or_else(|| match uri.scheme_str()? {
            "ws" | "http" => Some(80),
            "wss" | "https" => Some(443),
            _ => None,
        });
        Some(format!("{}:{}", uri.host()?.to_ascii_lowercase(), port?))
    });
    host.map_or_else(|| url.into(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_its_name_and_port() {
        let check = |url, host| assert_eq!(&*host_of(url), host, "{url}");
        check("ws://Example.org/ws?a=b", "example.org:80");
        check("ws://example.org:80", "example.org:80");
        check("wss://example.org/ws", "example.org:443");
        check("wss://user:word@example.org:8443/", "example.org:8443");
        check("ws://[::1]:3001/ws", "[::1]:3001");
        check("nonsense", "nonsense");
        check("", "");
    }

    #[test]
    fn a_place_does_not_show_its_token() {
        let place = Place::new("ws://example.org/ws?token=s3cret", "s3cret");
        assert!(!format!("{place:?}").contains("s3cret"), "{place:?}");
    }
}
