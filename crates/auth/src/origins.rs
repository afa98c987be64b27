//! Which web pages may connect: the allowlist of origins (RFC 6454).

use std::collections::HashSet;

/// An allowlist of origins.
///
/// Browsers send the origin of the page with every WebSocket handshake, and do not ask the server's
/// leave as they do for other requests across origins. Where a cookie authenticates, this list is
/// what keeps other people's pages out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// `None`: any.
    allowed: Option<HashSet<Box<str>>>,
}

/// An entry of an allowlist that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entry:?} is no origin: it must be scheme://host or scheme://host:port, without a path, with \
     international names as xn--…; or \"*\" for any, or \"null\" for pages without one"
)]
pub struct OriginError {
    /// The entry as it was given.
    pub entry: Box<str>,
}

impl Origins {
    /// The list that allows every origin.
    #[must_use]
    pub const fn any() -> Self {
        Self { allowed: None }
    }

    /// A list from entries such as `https://app.example`, `http://localhost:3000`, `*` or `null`.
    /// No entry at all allows no web page.
    ///
    /// # Errors
    ///
    /// The first entry that is no origin. A host with a wildcard in it is none.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        let mut allowed = HashSet::new();
        let mut any = false;
        for entry in entries {
            let entry = entry.trim();
            if entry == "*" {
                any = true;
                continue;
            }
            let origin = normalize(entry).ok_or_else(|| OriginError { entry: entry.into() })?;
            allowed.insert(origin);
        }
        Ok(Self { allowed: (!any).then_some(allowed) })
    }

    /// Whether a handshake with this `Origin` header may go on.
    ///
    /// `None` may: browsers never leave the header out, and others could send what they like.
    #[must_use]
    pub fn allows(&self, origin: Option<&str>) -> bool {
        match (&self.allowed, origin) {
            (None, _) | (_, None) => true,
            (Some(allowed), Some(origin)) => {
                normalize(origin).is_some_and(|origin| allowed.contains(&origin))
            }
        }
    }

    /// Whether every origin is allowed, which must not be where a cookie authenticates.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.allowed.is_none()
    }
}

/// Scheme and host in lower case, the scheme's own port left out (RFC 6454 §4 and §6.2).
fn normalize(origin: &str) -> Option<Box<str>> {
    if origin == "null" {
        return Some(origin.into());
    }
    let lower = origin.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let is_scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(is_scheme_char)
    {
        return None;
    }
    let (host, port) = split_port(authority)?;
    let is_host_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_host_char),
    };
    let default_port = match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    is_host.then(|| match port.filter(|port| Some(*port) != default_port) {
        Some(port) => format!("{scheme}://{host}:{port}").into(),
        None => format!("{scheme}://{host}").into(),
    })
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_host = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_host..].split_once(':') {
        None => Some((authority, None)),
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((&authority[..after_host + host.len()], Some(port.parse().ok()?)))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_listed_origins_are_allowed() {
        let origins =
            Origins::new(["http://localhost:3000", " https://App.example ", "http://[::1]:8080"])
                .expect("all are origins");
        let check = |origin: &str, allowed: bool| {
            assert_eq!(origins.allows(Some(origin)), allowed, "{origin}");
        };
        check("http://localhost:3000", true);
        check("HTTP://LocalHost:3000", true);
        check("https://app.example", true);
        check("https://app.example:443", true);
        check("http://[::1]:8080", true);
        check("http://app.example", false);
        check("https://app.example:8443", false);
        check("https://app.example.evil.example", false);
        check("https://evil.example/https://app.example", false);
        check("https://app.example@evil.example", false);
        check("https://sub.app.example", false);
        check("https://app.example.", false);
        check("https://app.example/", false);
        check("http://localhost", false);
        check("http://localhost:03000", true);
        check("http://localhost:3000:1", false);
        check("null", false);
        check("", false);
        check("*", false);
        assert!(origins.allows(None));
        assert!(!origins.is_any());
    }

    #[test]
    fn a_star_allows_all_and_an_empty_list_no_page() {
        let any = Origins::new(["https://a.example", "*"]).expect("good entries");
        assert!(any.is_any() && any.allows(Some("https://b.example")) && any.allows(Some("null")));
        assert_eq!(any, Origins::any());
        let none = Origins::new([]).expect("no entry is bad");
        assert!(!none.allows(Some("https://a.example")) && none.allows(None));
        let opaque = Origins::new(["null"]).expect("a good entry");
        assert!(opaque.allows(Some("null")) && !opaque.allows(Some("https://a.example")));
    }

    #[test]
    fn entries_that_are_no_origins_are_named() {
        for entry in [
            "",
            "localhost",
            "localhost:3000",
            "https://",
            "https://a.example/",
            "https://a.example/x",
            "https://*.a.example",
            "https://bücher.example",
            "://a.example",
            "https://a.example:99999",
            "https://a.example:port",
            "https://u@a.example",
            "1https://a.example",
            "http://[::1",
        ] {
            let expect = OriginError { entry: entry.into() };
            assert_eq!(Origins::new([entry]), Err(expect), "{entry:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(origin in ".{0,80}") {
            let origins = Origins::new(["https://a.example"]).expect("a good entry");
            let _ = origins.allows(Some(&origin));
        }
    }
}
