//! Which server, and how to get to it.

use std::{fmt, sync::Arc};

use http::{
    Uri,
    uri::{Authority, PathAndQuery},
};

#[cfg(feature = "tls")]
use super::tls::Tls;
use super::{Connect, DialError, Wire, tcp};

/// An address that was checked, and the way to it.
#[derive(Clone)]
pub(crate) struct Target {
    uri: Uri,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Tcp,
    #[cfg(feature = "tls")]
    Tls(Tls),
    Own(Arc<dyn Connect>),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No query: a token may be in it.
        f.debug_struct("Target").field("authority", &self.uri.authority()).finish_non_exhaustive()
    }
}

impl Target {
    /// Checks the address. What connects, and whom TLS trusts, may be the application's own.
    pub(crate) fn new(
        address: &str,
        connect: Option<Arc<dyn Connect>>,
        #[cfg(feature = "tls")] tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Result<Self, DialError> {
        let uri = parse(address)?;
        let way = match connect {
            Some(connect) => Way::Own(connect),
            None if uri.scheme_str() == Some("ws") => Way::Tcp,
            #[cfg(feature = "tls")]
            None => Way::Tls(Tls::new(host(&uri), tls)?),
            #[cfg(not(feature = "tls"))]
            None => {
                let sentence = "wss:// needs the feature `tls` of ws-client";
                return Err(DialError::Invalid(sentence.to_owned()));
            }
        };
        Ok(Self { uri, way })
    }

    /// The same server, another resource.
    pub(crate) fn with_path(mut self, path: &str) -> Result<Self, DialError> {
        let Some(path) = path.parse::<PathAndQuery>().ok().filter(|_| path.starts_with('/')) else {
            return Err(DialError::Invalid(format!("{path:?} is not the path of a URL")));
        };
        let mut parts = self.uri.into_parts();
        parts.path_and_query = Some(path);
        self.uri = Uri::from_parts(parts).map_err(|it| DialError::Invalid(it.to_string()))?;
        Ok(self)
    }

    /// The address.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The port, also where the address leaves it to the scheme.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.uri.scheme_str() == Some("wss") { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(default)
    }

    /// A transport to the server, without a deadline.
    pub(crate) async fn connect(&self) -> Result<Wire, DialError> {
        match &self.way {
            Way::Own(connect) => connect.connect(&self.uri).await.map_err(DialError::Io),
            Way::Tcp => Ok(Wire::new(self.tcp().await?)),
            #[cfg(feature = "tls")]
            Way::Tls(tls) => Ok(Wire::new(tls.wrap(self.tcp().await?).await?)),
        }
    }

    async fn tcp(&self) -> Result<tokio::net::TcpStream, DialError> {
        tcp::connect(host(&self.uri), self.port()).await.map_err(DialError::Io)
    }
}

/// The host as resolvers and certificates know it: IPv6 without brackets.
fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

fn parse(address: &str) -> Result<Uri, DialError> {
    let invalid = |sentence: &str| Err(DialError::Invalid(sentence.to_owned()));
    // RFC 6455 §3.
    if address.contains('#') {
        return invalid("the address must have no fragment (#…)");
    }
    // RFC 3986 §3.1: a scheme's case says nothing.
    let address = address.split_once("://").map_or_else(
        || address.to_owned(),
        |(scheme, rest)| format!("{}://{rest}", scheme.to_ascii_lowercase()),
    );
    let Ok(uri) = address.parse::<Uri>() else {
        return invalid("the address is not a URL");
    };
    if !matches!(uri.scheme_str(), Some("ws" | "wss")) {
        return invalid("the address must begin with ws:// or wss://");
    }
    let authority = uri.authority().map_or("", Authority::as_str);
    if authority.contains('@') {
        return invalid(
            "the address must hold no credentials (user:password@): give a token or a header",
        );
    }
    if host(&uri).is_empty() {
        return invalid("the address names no host");
    }
    // What cannot be a port is no port to the parser. An empty one is the scheme's (RFC 3986 §3.2.3).
    let has_port = Some(authority.trim_end_matches(':')) != uri.host();
    if has_port && uri.port_u16().is_none_or(|port| port == 0) {
        return invalid("the address names no port that there is");
    }
    Ok(uri)
}
