//! The client's side: the request, and what its response must say (RFC 6455 §4.1).

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use tungstenite::handshake::derive_accept_key;

use super::{
    head::header_line,
    server::lines,
    tokens::{list, names, single},
};

/// A client's opening handshake, from the request to the verdict on the response.
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    uri: Uri,
    key: String,
    protocols: Vec<String>,
    extensions: Option<String>,
    headers: HeaderMap,
}

/// What client and server agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The subprotocol, one of those offered.
    pub protocol: Option<String>,
    /// The lines of the extensions header; what was negotiated is for the extension to judge.
    pub extensions: Vec<String>,
}

/// The handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The address cannot be connected to.
    #[error("{0}")]
    Address(&'static str),
    /// A header of the request would change a header that the handshake itself sets.
    #[error("the header {0} belongs to the handshake")]
    ReservedHeader(HeaderName),
    /// The server answered with another status than 101.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The response lacks something or says something else than §4.1 asks.
    #[error("the server's response is not an upgrade: {0}")]
    Response(&'static str),
}

impl ClientHandshake {
    /// A handshake with `uri` (`ws://` or `wss://`). `key` is the nonce: sixteen random bytes in
    /// base64, as tungstenite's `generate_key` makes them.
    pub fn new(uri: Uri, key: String) -> Result<Self, HandshakeError> {
        match uri.scheme_str() {
            Some("ws" | "wss") => {}
            _ => {
                return Err(HandshakeError::Address("the address must begin with ws:// or wss://"));
            }
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(HandshakeError::Address("the address names no host"));
        }
        let (protocols, headers) = (Vec::new(), HeaderMap::new());
        Ok(Self { uri, key, protocols, extensions: None, headers })
    }

    /// Offers subprotocols, the preferred one first.
    #[must_use]
    pub fn with_protocols(
        mut self,
        protocols: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Offers extensions, as a header value.
    #[must_use]
    pub fn with_extensions(mut self, extensions: Option<String>) -> Self {
        self.extensions = extensions;
        self
    }

    /// Adds a header of the application, such as `Authorization` or `Origin`.
    pub fn with_header(
        mut self,
        name: HeaderName,
        value: HeaderValue,
    ) -> Result<Self, HandshakeError> {
        let reserved = [
            header::HOST,
            header::UPGRADE,
            header::CONNECTION,
            header::SEC_WEBSOCKET_KEY,
            header::SEC_WEBSOCKET_VERSION,
            header::SEC_WEBSOCKET_PROTOCOL,
            header::SEC_WEBSOCKET_EXTENSIONS,
        ];
        if reserved.contains(&name) {
            return Err(HandshakeError::ReservedHeader(name));
        }
        self.headers.append(name, value);
        Ok(self)
    }

    /// Where to connect to.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Appends the request.
    pub fn encode_request(&self, out: &mut Vec<u8>) {
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        // Credentials in an address are not part of the Host header.
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        header_line(out, "Host", host.as_bytes());
        header_line(out, "Upgrade", b"websocket");
        header_line(out, "Connection", b"Upgrade");
        header_line(out, "Sec-WebSocket-Version", b"13");
        header_line(out, "Sec-WebSocket-Key", self.key.as_bytes());
        if !self.protocols.is_empty() {
            header_line(out, "Sec-WebSocket-Protocol", self.protocols.join(", ").as_bytes());
        }
        if let Some(extensions) = &self.extensions {
            header_line(out, "Sec-WebSocket-Extensions", extensions.as_bytes());
        }
        for (name, value) in &self.headers {
            header_line(out, name.as_str(), value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Judges the response (§4.1, the list after "validate the server's response").
    pub fn judge(&self, response: &Response<()>) -> Result<Agreement, HandshakeError> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(HandshakeError::Status(response.status()));
        }
        let headers = response.headers();
        if !names(headers, &header::UPGRADE, "websocket") {
            return Err(HandshakeError::Response("Upgrade does not name websocket"));
        }
        if !names(headers, &header::CONNECTION, "upgrade") {
            return Err(HandshakeError::Response("Connection does not name Upgrade"));
        }
        let accept = derive_accept_key(self.key.as_bytes());
        if single(headers, &header::SEC_WEBSOCKET_ACCEPT) != Ok(Some(accept.as_str())) {
            return Err(HandshakeError::Response("Sec-WebSocket-Accept is wrong or missing"));
        }
        let mut chosen = list(headers, &header::SEC_WEBSOCKET_PROTOCOL);
        let protocol = match (chosen.next(), chosen.next()) {
            (None, _) => None,
            (Some(one), None) if self.protocols.iter().any(|offered| offered == one) => {
                Some(one.to_owned())
            }
            _ => return Err(HandshakeError::Response("Sec-WebSocket-Protocol was not offered")),
        };
        let extensions: Vec<_> =
            lines(headers, &header::SEC_WEBSOCKET_EXTENSIONS).map(str::to_owned).collect();
        if self.extensions.is_none() && !extensions.is_empty() {
            return Err(HandshakeError::Response("Sec-WebSocket-Extensions were not offered"));
        }
        Ok(Agreement { protocol, extensions })
    }
}
