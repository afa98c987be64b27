//! Where to connect to.

use std::net::{SocketAddr, ToSocketAddrs};

use http::Uri;

/// A URL and the address that it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) address: SocketAddr,
}

impl Target {
    /// Looks the host up once: a run is against one address.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let example = "a URL looks like ws://127.0.0.1:3001/ws";
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL; {example}"))?;
        match uri.scheme_str() {
            Some("ws") => {}
            Some("wss") => {
                return Err(format!(
                    "`{url}` asks for TLS, which this tool does not speak: measure the server \
                     behind its TLS proxy with ws://"
                ));
            }
            _ => return Err(format!("`{url}` does not begin with ws://; {example}")),
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(format!("`{url}` names no host; {example}"));
        }
        let port = uri.port_u16().unwrap_or(80);
        let mut addresses =
            (host, port).to_socket_addrs().map_err(|error| format!("`{host}`: {error}"))?;
        let address = addresses.next().ok_or_else(|| format!("`{host}` has no address"))?;
        Ok(Self { uri, address })
    }

    /// The same server with another path and query, where the token goes into the query.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> Uri {
        let target = self.uri.path_and_query().map_or("/", |it| it.as_str());
        let joint = if target.contains('?') { '&' } else { '?' };
        let authority = self.uri.authority().map_or("", |it| it.as_str());
        // What was a URL stays one: tokens are letters, digits, `.`, `-` and `_`.
        format!("ws://{authority}{target}{joint}{name}={value}")
            .parse()
            .unwrap_or_else(|_| self.uri.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_an_address_or_a_sentence() {
        for (url, expected) in [
            ("ws://127.0.0.1:3001/ws", Ok("127.0.0.1:3001")),
            ("ws://127.0.0.1", Ok("127.0.0.1:80")),
            ("ws://[::1]:9/x?y=z", Ok("[::1]:9")),
            ("wss://127.0.0.1", Err("asks for TLS")),
            ("http://127.0.0.1", Err("does not begin with ws://")),
            ("127.0.0.1:3001", Err("does not begin with ws://")),
            ("ws://", Err("no URL")),
            ("", Err("no URL")),
        ] {
            match (Target::parse(url), expected) {
                (Ok(target), Ok(address)) => assert_eq!(target.address.to_string(), address),
                (Err(error), Err(part)) => assert!(error.contains(part), "{url}: {error}"),
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_query_is_added_to_what_is_there() {
        for (url, expected) in [
            ("ws://127.0.0.1:1/ws", "ws://127.0.0.1:1/ws?token=a.b"),
            ("ws://127.0.0.1:1", "ws://127.0.0.1:1/?token=a.b"),
            ("ws://127.0.0.1:1/?x=y", "ws://127.0.0.1:1/?x=y&token=a.b"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.with_query("token", "a.b").to_string(), expected);
        }
    }
}
